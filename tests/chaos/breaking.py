"""Deliberate faults of the product's code, each made in a running process; the checker must notice every one."""

import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID

import api.opening
from countersign.adapters.sendgrid_mail import SendGridMail
from countersign.dispatch.messenger import Messenger
from countersign.domain.credentials import CredentialStatus
from countersign.domain.messages import AnyMessage
from countersign.effects import activation, deliveries
from countersign.effects import secrets as secret_effects
from countersign.effects.work import Work
from countersign.storage import credentials, requests
from countersign.storage.credentials import Credential
from countersign.storage.database import Connection
from countersign.storage.requests import Request


def _exchange(place: object, name: str, broken: Callable[..., object]) -> None:
    setattr(place, name, broken)


def _lose_an_update() -> None:
    """A credential is said to be active, and the row is never written."""
    change = credentials.change

    async def broken(connection: Connection, *, status: CredentialStatus, **values: Any) -> Credential | None:
        async with connection.transaction(force_rollback=status is CredentialStatus.ACTIVE):
            return await change(connection, status=status, **values)

    _exchange(credentials, "change", broken)


def _send_twice() -> None:
    """A mail that the provider has taken is handed over again."""
    send = SendGridMail.send_mail

    async def broken(self: SendGridMail, **mail: Any) -> None:
        await send(self, **mail)
        await send(self, **mail)

    _exchange(SendGridMail, "send_mail", broken)


def _take_any_code() -> None:
    """Whatever is entered as the code from the mail activates."""

    async def broken(work: Work, request: Request, text: str) -> None:
        """Find it right."""

    _exchange(activation, "check_code", broken)


def _acknowledge_without_effect() -> None:
    """ACTIVATE LATER is answered, and the message never sent."""
    send = Messenger.send

    async def broken(self: Messenger, request: Request, message: AnyMessage, *, key: str) -> None:
        if message.kind != "activate_later":
            await send(self, request, message, key=key)

    _exchange(Messenger, "send", broken)


def _reveal_again() -> None:
    """That the secret was shown is never noted, so it can be shown for ever."""
    show = secret_effects._show

    async def broken(work: Work, request: Request) -> Any:
        return await show(work, request.model_copy(update={"revealed_at": None}))

    _exchange(secret_effects, "_show", broken)


def _forget_keys() -> None:
    """An Idempotency-Key is neither kept nor looked for: a start that is repeated is a second request."""

    async def never(work: Work, user_id: UUID, replay: object) -> None:
        """Know no such key."""

    async def forget(work: Work, user_id: UUID, replay: object, request: Request) -> None:
        """Keep nothing."""

    _exchange(api.opening, "replayed", never)
    _exchange(api.opening, "remember", forget)


def _make_codes_anew() -> None:
    """A code is made at random for each try to send it."""
    _exchange(deliveries, "one_time_code", lambda *_args, **_values: f"{secrets.randbelow(10**6):06}")


def _forget_to_close() -> None:
    """A request that is cancelled stays open, though its trail says that it ended."""

    async def broken(connection: Connection, request_id: UUID, **_: object) -> None:
        """Write nothing."""

    _exchange(requests, "close", broken)


BREAKS: dict[str, Callable[[], None]] = {
    "lost-update": _lose_an_update,
    "double-send": _send_twice,
    "any-code": _take_any_code,
    "lost-acknowledgement": _acknowledge_without_effect,
    "second-reveal": _reveal_again,
    "forgotten-keys": _forget_keys,
    "fresh-codes": _make_codes_anew,
    "never-closed": _forget_to_close,
}
