"""Removing what is over and old. The database itself refuses what is open, or younger than it allows.

Each function removes at most ``limit`` rows in one short statement and leaves what others hold for the next time.
"""

from datetime import datetime
from typing import LiteralString

from countersign.storage.database import Connection, scalar

# "Last used" is told from the newest day with success.
_OLD_ACTIVITY: LiteralString = """day < (%s AT TIME ZONE 'UTC')::date AND (outcome <> 'allowed' OR EXISTS (
                                      SELECT FROM credential_activity n WHERE n.credential_id = a.credential_id
                                      AND n.outcome = 'allowed' AND n.day > a.day))"""
# The same conditions as in the functions of migration 0010, for whoever asks before anything is removed.
_OLD: dict[str, LiteralString] = {
    "requests": "SELECT count(*) FROM requests WHERE outcome IS NOT NULL AND closed_at < %s",
    "notices": """SELECT count(*) FROM notices WHERE (sent_at IS NOT NULL OR failed_at IS NOT NULL)
                  AND coalesce(sent_at, failed_at) < %s""",
    "stops": """SELECT count(*) FROM stops WHERE expires_at < %s
                AND NOT EXISTS (SELECT FROM notices WHERE stop_id = stops.id)""",
    "recovery_codes": "SELECT count(*) FROM recovery_codes WHERE used_at IS NOT NULL AND used_at < %s",
    "sessions": "SELECT count(*) FROM sessions WHERE expires_at < %s",
    "credential_activity": f"SELECT count(*) FROM credential_activity a WHERE {_OLD_ACTIVITY}",
    "sms_days": "SELECT count(*) FROM sms_days WHERE day < (%s AT TIME ZONE 'UTC')::date",
}


async def remove_requests(connection: Connection, *, before: datetime, limit: int) -> dict[str, int]:
    """Remove requests that ended before a moment, with all that belongs to them; return how many rows, by table."""
    removed: dict[str, int] = await scalar(connection, "SELECT remove_requests(%s, %s)", (before, limit))
    return removed


async def remove_notices(connection: Connection, *, before: datetime, limit: int) -> dict[str, int]:
    """Remove notices that went out, or failed for good, before a moment."""
    return {"notices": int(await scalar(connection, "SELECT remove_notices(%s, %s)", (before, limit)))}


async def remove_stops(connection: Connection, *, before: datetime, limit: int) -> dict[str, int]:
    """Remove links that ran out before a moment, but for those whose mail is still kept."""
    return {"stops": int(await scalar(connection, "SELECT remove_stops(%s, %s)", (before, limit)))}


async def remove_recovery_codes(connection: Connection, *, before: datetime, limit: int) -> dict[str, int]:
    """Remove recovery codes that were used before a moment."""
    query = """DELETE FROM recovery_codes WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM recovery_codes WHERE used_at IS NOT NULL AND used_at < %s
                   ORDER BY used_at LIMIT %s FOR UPDATE SKIP LOCKED))"""
    return {"recovery_codes": (await connection.execute(query, (before, limit))).rowcount}


async def remove_sessions(connection: Connection, *, before: datetime, limit: int) -> dict[str, int]:
    """Remove sessions that ended before a moment, whether or not anybody signs in."""
    query = """DELETE FROM sessions WHERE token_hash = ANY (ARRAY(
                   SELECT token_hash FROM sessions WHERE expires_at < %s
                   ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED))"""
    return {"sessions": (await connection.execute(query, (before, limit))).rowcount}


async def remove_activity(connection: Connection, *, before: datetime, limit: int) -> dict[str, int]:
    """Remove counts of calls of the days before a moment's, but for the last use of each credential."""
    query = f"""DELETE FROM credential_activity WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM credential_activity a WHERE {_OLD_ACTIVITY}
                    ORDER BY day LIMIT %s FOR UPDATE SKIP LOCKED))"""
    return {"credential_activity": (await connection.execute(query, (before, limit))).rowcount}


async def remove_sms_days(connection: Connection, *, before: datetime, limit: int) -> dict[str, int]:
    """Remove the counts of SMS of the days before a moment's."""
    return {"sms_days": int(await scalar(connection, "SELECT remove_sms_days(%s, %s)", (before, limit)))}


async def count_old(connection: Connection, *, table: str, before: datetime) -> int:
    """Return how many rows of the table would be removed; raises ``KeyError`` for one of which nothing is."""
    return int(await scalar(connection, _OLD[table], (before,)))


async def archivable_until(connection: Connection, *, before: datetime) -> datetime | None:
    """Return the end of the newest month before ``before`` up to which checkpoints cover every audit event.

    None where there is no such month that has events. Only the owner of the schema may take months out.
    """
    query = r"""WITH months AS (
                    SELECT (regexp_match(pg_get_expr(c.relpartbound, c.oid), $$TO \('([^']+)'\)$$))[1]::timestamptz
                           AS until
                    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                    WHERE i.inhparent = 'public.audit_events'::regclass),
                uncovered AS (
                    SELECT min(e.at) AS since FROM accounts a
                    LEFT JOIN audit_checkpointed p ON p.account_id = a.id
                    JOIN audit_events e ON e.account_id = a.id AND e.number > coalesce(p.number, 0)
                    WHERE a.audit_number > coalesce(p.number, 0))
                SELECT max(until) FROM months, uncovered
                WHERE until <= %s AND (since IS NULL OR until <= since)
                AND EXISTS (SELECT FROM audit_events e WHERE e.at < until)"""
    found: datetime | None = await scalar(connection, query, (before,))
    return found
