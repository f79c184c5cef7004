"""`countersign stop` and `issuance`: on a database apart, since they would stop the other tests, too."""

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.domain.errors import Conflict, InvalidInput, NotConfirmed, NotFound
from countersign.domain.rules import Rules
from countersign.effects.key_fitness import register
from countersign.effects.work import Desk
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage.database import Database
from tests.cli.terminal import Terminal
from tests.support.databases import OwnDatabase
from tests.support.emergencies import active_key
from tests.support.house import House

_ROOT = Path(__file__).parents[2]
_SAY = ("--reason", "leaked, ticket 7", "--by", "Otto")
_MANY = """
    WITH made AS (INSERT INTO accounts (id, name, prime_liquidity)
                  SELECT gen_random_uuid(), 'Account ' || n, true FROM generate_series(1, %(count)s) n RETURNING id)
    INSERT INTO credentials (id, account_id, kind, name, name_key, public_id, permissions, ip_whitelist, status,
                             secret_sealed, created_by)
    SELECT gen_random_uuid(), id, 'api_key', 'bot', 'bot', gen_random_uuid()::text, '{read}', '{}', 'active', 'x',
           %(owner)s FROM made
"""


@dataclass(frozen=True)
class Exchange:
    """A terminal of ops at a database apart, with an account that has an active key."""

    terminal: Terminal
    own: OwnDatabase
    variables: dict[str, str]
    account_id: UUID
    owner: UUID
    key: UUID

    def run(self, *words: str) -> str:
        return self.terminal.run(*words, **self.variables)

    def refused(self, *words: str) -> Exception:
        return self.terminal.refused(*words, **self.variables)

    def select(self, query: str, **values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.own.owner_url, autocommit=True) as connection:
            found = connection.execute(query.encode(), values)
            return found.fetchall() if found.description else []

    def active(self) -> int:
        [(count,)] = self.select("SELECT count(*) FROM credentials WHERE status = 'active'")
        assert isinstance(count, int)
        return count


@pytest.fixture
def exchange(postgres: EmbeddedPostgres, tmp_path: Path) -> Exchange:
    own, ring = OwnDatabase.make_migrated(postgres), new_key_ring_json()
    house, key = asyncio.run(_settled(own, KeyRing.from_json(ring)))
    variables = {"COUNTERSIGN_MODE": "production", "DATABASE_URL": own.app_url, "COUNTERSIGN_KEY_RING": ring}
    return Exchange(Terminal(tmp_path), own, variables, house.account_id, house.owner, key)


async def _settled(own: OwnDatabase, keys: KeyRing) -> tuple[House, UUID]:
    database = Database(own.app_url, pool_size=2)
    await database.open()
    async with database.transaction() as connection:
        await register(connection, keys)
    house = await House.build(Desk(database=database, keys=keys, rules=Rules()))
    key = await active_key(house)
    await database.close()
    return house, key


def test_a_key_is_counted_and_stopped_with_name_and_reason_in_the_trail(exchange: Exchange) -> None:
    told = exchange.run("stop", "key", str(exchange.key), "--dry-run")
    key = f"{exchange.key} of account {exchange.account_id}"
    assert told.startswith(f"{key}:\n1 API keys and 0 FIX credentials active, ")
    assert isinstance(exchange.refused("stop", "key", str(exchange.key)), InvalidInput)
    assert isinstance(exchange.refused("stop", "key", "nobody", *_SAY), NotFound)
    assert exchange.active() == 1

    done = exchange.run("stop", "key", str(exchange.key), *_SAY)

    assert done == f"{key}:\n1 credentials off, 0 requests ended.\n"
    assert exchange.active() == 0
    details = exchange.select("SELECT details->>'by', details->>'reason' FROM audit_events WHERE event = 'ops:stopped'")
    assert details == [("Otto", "leaked, ticket 7")]
    assert "Nothing was left to stop" in exchange.run("stop", "key", str(exchange.key), *_SAY)


def test_an_account_is_stopped_and_thawed(exchange: Exchange) -> None:
    assert "1 API keys and 0 FIX credentials active" in exchange.run("stop", "account", "home", "--dry-run")
    assert exchange.run("stop", "account", "home", *_SAY).endswith(
        "1 credentials off, 0 requests ended, issuing frozen.\n"
    )
    assert "was frozen already" in exchange.run("issuance", "freeze", "--account", "Home", *_SAY)
    assert "may issue again" in exchange.run("issuance", "thaw", "--account", str(exchange.account_id), *_SAY)
    assert "is frozen now" in exchange.run("issuance", "freeze", "--account", "Home", *_SAY)


def test_everything_needs_the_number_that_the_dry_run_printed(exchange: Exchange) -> None:
    told = exchange.run("stop", "everything", "--dry-run")
    assert "countersign stop everything --yes 1 --reason TEXT" in told
    for yes in ([], ["--yes", "0"], ["--yes", "7"]):
        assert isinstance(exchange.refused("stop", "everything", *yes, *_SAY), NotConfirmed)
    assert (exchange.active(), "not frozen" in exchange.run("issuance", "show")) == (1, True)

    done = exchange.run("stop", "everything", "--yes", "1", *_SAY)

    assert done == "Stopped in 1 accounts: 1 credentials off, 0 requests ended. Issuing is frozen everywhere.\n"
    assert exchange.active() == 0
    shown = exchange.run("issuance", "show")
    assert all(part in shown for part in ("all", "Otto", "leaked, ticket 7"))


def test_issuing_is_frozen_held_and_thawed_for_all(exchange: Exchange) -> None:
    assert "what is open may go on" in exchange.run("issuance", "freeze", *_SAY)
    assert "frozen already" in exchange.run("issuance", "freeze", *_SAY)
    assert "what is open waits" in exchange.run("issuance", "freeze", "--open-too", *_SAY)
    assert "may issue again" in exchange.run("issuance", "thaw", *_SAY)
    assert isinstance(exchange.refused("issuance", "thaw", *_SAY), Conflict)


@pytest.mark.prove
def test_killed_in_the_middle_it_goes_on_when_it_is_repeated(exchange: Exchange) -> None:
    exchange.select(_MANY, count=2000, owner=exchange.owner)
    command = [sys.executable, "-m", "countersign", "stop", "everything", *_SAY, "--yes"]
    environment = {**exchange.terminal.environment, **exchange.variables}
    stopping = subprocess.Popen([*command, "2001"], cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    while exchange.active() == 2001:
        time.sleep(0.01)
    stopping.kill()
    stopping.communicate()
    left = exchange.active()
    assert 0 < left < 2001
    unlike = """SELECT count(*) FROM credentials c WHERE (status = 'active') = EXISTS (
                    SELECT 1 FROM audit_events e WHERE e.account_id = c.account_id AND e.event = 'ops:stopped')"""
    assert exchange.select(unlike) == [(0,)]

    done = exchange.run("stop", "everything", "--yes", str(left), *_SAY)

    assert f"{left} credentials off" in done
    assert (exchange.active(), exchange.select(unlike)) == (0, [(0,)])
    assert exchange.select("SELECT count(*) FROM audit_events WHERE event = 'ops:stopped'") == [(2001,)]
