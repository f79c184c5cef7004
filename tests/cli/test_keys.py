"""``countersign keys`` beside a database of its own: nothing here needs a whole stack."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from typer.testing import CliRunner, Result

from countersign.adapters.keyring import KeyRing, Purpose, derive_ring
from countersign.adapters.ring_file import read_ring_file, replace_ring_file
from countersign.adapters.ring_text import KeyRingInvalid, RingText
from countersign.cli import app
from countersign.dispatch.retiring import KeyNeeded
from countersign.domain.errors import DomainError, NotFound
from countersign.effects.key_fitness import KeysUnfit
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.storage.database import Database
from countersign.verification.purposes import VERIFIER_PURPOSES
from countersign.wiring import API_PURPOSES, WORKER_PURPOSES, held_purposes
from tests.support.cast import Providers
from tests.support.databases import OwnDatabase
from tests.support.rings import Place
from tests.support.security import ok


@dataclass
class Ops:
    """Types commands about the ring in a file; ``place`` is where processes work with it."""

    file: Path
    place: Place
    monkeypatch: pytest.MonkeyPatch

    @property
    def ring(self) -> RingText:
        return RingText.parse(read_ring_file(self.file))

    async def type(self, *words: str) -> Result:
        # In a thread: a command runs an event loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, app, ["keys", *words])

    async def run(self, *words: str) -> Result:
        result = await self.type(*words)
        assert result.exit_code == 0, (result.output, result.exception)
        return result

    async def refused(self, *words: str) -> DomainError:
        result = await self.type(*words)
        assert isinstance(result.exception, DomainError), (result.output, result.exception)
        self.shows_no_key(result.output + str(result.exception))
        return result.exception

    def shows_no_key(self, text: str) -> None:
        for key in json.loads(self.ring.dump())["keys"].values():
            assert key not in text


@pytest.fixture
def ops(
    postgres: EmbeddedPostgres,
    settings: Settings,
    issuer: Issuer,
    providers: Providers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Ops:
    place = Place.make(postgres, settings, issuer, providers)
    file = tmp_path / "ring.json"
    replace_ring_file(file, RingText.new().dump())
    variables = {
        "COUNTERSIGN_MODE": "production",
        "DATABASE_URL": place.settings.database_url.get_secret_value(),
        "TEMPORAL_ADDRESS": place.settings.temporal_address,
        "COUNTERSIGN_KEY_RING_FILE": str(file),
        "COLUMNS": "200",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Ops(file, place, monkeypatch)


async def test_a_rotation_takes_two_steps_and_tells_what_comes_next(ops: Ops) -> None:
    first = ops.ring.current

    said = await ops.run("rotate")
    second = ops.ring.next
    assert (ops.ring.current, ops.ring.ids) == (first, (first, second))
    assert f"The key {second} is added; {first} stays current for now." in said.stderr
    assert "restart every process" in said.stderr
    assert "countersign keys derive" in said.stderr

    said = await ops.run("rotate")
    assert (ops.ring.current, ops.ring.next, ops.ring.ids) == (second, None, (first, second))
    assert "run `countersign keys reseal`" in said.stderr
    assert stat.S_IMODE(ops.file.stat().st_mode) == 0o600
    assert said.stdout == ""
    ops.shows_no_key(said.output)


async def test_a_key_does_not_take_over_before_every_process_at_work_holds_it(ops: Ops) -> None:
    before = ops.ring
    async with ops.place.served(before) as processes:
        await processes.enter()
        await ops.run("rotate")
        refusal = await ops.refused("rotate")
        assert str(refusal).startswith(f"1 processes do not hold the key {ops.ring.next} yet (api): restart them")
        assert ops.ring.current == before.current
    async with ops.place.served(ops.ring) as processes:
        await processes.enter()
        await ops.run("rotate")
        assert ops.ring.current != before.current


async def test_now_is_both_steps_at_once(ops: Ops) -> None:
    first = ops.ring.current

    said = await ops.run("rotate", "--now")

    assert ops.ring.current != first
    assert ops.ring.ids == (first, ops.ring.current)
    assert "Stop all of them before the first one starts again" in said.stderr


async def test_a_ring_from_the_environment_is_printed_if_asked_for_and_changed_by_nobody(ops: Ops) -> None:
    ops.monkeypatch.setenv("COUNTERSIGN_KEY_RING", ops.ring.dump())
    before = ops.ring

    assert "--print" in str(await ops.refused("rotate"))
    printed = RingText.parse((await ops.run("rotate", "--print")).stdout)

    assert (printed.current, printed.ids[:1]) == (before.current, before.ids)
    assert printed.next is not None
    assert ops.ring == before


async def test_a_new_ring_is_made_once_and_never_over_another(ops: Ops, tmp_path: Path) -> None:
    file = tmp_path / "new.json"
    said = await ops.run("new", "--to", str(file))
    made = read_ring_file(file)
    printed = await ops.run("new", "--print")

    assert len(RingText.parse(made).masters) == len(RingText.parse(printed.stdout).masters) == 1
    assert RingText.parse(made) != RingText.parse(printed.stdout)
    assert (stat.S_IMODE(file.stat().st_mode), said.stdout) == (0o600, "")
    assert "exists" in str(await ops.refused("new", "--to", str(file)))
    assert read_ring_file(file) == made
    assert isinstance(await ops.refused("new"), KeyRingInvalid)


@pytest.mark.parametrize(
    ("kind", "purposes"), [("api", API_PURPOSES), ("worker", WORKER_PURPOSES), ("verifier", VERIFIER_PURPOSES)]
)
async def test_a_ring_is_derived_into_a_private_file_or_printed_if_asked_for(
    ops: Ops, kind: str, purposes: frozenset[Purpose], tmp_path: Path
) -> None:
    file = tmp_path / "derived.json"
    said = await ops.run("derive", "--for", kind, "--to", str(file))
    printed = await ops.run("derive", "--for", kind, "--print")

    expected = derive_ring(ops.ring, {*purposes, Purpose.KEY_CHECK})
    assert RingText.parse(read_ring_file(file)) == RingText.parse(printed.stdout) == expected
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ops.shows_no_key(said.output + printed.output)
    assert set(expected.derived[ops.ring.current]) == {*purposes, "key_check"}
    assert isinstance(await ops.refused("derive", "--for", kind), KeyRingInvalid)


async def test_a_derived_ring_is_not_what_a_rotation_works_on(ops: Ops, tmp_path: Path) -> None:
    derived = tmp_path / "derived.json"
    replace_ring_file(derived, derive_ring(ops.ring, held_purposes(API_PURPOSES)).dump())
    ops.monkeypatch.setenv("COUNTERSIGN_KEY_RING_FILE", str(derived))

    assert "give this command the ring of masters" in str(await ops.refused("rotate"))


async def test_what_cannot_be_opened_is_told_and_left_as_it_is(ops: Ops) -> None:
    async with ops.place.served(ops.ring) as processes:
        cast = await processes.enter()
        async with processes.core.database.connection() as connection:
            await connection.execute(
                "UPDATE users SET totp_seed = totp_seed || '\\x00' WHERE id = %s", (cast.owner.id,)
            )
    await ops.run("rotate", "--now")

    told = await ops.type("reseal")

    assert told.exit_code == 1
    assert "4 authenticator seeds sealed anew." in told.stdout
    assert told.stderr == f"Cannot be opened: authenticator seeds: user:{cast.owner.id}\n"


async def test_status_shows_what_lies_under_each_key_and_no_key(ops: Ops) -> None:
    async with ops.place.at_work(api=ops.ring, worker=ops.ring) as processes:
        cast = await processes.enter()
        await cast.owner.inactive_fix()
        await (await cast.owner.create_api_key()).to_secret()
        found = json.loads((await ops.run("status", "--json")).stdout)
        shown = await ops.run("status")
    first = ops.ring.current

    assert [(key["id"], key["standing"]) for key in found["keys"]] == [(first, "current")]
    uses = {(use["kind"], use["key_id"]): use["count"] for use in found["uses"]}
    assert uses.pop(("audit events", first)) > 0
    assert uses == {
        ("API secrets", first): 1,
        ("FIX passwords", first): 1,
        ("authenticator seeds", first): 5,
        ("secrets to be shown", first): 1,
    }
    assert [holder["kind"] for holder in found["processes"]] == ["api"]
    assert first in shown.stdout
    ops.shows_no_key(shown.output + json.dumps(found))


async def test_a_command_with_a_ring_that_does_not_fit_is_refused(ops: Ops) -> None:
    async with ops.place.served(ops.ring) as processes:
        await processes.enter()
    before = ops.ring
    replace_ring_file(ops.file, RingText.new().dump())

    for command in ("status", "reseal"):
        refusal = await ops.refused(command)
        assert isinstance(refusal, KeysUnfit)
        assert before.current in str(refusal)


@pytest.fixture
async def temporal_alone(ops: Ops) -> AsyncIterator[None]:
    """A Temporal that knows of nobody else's workflows."""
    server = EmbeddedTemporal(port=free_port(), time_skipping=True)
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, server.running())
        ops.place.settings = ops.place.settings.model_copy(update={"temporal_address": server.address})
        ops.monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
        yield


@pytest.mark.prove  # a Temporal of its own, and processes three times over
async def test_a_key_goes_only_when_nothing_needs_it_and_everything_works_without_it(
    ops: Ops, temporal_alone: None, postgres: EmbeddedPostgres
) -> None:
    first = ops.ring.current
    async with ops.place.at_work(api=ops.ring, worker=ops.ring) as processes:
        cast = await processes.enter()
        flow = await (await cast.owner.create_api_key()).to_secret()
        await ops.run("rotate", "--now")
        told = str(await ops.refused("retire", first))
        assert "- 1 processes work with it as their current key (api): restart them." in told
        assert "- 1 secrets to be shown lie under it: run `countersign keys reseal`." in told
        assert "- 1 workflows that began before" in told
        assert "1 of them open" in told
        assert "do not hold the key" in str(await ops.refused("reseal"))

    async with ops.place.at_work(api=ops.ring, worker=ops.ring) as processes:
        await ops.run("reseal")
        await flow.to_activation_code()
        ok(await flow.enter_activation_code())
        await flow.handle.result()
        told = str(await ops.refused("retire", first))
        assert told.count("\n- ") == 2, "events that are not yet archived, and a closed workflow, are all that is left"
        assert "audit events lie under it; they go with what they belong to." in told
        _let_the_events_be_archived(postgres, processes.core.settings, first)
        assert str(await ops.refused("retire", first)).count("\n- ") == 1, "the closed workflow is all that is left"
        assert isinstance(await ops.refused("retire", "nobody"), NotFound)
        assert isinstance(await ops.refused("retire", ops.ring.current), KeyNeeded)
        await _let_the_key_be_older_than_all_workflows(processes.core.database, first)

        await ops.run("retire", first)

    assert first not in ops.ring.ids
    assert KeyRing.of(ops.ring, purposes=API_PURPOSES).eldest == ops.ring.current
    async with ops.place.at_work(api=ops.ring, worker=ops.ring):
        assert await cast.owner.active_api_key("after")
        assert (await cast.owner.get("/api-keys")).status_code == 200
    status = json.loads((await ops.run("status", "--json")).stdout)
    assert [(key["id"], key["standing"]) for key in status["keys"]] == [
        (ops.ring.current, "current"),
        (first, "retired"),
    ]


def _let_the_events_be_archived(postgres: EmbeddedPostgres, settings: Settings, key_id: str) -> None:
    """Leave no audit event under the key, as when their month has gone to the archive."""
    name = urlsplit(settings.database_url.get_secret_value()).path.removeprefix("/")
    with psycopg.connect(OwnDatabase(name, postgres).superuser_url) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute("DELETE FROM audit_events WHERE key_id = %s", (key_id,)).rowcount > 0


async def _let_the_key_be_older_than_all_workflows(database: Database, key_id: str) -> None:
    """Leave nothing in Temporal that began while the key was current, as when retention has passed."""
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE key_checks SET current_until = now() - interval '1 hour' WHERE key_id = %s", (key_id,)
        )
