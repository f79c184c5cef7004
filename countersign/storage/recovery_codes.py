"""Recovery codes, kept as MACs; each is good once."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from countersign.storage.database import Connection, many, scalar


class RecoveryCodeMac(BaseModel, frozen=True):
    """A recovery code that was not used, as it is kept."""

    code_mac: bytes
    key_id: str


async def replace(connection: Connection, user_id: UUID, macs: Iterable[RecoveryCodeMac]) -> None:
    """Let these be the user's codes, and no others."""
    await delete(connection, user_id)
    for mac in macs:
        await connection.execute(
            "INSERT INTO recovery_codes (user_id, code_mac, key_id) VALUES (%s, %s, %s)",
            (user_id, mac.code_mac, mac.key_id),
        )


async def unused(connection: Connection, user_id: UUID) -> list[RecoveryCodeMac]:
    """Return the codes that the user has left."""
    query = "SELECT code_mac, key_id FROM recovery_codes WHERE user_id = %s AND used_at IS NULL"
    return await many(connection, RecoveryCodeMac, query, (user_id,))


async def count_unused(connection: Connection, user_id: UUID) -> int:
    """Return how many codes the user has left."""
    query = "SELECT count(*) FROM recovery_codes WHERE user_id = %s AND used_at IS NULL"
    return int(await scalar(connection, query, (user_id,)))


async def use(connection: Connection, user_id: UUID, code_mac: bytes, *, at: datetime) -> bool:
    """Use up a code; False when it was used before."""
    done = await connection.execute(
        "UPDATE recovery_codes SET used_at = %s WHERE user_id = %s AND code_mac = %s AND used_at IS NULL",
        (at, user_id, code_mac),
    )
    return done.rowcount == 1


async def delete(connection: Connection, user_id: UUID) -> None:
    """Forget all of the user's codes."""
    await connection.execute("DELETE FROM recovery_codes WHERE user_id = %s", (user_id,))
