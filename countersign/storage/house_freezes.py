"""Who froze or thawed what the whole exchange issues, when and why: rows are added, and the newest holds."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.freezing import HouseFreeze
from countersign.storage.database import Connection, one

NEWEST = "SELECT f.frozen FROM house_freezes f ORDER BY f.number DESC LIMIT 1"


class NewFreeze(BaseModel, frozen=True):
    """What is frozen from now on, by whom and why."""

    frozen: HouseFreeze
    done_by: str
    user_id: UUID | None
    reason: str


class StoredFreeze(NewFreeze, frozen=True):
    """The same, and since when."""

    at: datetime


async def newest(connection: Connection) -> StoredFreeze | None:
    """Return what holds, or None where nothing was ever frozen."""
    query = "SELECT frozen, done_by, user_id, reason, at FROM house_freezes ORDER BY number DESC LIMIT 1"
    return await one(connection, StoredFreeze, query)


async def insert(connection: Connection, new: NewFreeze) -> None:
    """Let this hold from now on."""
    await connection.execute(
        """INSERT INTO house_freezes (frozen, done_by, user_id, reason)
           VALUES (%(frozen)s, %(done_by)s, %(user_id)s, %(reason)s)""",
        new.model_dump(),
    )
