"""What came of the calls made with a credential, by day (UTC). The addresses are people's: for the owners alone."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, IPvAnyAddress

from countersign.domain.verification import Outcome
from countersign.storage.database import Connection, many


class Counted(BaseModel, frozen=True):
    """How often a call ended so, and when and from where the last one came."""

    credential_id: UUID
    outcome: Outcome
    day: date
    count: int
    last_at: datetime
    last_ip: IPvAnyAddress


class LastUse(BaseModel, frozen=True):
    """When and from where a credential was last used with success."""

    credential_id: UUID
    at: datetime
    ip: IPvAnyAddress


async def add(connection: Connection, counted: Sequence[Counted]) -> None:
    """Add the counts to those that are stored, in one statement, and in one order, whoever else does the same."""
    # One array for each column: in a tuple each number of rows would be a statement of its own.
    rows = sorted(counted, key=lambda each: (each.credential_id, each.outcome, each.day))
    columns = [[getattr(each, name) for each in rows] for name in Counted.model_fields]
    query = """INSERT INTO credential_activity AS a (credential_id, outcome, day, count, last_at, last_ip)
               SELECT * FROM unnest(%s::uuid[], %s::text[], %s::date[], %s::bigint[], %s::timestamptz[], %s::inet[])
               ON CONFLICT (credential_id, outcome, day) DO UPDATE SET count = a.count + excluded.count,
                   last_ip = CASE WHEN excluded.last_at >= a.last_at THEN excluded.last_ip ELSE a.last_ip END,
                   last_at = greatest(a.last_at, excluded.last_at)"""
    await connection.execute(query, tuple(columns))


async def of_credential(connection: Connection, credential_id: UUID, *, since_day: date) -> list[Counted]:
    """Return what came of a credential's calls since a day, the newest day first."""
    query = """SELECT credential_id, outcome, day, count, last_at, last_ip FROM credential_activity
               WHERE credential_id = %s AND day >= %s ORDER BY day DESC, outcome"""
    return await many(connection, Counted, query, (credential_id, since_day))


async def last_uses(connection: Connection, credential_ids: Sequence[UUID]) -> list[LastUse]:
    """Return the last use of each credential that was used at all, as far back as it is kept."""
    query = """SELECT c.id AS credential_id, a.last_at AS at, a.last_ip AS ip FROM unnest(%s::uuid[]) AS c (id)
               CROSS JOIN LATERAL (SELECT last_at, last_ip FROM credential_activity
                                   WHERE credential_id = c.id AND outcome = 'allowed'
                                   ORDER BY day DESC LIMIT 1) AS a"""
    return await many(connection, LastUse, query, (list(credential_ids),))
