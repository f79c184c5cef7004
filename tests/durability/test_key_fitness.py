"""A key that is missing, or is another than it was: the process does not work, and says in one line what to do."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from pydantic import SecretStr

from countersign.adapters.keyring import KeyRing, Purpose, derive_ring
from countersign.adapters.ring_text import RingText
from countersign.dispatch.key_watch import KeyWatch
from countersign.effects.key_fitness import KeysUnfit, register, require_fitting
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.storage import key_checks
from countersign.storage.database import Database, scalar
from countersign.wiring import WORKER_PURPOSES, held_purposes
from countersign.work_loop import run_worker
from tests.support.cast import Providers
from tests.support.patience import eventually
from tests.support.proxy import Proxy
from tests.support.rings import ALONE, BOTH_KNOWN, FIRST, TAKEN_OVER, Place
from tests.support.security import begin_change, enrolment, ok
from tests.support.stage import api_of

OTHER = RingText(current=FIRST.current, masters={FIRST.current: b"another key of thirty-two bytes!"})
RETIRED = TAKEN_OVER.without(FIRST.current)
LACKS_FIRST = (
    f"The key ring lacks the key {FIRST.current}, which values are sealed with: give this process a ring that has it, "
    "or derive its ring anew."
)
LACKS_SECOND = LACKS_FIRST.replace(FIRST.current, TAKEN_OVER.current)
IS_ANOTHER = (
    f"The key ring has another key under the id {FIRST.current} than the one that values are sealed with: give this "
    "process the right ring."
)


@pytest.fixture
def place(postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers) -> Place:
    return Place.make(postgres, settings, issuer, providers)


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    opened = Database(place.settings.database_url.get_secret_value(), pool_size=2)
    await opened.open()
    yield opened
    await opened.close()


async def registered(database: Database, ring: RingText) -> None:
    async with database.transaction() as connection:
        await register(connection, KeyRing.of(ring, purposes=Purpose))


async def fault_of(database: Database, ring: RingText) -> str:
    """Return why a ring does not fit, or nothing if it does; a command asks so, and a process that starts too."""
    keys = KeyRing.of(ring, purposes={Purpose.KEY_CHECK})
    try:
        async with database.connection() as connection:
            await require_fitting(connection, keys)
        await registered(database, ring)
    except KeysUnfit as fault:
        return str(fault)
    return ""


async def test_every_ring_of_a_rotation_fits_at_its_time_and_none_that_lacks_what_is_used(database: Database) -> None:
    assert await fault_of(database, FIRST) == ""
    assert await fault_of(database, BOTH_KNOWN) == ""
    assert await fault_of(database, FIRST) == "", "a key that nobody uses yet is needed by nobody"
    assert await fault_of(database, TAKEN_OVER) == ""
    assert await fault_of(database, BOTH_KNOWN) == ""
    assert await fault_of(database, FIRST) == LACKS_SECOND
    assert await fault_of(database, ALONE) == LACKS_FIRST


async def test_another_key_under_the_same_id_does_not_fit(database: Database) -> None:
    await registered(database, FIRST)
    assert await fault_of(database, OTHER) == IS_ANOTHER
    assert await fault_of(database, derive_ring(OTHER, held_purposes(WORKER_PURPOSES))) == IS_ANOTHER


async def test_nothing_is_written_of_a_ring_that_does_not_fit(database: Database) -> None:
    await registered(database, FIRST)
    for ring in (RingText.new(), OTHER, OTHER.with_next()):
        assert await fault_of(database, ring)
    async with database.connection() as connection:
        assert [check.key_id for check in await key_checks.every(connection)] == [FIRST.current]


async def test_a_retired_key_is_missed_by_nobody_and_is_current_nowhere(database: Database) -> None:
    await registered(database, FIRST)
    await registered(database, TAKEN_OVER)
    async with database.connection() as connection:
        await key_checks.retire(connection, FIRST.current)

    assert await fault_of(database, RETIRED) == ""
    assert await fault_of(database, TAKEN_OVER) == ""
    assert f"current key {FIRST.current} was retired" in await fault_of(database, BOTH_KNOWN)


async def test_of_two_processes_with_different_keys_of_one_id_that_start_at_once_one_works(database: Database) -> None:
    faults = await asyncio.gather(fault_of(database, FIRST), fault_of(database, OTHER))
    assert sorted(faults) == ["", IS_ANOTHER]


async def test_values_that_are_older_than_the_checks_are_missed_too(place: Place, database: Database) -> None:
    async with place.served(FIRST) as processes:
        await processes.enter()
    async with database.connection() as connection:
        await connection.execute("UPDATE key_checks SET current_since = NULL, current_until = NULL")

    assert await fault_of(database, RingText.new()) == LACKS_FIRST


@pytest.mark.parametrize(("ring", "line"), [(ALONE, LACKS_FIRST), (OTHER, IS_ANOTHER)], ids=["missing", "wrong"])
async def test_a_worker_with_such_a_ring_ends_before_it_takes_any_work(
    place: Place, database: Database, ring: RingText, line: str
) -> None:
    await registered(database, FIRST)
    with pytest.raises(KeysUnfit) as fault:
        await asyncio.wait_for(run_worker(place.with_ring(ring)), 10)
    assert str(fault.value) == line
    async with database.connection() as connection:
        assert await scalar(connection, "SELECT count(*) FROM heartbeats") == 0


@pytest.mark.parametrize(("ring", "line"), [(ALONE, LACKS_FIRST), (OTHER, IS_ANOTHER)], ids=["missing", "wrong"])
async def test_an_api_with_such_a_ring_is_alive_but_not_ready_and_answers_nothing_personal(
    place: Place, database: Database, ring: RingText, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    await registered(database, FIRST)
    async with place.served(FIRST) as processes:
        owner = (await processes.enter()).owner
    async with api_of(place.with_ring(ring)) as http:
        owner.http = http
        answers = [
            await owner.get("/api-keys"),
            await owner.post("/api-keys", {"name": "bot", "permissions": []}),
            await http.get("/sign-in"),
            await http.post("/codec/decode", json={"payloads": []}),
        ]
        ready, alive, metrics = [await http.get(path) for path in ("/readyz", "/healthz", "/metrics")]

    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"] for answer in answers)
    assert FIRST.current not in "".join(answer.text for answer in answers)
    assert (ready.status_code, ready.json()["keys"], ready.json()["database"]) == (503, "down", "up")
    assert (alive.status_code, metrics.status_code) == (200, 200)
    assert [record.message for record in caplog.records if "does not work" in record.message] == [
        f"This process does not work: {line}"
    ]


async def test_processes_that_start_before_the_database_work_as_soon_as_it_answers(
    place: Place, postgres: EmbeddedPostgres, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countersign.storage.database._WAIT_SECONDS", 0.5)
    url = place.settings.database_url.get_secret_value()
    async with Proxy.to(postgres.port) as proxy:
        behind = url.replace(f":{proxy.target}/", f":{proxy.port}/")
        place.settings = place.settings.model_copy(update={"database_url": SecretStr(behind)})
        await proxy.cut()
        working = asyncio.create_task(run_worker(place.with_ring(FIRST)))
        async with api_of(place.with_ring(FIRST)) as http:
            before = await http.get("/readyz")
            await proxy.mend()

            async def both_hold_it() -> bool:
                async with database.connection() as connection:
                    return {each.kind for each in await key_checks.holders(connection)} == {"api", "worker"}

            await eventually(both_hold_it)
            assert (await http.get("/readyz")).json()["keys"] == "up"
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    assert (before.status_code, before.json()["keys"]) == (503, "down")


async def test_a_process_at_work_stops_when_a_key_that_it_lacks_comes_into_use(
    place: Place, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countersign.dispatch.key_watch._PAUSE_SECONDS", 0.1)
    working = asyncio.create_task(run_worker(place.with_ring(FIRST)))
    async with api_of(place.with_ring(FIRST)) as http:

        async def both_hold_it() -> bool:
            async with database.connection() as connection:
                return {each.kind for each in await key_checks.holders(connection)} == {"api", "worker"}

        await eventually(both_hold_it)
        assert (await http.get("/sign-in")).status_code == 200

        await registered(database, TAKEN_OVER)

        with pytest.raises(KeysUnfit) as fault:
            await asyncio.wait_for(working, 15)
        assert str(fault.value) == LACKS_SECOND

        async def refuses() -> bool:
            return (await http.get("/sign-in")).status_code == 503

        await eventually(refuses)


async def test_who_stops_holds_no_keys(place: Place, database: Database) -> None:
    keys = KeyRing.of(FIRST, purposes=Purpose)
    async with KeyWatch(database, keys, kind="worker").running() as watch, database.connection() as connection:
        await watch.require()
        assert [each.kind for each in await key_checks.holders(connection)] == ["worker"]
    async with database.connection() as connection:
        assert await key_checks.holders(connection) == []


async def test_a_value_that_cannot_be_opened_is_a_503_that_is_told_to_ops_and_changes_nothing(
    place: Place, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with place.at_work(api=FIRST, worker=FIRST) as processes:
        cast = await processes.enter()
        flow = await begin_change(cast.bare_owner, "authenticator")
        creation = await (await cast.owner.create_api_key()).to_secret()
        async with database.connection() as connection:
            await connection.execute("UPDATE requests SET reveal_sealed = reveal_sealed || '\\x00'")
        refused = [await flow.post("/enrolment", {"reveal_verifier": flow.verifier}), await creation.reveal()]
        async with database.connection() as connection:
            assert await scalar(connection, "SELECT count(*) FROM requests WHERE revealed_at IS NOT NULL") == 0
            await connection.execute(
                "UPDATE requests SET reveal_sealed = substring(reveal_sealed FROM 1 FOR length(reveal_sealed) - 1)"
            )
        assert (await enrolment(flow))["secret"]
        assert ok(await creation.reveal())["api_secret"].startswith("css_")

    assert [each.status_code for each in refused] == [503, 503]
    assert {each.json()["type"] for each in refused} == {"/problems/temporarily-unavailable"}
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told == [
        "A key is missing or does not fit: The sealed enrolment cannot be opened.",
        "A key is missing or does not fit: The sealed reveal cannot be opened.",
    ]


@pytest.mark.prove  # the step is tried again for some seconds before ops are called for
async def test_a_seed_that_cannot_be_opened_costs_no_attempt_and_codes_are_taken_when_it_is_mended(
    place: Place, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    place.settings = place.settings.model_copy(update={"message_timeout_seconds": 60.0})
    async with place.at_work(api=FIRST, worker=FIRST) as processes:
        cast = await processes.enter()
        flow = await cast.owner.create_api_key()
        code = await flow.code()
        async with database.connection() as connection:
            await connection.execute("UPDATE users SET totp_seed = totp_seed || '\\x00'")
        unanswered = await flow.enter_code(code)
        shown = await flow.shown()
        async with database.connection() as connection:
            await connection.execute(
                "UPDATE users SET totp_seed = substring(totp_seed FROM 1 FOR length(totp_seed) - 1)"
            )
        answered = await flow.enter_code(code)

    assert answered.status_code == 200
    assert (unanswered.status_code, shown["attempts_left"], shown["step"]) == (503, 5, "two_factor_code")
    assert "The sealed totp_seed cannot be opened." in caplog.text
    assert cast.owner.seed not in caplog.text
