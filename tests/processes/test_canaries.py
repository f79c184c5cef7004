"""Every value that is secret is pushed through every journey of a talkative stack, and then looked for everywhere."""

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from countersign.adapters.keyring import Purpose
from countersign.local.postgres_home import postgres_home
from countersign.local.tcp_ports import free_port
from countersign.wiring import parts
from tests.security import loud
from tests.security.canaries import Canaries, Kind, is_in, tables
from tests.security.carried import Walk
from tests.support.cast import Providers
from tests.support.histories import every_workflow, read_description, read_history
from tests.support.processes import RunningStack, running_stack

TWILIO, SENDGRID = "canary-of-twilio-0b7d5e", "SG.canary-of-sendgrid-91ac4f"
LOUD = Path(next(iter(loud.__path__)))


def planted(value: str = "canary-0123456789abcdef") -> Canaries:
    canaries = Canaries()
    canaries.add(Kind.SECRET, value)
    return canaries


def dump(stack: RunningStack) -> str:
    url = stack.settings.migration_database_url.get_secret_value()
    command = (str(postgres_home(stack.data).bin / "pg_dump"), url)
    return subprocess.run(command, check=True, capture_output=True, cwd=Path("/")).stdout.decode()


def in_tables(stack: RunningStack, canaries: Canaries) -> list[str]:
    parts_of_it = list(tables(dump(stack)))
    names = {name for name, _ in parts_of_it}
    assert {"table users", "table requests", "schema"} <= names
    assert any(name.startswith("table audit_events_2") for name in names)
    return [leak for name, rows in parts_of_it for leak in canaries.leaks(name, rows.encode())]


def in_logs(stack: RunningStack, canaries: Canaries) -> list[str]:
    logs = [*sorted((stack.data / "logs").iterdir()), stack.data.parent / "up.txt"]
    return [leak for log in logs for leak in canaries.leaks(f"log {log.stem}", log.read_bytes())]


def in_processes(stack: RunningStack, canaries: Canaries) -> list[str]:
    found = []
    for process in stack.processes():
        with process.oneshot():
            found += canaries.leaks("command line of a process", "\n".join(process.cmdline()).encode())
            found += canaries.leaks("environment of a process", json.dumps(process.environ()).encode())
    return found


def in_files(stack: RunningStack, canaries: Canaries) -> list[str]:
    found = []
    for file in sorted(stack.data.rglob("*")):
        if file.is_file() and "logs" not in file.parts:
            of_postgres = "postgres" in file.relative_to(stack.data).parts[0]
            place = "file of PostgreSQL" if of_postgres else f"file {file.name}"
            found += canaries.leaks(place, file.read_bytes())
    return found


def test_a_canary_in_a_log_is_caught(stack: RunningStack) -> None:
    log = stack.data / "logs" / "planted.log"
    log.write_text("DEBUG said canary-0123456789abcdef in passing")
    try:
        assert in_logs(stack, planted()) == [f"log planted: {Kind.SECRET}"]
    finally:
        log.unlink()
    assert in_logs(stack, planted()) == []


def test_a_canary_in_a_table_is_caught_as_text_and_as_bytes(stack: RunningStack) -> None:
    url = stack.settings.migration_database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE planted AS SELECT 'canary-0123456789abcdef' AS said")
        connection.execute("CREATE TABLE planted_too AS SELECT 'canary-0123456789abcdef'::bytea AS said")
        try:
            leaks = in_tables(stack, planted())
        finally:
            connection.execute("DROP TABLE planted, planted_too")

    assert leaks == [f"table planted: {Kind.SECRET}", f"table planted_too: {Kind.SECRET}"]
    assert in_tables(stack, planted()) == []


def test_what_a_place_may_hold_is_no_leak_there_and_a_leak_everywhere_else() -> None:
    canaries = Canaries()
    canaries.add(Kind.EMAIL, "canary@example.com")
    canaries.add(Kind.CODE, "493817")

    assert canaries.leaks("table users", b"canary@example.com") == []
    assert canaries.leaks("table notices", b"canary@example.com, code 493817") == [
        f"table notices: {Kind.EMAIL}",
        f"table notices: {Kind.CODE}",
    ]
    assert canaries.leaks("log api", b"took 0.493817 s") == []


def test_processes_show_no_demo_persons_address(stack: RunningStack) -> None:
    canaries = Canaries()
    canaries.add(Kind.EMAIL, "sam@example.com")
    canaries.add(Kind.PHONE, "+12025550123")

    assert in_processes(stack, canaries) == []


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, providers: Providers) -> Iterator[Walk]:
    """A stack of its own whose processes log all they can, once every journey was gone through."""
    more = {
        "PYTHONPATH": str(LOUD),
        "LOUD_METRICS_PORT": str(free_port()),
        "COUNTERSIGN_TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
        "COUNTERSIGN_TWILIO_AUTH_TOKEN": TWILIO,
        "COUNTERSIGN_TWILIO_FROM": "+447700900000",
        "COUNTERSIGN_TWILIO_BASE_URL": providers.twilio.url,
        "COUNTERSIGN_SENDGRID_API_KEY": SENDGRID,
        "COUNTERSIGN_SENDGRID_FROM": "countersign@example.com",
        "COUNTERSIGN_SENDGRID_BASE_URL": providers.sendgrid.url,
    }
    with running_stack(tmp_path_factory.mktemp("loud"), **more) as stack:
        walked = Walk(stack, providers)
        walked.canaries.add(Kind.PROVIDER, TWILIO, SENDGRID)
        walked.canaries.add(Kind.CLIENT, stack.environment["COUNTERSIGN_OIDC_CLIENT_SECRET"])
        ring = json.loads((stack.data / "key-ring.json").read_text())
        walked.canaries.add(Kind.RING, *ring["keys"].values())
        walked.go()
        yield walked


@pytest.mark.prove
def test_every_kind_of_canary_was_pushed_through(walk: Walk) -> None:
    assert {kind for kind in Kind if not walk.canaries.of(kind)} == set()


@pytest.mark.prove
def test_no_canary_is_in_the_logs_of_any_process_at_debug_level(walk: Walk) -> None:
    log = (walk.stack.data / "logs" / "worker.log").read_text()
    assert " DEBUG " in log
    assert "temporalio_sdk_core" in log
    assert in_logs(walk.stack, walk.canaries) == []


@pytest.mark.prove
def test_no_canary_is_in_a_dump_of_the_database(walk: Walk) -> None:
    assert in_tables(walk.stack, walk.canaries) == []


@pytest.mark.prove
def test_no_canary_is_in_files_left_in_the_data_folder_temporals_store_included(walk: Walk) -> None:
    assert list(walk.stack.data.glob("temporal.db*"))
    assert in_files(walk.stack, walk.canaries) == []


@pytest.mark.prove
def test_no_canary_is_in_command_lines_or_environments(walk: Walk) -> None:
    assert in_processes(walk.stack, walk.canaries) == []


@pytest.mark.prove
async def test_no_canary_is_in_decrypted_histories_but_for_codes_in_messages(walk: Walk) -> None:
    messages: list[str] = []
    others: list[str] = []
    async for line, is_message in _told_by_temporal(walk):
        (messages if is_message else others).append(line)

    assert any(is_in("\n".join(messages).encode(), code) for code in walk.canaries.of(Kind.CODE))
    assert walk.canaries.leaks("history: messages", "\n".join(messages).encode()) == []
    assert walk.canaries.leaks("history: all but messages", "\n".join(others).encode()) == []


@pytest.mark.prove
def test_no_canary_is_in_metrics(walk: Walk) -> None:
    of_worker = httpx.get(f"http://127.0.0.1:{walk.stack.more['LOUD_METRICS_PORT']}/metrics").text
    of_api = httpx.get(f"{walk.stack.url}/metrics").text
    assert "temporal_" in of_worker
    assert walk.canaries.leaks("metrics", f"{of_worker}\n{of_api}".encode()) == []


@pytest.mark.prove
def test_no_canary_is_in_refusals_the_document_or_the_trail(walk: Walk) -> None:
    refusals = [text for person in walk.people.values() for text in person.refusals]
    trails = [walk.person(name).call("GET", "/v1/audit-events?limit=500").text for name in ("sam", "sonia")]
    document = httpx.get(f"{walk.stack.url}/openapi.json").text
    assert len(refusals) >= 8
    assert walk.canaries.leaks("answers", "\n".join([*refusals, *trails, document]).encode()) == []


@pytest.mark.prove
def test_no_canary_is_in_what_settings_and_keys_show_of_themselves(walk: Walk) -> None:
    settings = walk.stack.settings
    assert walk.canaries.leaks("settings", f"{settings!r} {settings} {settings.model_dump()}".encode()) == []


async def _told_by_temporal(walk: Walk) -> AsyncIterator[tuple[str, bool]]:
    async with parts(walk.stack.settings, purposes=frozenset(Purpose), lazy=False) as core:
        async for workflow_id, run_id in every_workflow(core.client):
            yield await read_description(core.client, core.keys, workflow_id, run_id=run_id), False
            for line in await read_history(core.client, core.keys, workflow_id, run_id=run_id):
                yield line.text, line.is_message
