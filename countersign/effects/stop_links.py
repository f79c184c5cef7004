"""The links "This wasn't me": put into mails, and derived from the key ring whenever one is written or pressed."""

import base64
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID, uuid4

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.domain.stops import StopKind
from countersign.effects.work import Desk, Work, found
from countersign.storage import stops
from countersign.storage.stops import NewStop


@dataclass(frozen=True)
class Stoppable:
    """What the link in a notice stops; ``from_version`` is the credential's before what the notice tells of."""

    kind: StopKind
    credential_id: UUID | None = None
    from_version: int | None = None


MOMENT = "%Y-%m-%d %H:%M UTC"
SECURITY_CHANGE = Stoppable(StopKind.SECURITY_CHANGE)


async def add_stop_link(work: Work, user_id: UUID, what: Stoppable, *, request_id: UUID | None) -> UUID:
    """Store what the link in a mail to that user will stop; return its id."""
    new = NewStop(
        id=uuid4(),
        account_id=work.account.id,
        user_id=user_id,
        kind=what.kind,
        request_id=request_id,
        credential_id=what.credential_id,
        from_version=what.from_version,
        key_id=work.keys.current,
        expires_at=work.at + work.rules.stop_link_lifetime,
    )
    await stops.insert(work.connection, new)
    return new.id


async def stop_context(desk: Desk, stop_id: UUID | None, *, public_url: str) -> dict[str, str]:
    """Return the link and its end as a mail tells them, both empty where it carries none.

    The token stands behind the ``#``, which no server sees.
    """
    if stop_id is None:
        return {"stop_link": "", "stop_until": ""}
    async with desk.database.connection() as connection:
        stop = found(await stops.get(connection, stop_id))
    link = f"{public_url}/stop/{stop.id}#{stop_token(desk.keys, stop)}"
    return {"stop_link": link, "stop_until": stop.expires_at.strftime(MOMENT)}


def stop_token(keys: KeyRing, stop: NewStop) -> str:
    """Return the token of a link: 256 bits as base64url, over what it stops, in whose mail and until when.

    Whoever can write to the table cannot turn a link against anything else, and whoever can read it has no link.
    """
    named = (stop.id, stop.account_id, stop.user_id, stop.kind, stop.request_id, stop.credential_id, stop.from_version)
    over = "\n".join([*map(str, named), stop.expires_at.astimezone(UTC).isoformat()])
    mac = keys.mac(Purpose.STOP_LINK, over.encode(), key_id=stop.key_id)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
