"""Migrations that old and new code can both live with, and open requests that survive every one of them."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.domain.messages import SYSTEM
from countersign.domain.requests import Outcome, Step
from countersign.domain.rules import Rules
from countersign.effects.containing import contain
from countersign.effects.work import Desk
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage import requests
from countersign.storage.database import Database
from countersign.storage.migrate import migrate
from tests.storage.migration_lint import contracts_since, faults, files
from tests.support.databases import OwnDatabase

_STEPS = [Step.STARTING, Step.TWO_FACTOR_CODE, Step.SECRET_SAVED, Step.ACTIVATION_CHOICE, Step.ACTIVATION_CODE]
# Migrations that the code of before could not live with: each has its decision, and no more come.
_STOPPED_THE_CODE_OF_BEFORE = {"0004"}

# The statements of the code of the first migration, as it wrote them.
_ACCOUNT: LiteralString = "INSERT INTO accounts (id, name, prime_liquidity) VALUES (%s, 'Old', true)"
_USER: LiteralString = """INSERT INTO users (id, name, email, phone, two_factor_method)
    VALUES (%s, 'Old', %s, '+447700900123', 'sms')"""
_MEMBER: LiteralString = "INSERT INTO memberships (account_id, user_id, role) VALUES (%s, %s, 'owner')"
_CREDENTIAL: LiteralString = """INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, permissions,
    ip_whitelist, status, secret_sealed, created_by) VALUES (%s, %s, 'api_key', %s, %s, %s, '{read,trade}', '{}', %s,
    'sealed', %s)"""
_REQUEST: LiteralString = """INSERT INTO requests (id, account_id, user_id, credential_id, credential_version, journey,
    step, name, name_key, permissions, ip_whitelist, two_factor_method)
    VALUES (%s, %s, %s, %s, 1, 'create-api-key', %s, %s, %s, '{read,trade}', '{}', 'sms')"""
_CHALLENGE: LiteralString = """INSERT INTO challenges (id, request_id, account_id, step, channel, key_id)
    VALUES (%s, %s, %s, %s, 'sms', 'k')"""
_SEND: LiteralString = """INSERT INTO code_sends (challenge_id, number, account_id, channel, opened_at, expires_at,
    delivery) VALUES (%s, 1, %s, 'sms', now(), now() + interval '5 minutes', 'sent')"""
_VERDICT: LiteralString = """INSERT INTO message_verdicts (request_id, message_key, account_id, kind, at)
    VALUES (%s, 'k', %s, 'two_factor_code', now())"""
_NOTICE: LiteralString = """INSERT INTO notices (id, account_id, user_id, event, context)
    VALUES (%s, %s, %s, 'credential_created', '{}')"""
_MOVE_ON: LiteralString = (
    "UPDATE requests SET reason = 'moved on', changed_at = now() WHERE id = %s AND outcome IS NULL"
)
_READ: LiteralString = """SELECT r.id, r.step, r.outcome, r.name, r.permissions, c.channel, s.delivery, v.kind
    FROM requests r LEFT JOIN challenges c ON c.request_id = r.id AND c.step = r.step
    LEFT JOIN code_sends s ON s.challenge_id = c.id LEFT JOIN message_verdicts v ON v.request_id = r.id
    WHERE r.account_id = %s ORDER BY r.step"""


@dataclass
class OldHousehold:
    """An account with an open request at each step, written by the first code."""

    account_id: UUID = field(default_factory=uuid4)
    user_id: UUID = field(default_factory=uuid4)
    requests: list[UUID] = field(default_factory=list)

    def write(self, old_code: "psycopg.Connection[TupleRow]") -> None:
        old_code.execute(_ACCOUNT, (self.account_id,))
        old_code.execute(_USER, (self.user_id, f"{self.user_id.hex}@example.com"))
        old_code.execute(_MEMBER, (self.account_id, self.user_id))
        for step in _STEPS:
            self._write_request(old_code, step)
        old_code.execute(_NOTICE, (uuid4(), self.account_id, self.user_id))

    def _write_request(self, old_code: "psycopg.Connection[TupleRow]", step: Step) -> None:
        request_id, credential_id, challenge_id, name = uuid4(), uuid4(), uuid4(), f"old {step}"
        self.requests.append(request_id)
        status = "awaiting_activation" if step is Step.ACTIVATION_CODE else "inactive"
        names = (name, name, uuid4().hex)
        if step not in {Step.STARTING, Step.TWO_FACTOR_CODE}:
            old_code.execute(_CREDENTIAL, (credential_id, self.account_id, *names, status, self.user_id))
        old_code.execute(_REQUEST, (request_id, self.account_id, self.user_id, credential_id, step, name, name))
        old_code.execute(_CHALLENGE, (challenge_id, request_id, self.account_id, step))
        old_code.execute(_SEND, (challenge_id, self.account_id))
        old_code.execute(_VERDICT, (request_id, self.account_id))

    def read(self, old_code: "psycopg.Connection[TupleRow]") -> list[TupleRow]:
        return old_code.execute(_READ, (self.account_id,)).fetchall()


@pytest.fixture(scope="module")
def grown(postgres: EmbeddedPostgres) -> tuple[OwnDatabase, list[OldHousehold]]:
    """A database that went through every migration, the first code at work all the while."""
    own, households = OwnDatabase.make(postgres), list[OldHousehold]()
    for file in files():
        migrate(own.owner_url, revision=file.name[:4])
        with psycopg.connect(own.app_url) as old_code:
            before = [household.read(old_code) for household in households]
            households.append(OldHousehold())
            households[-1].write(old_code)
            for household in households:
                old_code.execute(_MOVE_ON, (household.requests[0],))
            assert [household.read(old_code) for household in households[:-1]] == before, file.name
    return own, households


@pytest.fixture
async def new_code(grown: tuple[OwnDatabase, list[OldHousehold]]) -> AsyncIterator[Desk]:
    database = Database(grown[0].app_url, pool_size=1)
    await database.open()
    yield Desk(database=database, keys=KeyRing.from_json(new_key_ring_json()), rules=Rules())
    await database.close()


async def test_open_requests_survive_every_migration_while_the_first_code_goes_on_writing(
    grown: tuple[OwnDatabase, list[OldHousehold]], new_code: Desk
) -> None:
    async with new_code.database.connection() as connection:
        for household in grown[1]:
            rows = await requests.of_account(connection, household.account_id, only_open=True, limit=99)
            assert sorted(row.step for row in rows) == sorted(_STEPS)


async def test_the_new_code_carries_on_with_what_the_first_code_wrote_at_any_migration(
    grown: tuple[OwnDatabase, list[OldHousehold]], new_code: Desk
) -> None:
    for household in grown[1]:
        done = await contain(new_code, household.account_id, at=datetime.now(UTC), actor=SYSTEM)

        assert done.requests == len(_STEPS)
        async with new_code.database.connection() as connection:
            rows = await requests.of_account(connection, household.account_id, only_open=False, limit=99)
        assert {row.outcome for row in rows} == {Outcome.CANCELLED}


@pytest.mark.parametrize("file", files()[1:], ids=lambda file: file.stem)
def test_a_migration_only_expands_unless_it_says_since_when_nobody_needs_what_it_takes_away(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    since = contracts_since(text)

    assert faults(text) == [] or since is not None
    assert since is None or since < file.name[:4] or file.name[:4] in _STOPPED_THE_CODE_OF_BEFORE


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE users DROP COLUMN phone",
        "DROP TABLE notices",
        "ALTER TABLE users RENAME phone TO mobile",
        "ALTER TABLE users RENAME TO people",
        "ALTER TABLE users ALTER COLUMN name TYPE varchar(9)",
        "ALTER TABLE users ALTER phone SET NOT NULL",
        "ALTER TABLE users ALTER COLUMN created_at DROP DEFAULT",
        "ALTER TABLE users\n    ADD COLUMN a text,\n    ADD COLUMN age integer NOT NULL",
        "REVOKE INSERT ON users FROM countersign_app",
    ],
)
def test_what_the_code_of_before_could_not_live_with_is_noticed(statement: str) -> None:
    assert faults(f"-- A comment.\nCREATE TABLE other (id uuid);\n{statement};")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE users ADD COLUMN age integer",
        "ALTER TABLE users ADD COLUMN age integer NOT NULL DEFAULT 0",
        "ALTER TABLE users ADD CHECK (phone IS NOT NULL OR true)",
        "CREATE TABLE other (id uuid NOT NULL); ALTER TABLE other DROP COLUMN id",
        "-- ALTER TABLE users DROP COLUMN phone\nCREATE INDEX one ON users (phone)",
        "GRANT SELECT ON users TO countersign_app",
    ],
)
def test_what_only_expands_passes(statement: str) -> None:
    assert faults(statement) == []


def test_every_sql_file_is_a_migration_of_its_number() -> None:
    for file in files():
        [script] = file.parent.glob(f"r{file.name[:4]}_*.py")
        assert re.search(rf'^revision = "{file.name[:4]}"', script.read_text(), re.MULTILINE)
