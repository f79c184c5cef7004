"""The links in mails that stop what the mail tells of. Their tokens are stored nowhere."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.stops import StopEffect, StopKind
from countersign.storage.database import Connection, one


class NewStop(BaseModel, frozen=True):
    """A link on its way to a person.

    A credential that has the version ``from_version`` still was not touched since, and needs no deactivation.
    """

    id: UUID
    account_id: UUID
    user_id: UUID
    kind: StopKind
    request_id: UUID | None = None
    credential_id: UUID | None = None
    from_version: int | None = None
    key_id: str
    expires_at: datetime


class Stop(NewStop, frozen=True):
    """A link, and what its first press did."""

    created_at: datetime
    pressed_at: datetime | None
    effect: StopEffect | None


async def insert(connection: Connection, new: NewStop) -> None:
    """Add a link."""
    await connection.execute(
        """INSERT INTO stops (id, account_id, user_id, kind, request_id, credential_id, from_version, key_id,
               expires_at)
           VALUES (%(id)s, %(account_id)s, %(user_id)s, %(kind)s, %(request_id)s, %(credential_id)s, %(from_version)s,
               %(key_id)s, %(expires_at)s)""",
        new.model_dump(),
    )


async def get(connection: Connection, stop_id: UUID) -> Stop | None:
    """Return the link."""
    return await one(connection, Stop, "SELECT * FROM stops WHERE id = %s", (stop_id,))


async def note_press(connection: Connection, stop_id: UUID, *, at: datetime, effect: StopEffect) -> None:
    """Store what the first press did."""
    await connection.execute("UPDATE stops SET pressed_at = %s, effect = %s WHERE id = %s", (at, effect, stop_id))
