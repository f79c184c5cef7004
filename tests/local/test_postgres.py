import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from countersign.local.errors import StackError
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.programs import Program, kill
from countersign.local.tcp_ports import free_port


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "data", free_port(), durable=False)
    yield server
    server.wipe()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("data"), free_port(), durable=False).running() as server:
        yield server


def _wait(server: EmbeddedPostgres) -> None:
    deadline = time.monotonic() + 20
    while not server.is_ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def test_the_application_is_neither_owner_nor_superuser(running: EmbeddedPostgres) -> None:
    assert _one(running.app_url, "SELECT current_user") == "countersign_app_login"
    assert _one(running.owner_url, "SELECT current_user") == "countersign_owner"
    assert _one(running.owner_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _one(running.app_url, "CREATE TABLE public.mine () ")


def test_nobody_gets_in_without_a_password(running: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(running.address, user="postgres", password="guess")


def test_it_listens_on_loopback_and_on_a_socket_that_nobody_else_can_reach(running: EmbeddedPostgres) -> None:
    assert _one(running.superuser_url, "SHOW listen_addresses") == "127.0.0.1"
    folder = Path(str(_one(running.superuser_url, "SHOW unix_socket_directories")))
    assert folder == running._home.folder
    assert folder.stat().st_mode & 0o077 == 0
    assert _one(running.app_socket_url, "SELECT inet_client_addr()") is None


def test_the_socket_asks_for_the_password_too(running: EmbeddedPostgres) -> None:
    password = make_conninfo(running.app_socket_url, password="guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(password)


@pytest.mark.parametrize("name", ["deep" * 30, "with,comma", 'with"quote'])
def test_a_folder_that_no_socket_fits_in_has_none(tmp_path: Path, name: str) -> None:
    server = EmbeddedPostgres(tmp_path, 5432)
    server._home = replace(server._home, folder=tmp_path / name)
    server._passwords = dict.fromkeys(("countersign_app_login",), "secret")

    assert server.app_socket_url == server.app_url


def test_granting_application_and_verifier_their_rights_can_be_repeated(running: EmbeddedPostgres) -> None:
    with psycopg.connect(running.owner_url) as connection:
        connection.execute("CREATE ROLE countersign_app NOLOGIN")
        connection.execute("CREATE ROLE countersign_verifier NOLOGIN")

    for _ in range(2):
        running.grant_application()

    assert _one(running.app_url, "SELECT pg_has_role('countersign_app', 'MEMBER')") is True
    assert _one(running.verifier_url, "SELECT pg_has_role('countersign_verifier', 'MEMBER')") is True
    assert _one(running.verifier_url, "SELECT pg_has_role('countersign_app', 'MEMBER')") is False


def test_the_address_that_is_shown_names_no_password(running: EmbeddedPostgres) -> None:
    assert "@" not in running.address
    assert "scram" not in repr(running)


def test_a_failed_statement_leaves_no_value_in_the_log(running: EmbeddedPostgres) -> None:
    with psycopg.connect(running.owner_url) as connection:
        connection.execute("CREATE TEMPORARY TABLE people (email text PRIMARY KEY)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO people VALUES ('olivia@example.com'), ('olivia@example.com')")

    log = running.log.read_text()

    assert "duplicate key" in log
    assert "olivia@example.com" not in log


def test_after_kill_9_it_starts_again_and_finds_its_data(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "data", free_port())
    postgres.prepare()
    program = postgres.program()
    process = program.start(tmp_path / "log")
    try:
        _wait(postgres)
        postgres.ensure_database()
        with psycopg.connect(postgres.owner_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        process.send_signal(signal.SIGKILL)
        process.wait()

        process = program.start(tmp_path / "log")
        _wait(postgres)

        assert _one(postgres.owner_url, "SELECT answer FROM kept") == 42
    finally:
        program.stop(process)
        postgres.wipe()


def test_a_server_that_a_killed_stack_left_running_is_ended_first(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    postgres.prepare()
    left = postgres.program().start(tmp_path / "log")
    try:
        _wait(postgres)

        with postgres.running():
            assert left.wait(10) == 0
    finally:
        kill(left)


def test_the_id_of_a_dead_server_may_be_another_process_by_now(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    postgres.prepare()
    cluster = Path(postgres.program().command[2])
    (cluster / "postmaster.pid").write_text(f"{psutil.Process().ppid()}\n{cluster}\n")

    with postgres.running():
        assert _one(postgres.owner_url, "SELECT 1") == 1


def test_after_the_data_folder_was_deleted_it_begins_anew(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path / "data", free_port(), durable=False)
    first.prepare()
    (tmp_path / "data" / "postgres.json").unlink()

    with EmbeddedPostgres(tmp_path / "data", free_port(), durable=False).running() as second:
        assert _one(second.app_url, "SELECT 1") == 1


def test_throw_away_data_is_thrown_away(postgres: EmbeddedPostgres) -> None:
    with postgres.running():
        cluster = Path(postgres.program().command[2])
        assert stat.S_IMODE(cluster.stat().st_mode) == 0o700

    assert not cluster.parent.exists()


def test_a_server_that_cannot_start_says_why(running: EmbeddedPostgres, tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", running.port, durable=False)

    with pytest.raises(StackError, match="PostgreSQL did not start"), server.running():
        pass


def test_a_program_does_not_show_its_environment() -> None:
    assert "hidden" not in repr(Program(name="api", command=("true",), environment={"PASSWORD": "hidden"}))
