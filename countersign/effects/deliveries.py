"""What a code's send needs, and what became of it."""

from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from countersign.domain.messages import SendRef
from countersign.domain.permissions import funds_permissions
from countersign.domain.requests import ChangeTo, Channel, Delivery, Journey, Step
from countersign.effects.codes import link_token, one_time_code
from countersign.effects.work import Desk, found
from countersign.storage import challenges
from countersign.storage.challenges import Send, Settled

_APPROVING = {
    Journey.CREATE_API_KEY: "create API key",
    Journey.EDIT_API_KEY: "edit API key",
    Journey.ACTIVATE_API_KEY: "activate API key",
    Journey.CREATE_FIX: "create FIX credentials",
    Journey.ACTIVATE_FIX: "activate FIX credentials",
}
_CHANGING = {
    ChangeTo.AUTHENTICATOR: "change two-factor authentication to an authenticator",
    ChangeTo.SMS: "change two-factor authentication to SMS",
    ChangeTo.OFF: "turn off two-factor authentication",
    ChangeTo.RECOVERY_CODES: "get new recovery codes",
}


class CodeToSend(BaseModel):
    """A code on its way; never logged, never part of an activity's input or result."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    channel: Channel
    to: str
    key: str
    context: dict[str, Any]

    def __repr__(self) -> str:
        return f"CodeToSend(channel={self.channel})"

    __str__ = __repr__


async def code_to_send(desk: Desk, ref: SendRef, *, public_url: str) -> CodeToSend | None:
    """Return what to send, or None when it was sent already or its request no longer asks for it.

    The code is derived anew from the key ring, so a repeated send repeats the same code.
    """
    async with desk.database.connection() as connection:
        send = found(await challenges.get_send(connection, challenge_id=ref.challenge_id, number=ref.number))
    if send.delivery is not Delivery.SENDING or not send.awaited:
        return None
    code = one_time_code(desk.keys, send.challenge_id, send.number, key_id=send.key_id)
    token = link_token(desk.keys, send.challenge_id, send.number, key_id=send.key_id)
    return CodeToSend(
        channel=send.channel,
        to=found(send.address),
        key=f"{send.challenge_id}/{send.number}",
        context={
            **_subject(send),
            "code": code,
            "link": f"{public_url}/activate/{send.request_id}#{token}",
            "minutes": int(desk.rules.code_lifetime.total_seconds() // 60),
        },
    )


async def record_delivery(
    desk: Desk, ref: SendRef, *, delivery: Delivery, failure: str | None = None, tries: int | None = None
) -> None:
    """Store what became of a send and at which try, for the person who waits for it, and for ops."""
    settled = Settled(delivery, failure=failure, tries=tries)
    async with desk.database.connection() as connection:
        await challenges.record_delivery(connection, challenge_id=ref.challenge_id, number=ref.number, settled=settled)


async def note_sent(desk: Desk, ref: SendRef, *, provider_id: str, tries: int) -> None:
    """Store that the provider took a send; waits for a database that is away, or it would be sent again."""
    settled = Settled(Delivery.SENT, provider_id=provider_id or None, tries=tries)
    await desk.database.insist(
        partial(
            challenges.record_delivery,
            challenge_id=ref.challenge_id,
            number=ref.number,
            settled=settled,
        )
    )


def _subject(send: Send) -> dict[str, Any]:
    if send.change_to is not None:
        confirming = send.step is Step.NEW_FACTOR_CODE
        return {"approving": "use this number for two-factor codes" if confirming else _CHANGING[send.change_to]}
    # A mail code always activates, whatever journey led there.
    journey = Journey.ACTIVATE_API_KEY if send.channel is Channel.EMAIL else send.journey
    levels = ", ".join(send.permissions) or str(send.session_type or "").replace("_", " ")
    return {
        "approving": f"{_APPROVING[journey]} “{send.name}” ({levels})",
        "credential_name": send.name,
        "permissions": list(send.permissions),
        "funds_permissions": list(funds_permissions(send.permissions)),
        "ip_whitelist": list(send.ip_whitelist),
    }
