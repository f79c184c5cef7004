"""Migrations: from nothing to the present schema, as often and as concurrently as one likes."""

import subprocess
import sys

import psycopg
import pytest

from countersign.local.postgres import EmbeddedPostgres
from countersign.storage.migrate import migrate
from tests.support.databases import OwnDatabase

TABLES = {
    "accounts", "users", "memberships", "account_manager_assignments", "credentials", "requests", "idempotency_keys",
    "challenges", "code_sends", "message_verdicts", "used_statements", "notices", "audit_events", "recovery_codes",
    "stops", "sms_days", "alembic_version",
}  # fmt: skip


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> OwnDatabase:
    return OwnDatabase.make(postgres)


def query(url: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(text.encode()).fetchall()


def tables(database: OwnDatabase) -> set[object]:
    rows = query(database.owner_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row[0] for row in rows}


def versions(database: OwnDatabase) -> list[tuple[object, ...]]:
    return query(database.owner_url, "SELECT version_num FROM alembic_version")


def test_an_empty_database_gets_the_whole_schema(empty: OwnDatabase) -> None:
    assert tables(empty) == set()

    migrate(empty.owner_url)

    assert tables(empty) >= TABLES
    assert len(versions(empty)) == 1


def test_a_second_time_changes_nothing_and_loses_nothing(empty: OwnDatabase) -> None:
    migrate(empty.owner_url)
    before = versions(empty)
    with psycopg.connect(empty.owner_url, autocommit=True) as connection:
        connection.execute("INSERT INTO accounts (id, name, prime_liquidity) VALUES (gen_random_uuid(), 'Home', true)")

    migrate(empty.owner_url)

    assert versions(empty) == before
    assert query(empty.owner_url, "SELECT name FROM accounts") == [("Home",)]


def test_three_processes_at_once_do_not_get_into_each_others_way(empty: OwnDatabase) -> None:
    script = "import sys; from countersign.storage.migrate import migrate; migrate(sys.argv[1])"
    command = (sys.executable, "-c", script, empty.owner_url)

    racing = [subprocess.Popen(command) for _ in range(3)]

    assert [each.wait(30) for each in racing] == [0, 0, 0]
    assert tables(empty) >= TABLES
    assert len(versions(empty)) == 1


def test_a_migration_that_fails_leaves_nothing_behind(empty: OwnDatabase) -> None:
    with psycopg.connect(empty.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE audit_events (nothing integer)")

    with pytest.raises(Exception, match="already exists"):
        migrate(empty.owner_url)

    assert tables(empty) <= {"audit_events", "alembic_version"}


def test_the_application_may_do_its_work_and_nothing_to_the_schema(postgres: EmbeddedPostgres) -> None:
    database = OwnDatabase.make_migrated(postgres)

    assert query(database.app_url, "SELECT count(*) FROM requests") == [(0,)]
    for forbidden in ("CREATE TABLE t (x int)", "DROP TABLE users", "ALTER TABLE users ADD x int", "TRUNCATE users"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(database.app_url, forbidden)


def test_the_audit_trail_can_be_changed_by_nobody_with_a_statement(postgres: EmbeddedPostgres) -> None:
    database = OwnDatabase.make_migrated(postgres)
    statements = ("UPDATE audit_events SET event = 'x'", "DELETE FROM audit_events", "TRUNCATE audit_events")

    for url in (database.app_url, database.owner_url):
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                query(url, statement)
