"""What lies under which key: the ids stand in the rows, or at the head of each sealed value."""

from enum import StrEnum
from typing import LiteralString

from psycopg import sql
from pydantic import BaseModel

from countersign.storage.database import Connection, column, many

UNREADABLE = "unreadable"
_KNOWN = ["challenges", "recovery_codes", "key_checks"]


class KeyUse(BaseModel, frozen=True):
    """How many values of a kind lie under one key."""

    kind: str
    key_id: str
    count: int


class Kind(StrEnum):
    """What is sealed or MACed; tables that came later with a ``key_id`` go by their own names."""

    API_SECRET = "API secrets"  # noqa: S105 - a heading
    TOTP_SEED = "authenticator seeds"
    REVEAL = "secrets to be shown"
    ENROLMENT = "authenticators being set up"
    FIX_PASSWORD = "FIX passwords"  # noqa: S105 - a heading
    RECOVERY_CODE = "recovery codes"
    CHALLENGE = "open challenges"
    CHECKPOINT = "checkpoints"


RESEALABLE = frozenset({Kind.API_SECRET, Kind.TOTP_SEED, Kind.REVEAL, Kind.ENROLMENT})


def key_id_of(sealed: LiteralString) -> LiteralString:
    """Return SQL for the key id at the head of a sealed value: version, length of the id, id."""
    # CASE, because get_byte raises beyond the end.
    return f"""CASE WHEN length({sealed}) > 2 AND get_byte({sealed}, 0) = 1
                    THEN encode(substring({sealed} FROM 3 FOR get_byte({sealed}, 1)), 'escape')
                    ELSE '{UNREADABLE}' END"""


_KEY_IDS: dict[Kind, LiteralString] = {
    Kind.API_SECRET: f"SELECT {key_id_of('secret_sealed')} AS key_id FROM credentials WHERE secret_sealed IS NOT NULL",
    Kind.TOTP_SEED: f"SELECT {key_id_of('totp_seed')} AS key_id FROM users WHERE totp_seed IS NOT NULL",
    Kind.REVEAL: f"""SELECT {key_id_of("reveal_sealed")} AS key_id FROM requests
                     WHERE reveal_sealed IS NOT NULL AND change_to IS NULL""",
    Kind.ENROLMENT: f"""SELECT {key_id_of("reveal_sealed")} AS key_id FROM requests
                        WHERE reveal_sealed IS NOT NULL AND change_to IS NOT NULL""",
    Kind.FIX_PASSWORD: "SELECT mac_key_id AS key_id FROM credentials WHERE password_mac IS NOT NULL",
    Kind.RECOVERY_CODE: "SELECT key_id FROM recovery_codes WHERE used_at IS NULL",
    Kind.CHECKPOINT: "SELECT document::jsonb->>'key_id' AS key_id FROM audit_checkpoints",
    Kind.CHALLENGE: """SELECT c.key_id FROM challenges c JOIN requests r ON r.id = c.request_id
                       WHERE r.outcome IS NULL AND c.solved_at IS NULL""",
}


async def every(connection: Connection) -> list[KeyUse]:
    """Return what lies under each key, by kind; one look at all rows, so not for every request."""
    found = []
    for kind, key_ids in _KEY_IDS.items():
        query = f"SELECT %s AS kind, key_id, count(*) AS count FROM ({key_ids}) AS used GROUP BY key_id ORDER BY key_id"
        found += await many(connection, KeyUse, query, (kind,))
    for table in await _later_tables(connection):
        found += await _count(connection, table)
    return found


async def _later_tables(connection: Connection) -> list[str]:
    query = """SELECT table_name::text FROM information_schema.columns
               WHERE table_schema = current_schema() AND column_name = 'key_id' AND table_name <> ALL(%s)
               ORDER BY table_name"""
    return await column(connection, query, (_KNOWN,))


async def _count(connection: Connection, table: str) -> list[KeyUse]:
    query = sql.SQL("SELECT key_id, count(*) FROM {} WHERE key_id IS NOT NULL GROUP BY key_id ORDER BY key_id").format(
        sql.Identifier(table)
    )
    rows = await (await connection.execute(query)).fetchall()
    return [KeyUse(kind=table.replace("_", " "), key_id=key_id, count=count) for key_id, count in rows]
