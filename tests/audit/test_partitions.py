"""Partitions by month: events find one whatever happens, and nobody but the owner can touch them."""

from datetime import UTC, datetime
from typing import LiteralString

import psycopg
import pytest

from tests.support.trails import Trails


def partitions(trails: Trails) -> list[str]:
    with trails.tampering() as connection:
        rows = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_events'::regclass"
        )
        return [name for (name,) in rows]


ON_EACH = ("UPDATE {} SET number = 0", "DELETE FROM {}", "TRUNCATE {}")
BY_THE_APPLICATION = (
    *ON_EACH,
    "ALTER TABLE {} DISABLE TRIGGER ALL",
    "ALTER TABLE {} DROP CONSTRAINT chained",
    "DROP TABLE {}",
    "CREATE TRIGGER t BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
)


@pytest.mark.parametrize("statement", BY_THE_APPLICATION)
def test_the_application_changes_neither_the_table_nor_a_partition(trails: Trails, statement: str) -> None:
    parts = partitions(trails)
    assert len(parts) >= 6
    with psycopg.connect(trails.own.app_url, autocommit=True) as connection:
        for name in ("audit_events", "audit_checkpoints", *parts):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.format(name).encode())


def test_the_application_reads_and_writes_no_partition_past_the_table(trails: Trails) -> None:
    with psycopg.connect(trails.own.app_url, autocommit=True) as connection:
        for name in partitions(trails):
            for statement in (f"SELECT 1 FROM {name}", f"INSERT INTO {name} SELECT * FROM audit_events LIMIT 0"):  # noqa: S608 - names from the catalogue
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())


def test_the_application_detaches_and_attaches_nothing(trails: Trails) -> None:
    with psycopg.connect(trails.own.app_url, autocommit=True) as connection:
        for name in partitions(trails):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"ALTER TABLE audit_events DETACH PARTITION {name}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT attach_audit_partition('x', 'DEFAULT')")


@pytest.mark.parametrize("statement", ON_EACH)
def test_the_owner_changes_nothing_with_a_statement_on_a_partition_either(trails: Trails, statement: str) -> None:
    with psycopg.connect(trails.own.owner_url, autocommit=True) as connection:
        for name in ("audit_events", "audit_checkpoints", *partitions(trails)):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.format(name).encode())


UNSIGNED: LiteralString = """INSERT INTO audit_events (account_id, number, event, at, actor_kind)
                             VALUES (%s, 1000, 'x', now() + %s, 'ops')"""


@pytest.mark.parametrize("when", ["0 s", "-10 years", "10 years"])
def test_an_event_without_a_mac_is_refused_in_every_partition(trails: Trails, when: str) -> None:
    with (
        psycopg.connect(trails.own.app_url) as connection,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        connection.execute(UNSIGNED, (trails.account_id, when))


SIGNED: LiteralString = """INSERT INTO audit_events (account_id, number, event, at, actor_kind, key_id, mac)
                           VALUES (%s, 1000, 'x', now() + %s::interval, 'ops', 'k1', 'x')
                           RETURNING tableoid::regclass::text"""


@pytest.mark.parametrize(
    ("when", "partition"), [("-10 years", "audit_events_before"), ("10 years", "audit_events_default")]
)
def test_an_event_is_recorded_whatever_its_moment(trails: Trails, when: str, partition: str) -> None:
    with psycopg.connect(trails.own.app_url) as connection:
        assert connection.execute(SIGNED, (trails.account_id, when)).fetchone() == (partition,)
        connection.rollback()


def test_this_month_and_the_next_three_have_their_partitions(trails: Trails) -> None:
    month = datetime.now(UTC).replace(day=1)
    wanted = []
    for _ in range(4):
        wanted.append(f"audit_events_{month:%Y_%m}")
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)

    assert set(partitions(trails)) == {"audit_events_before", "audit_events_default", *wanted}


def test_partitions_that_are_missing_are_made_by_the_application_through_one_function_alone(trails: Trails) -> None:
    gone = max(name for name in partitions(trails) if name[-1].isdigit())
    with psycopg.connect(trails.own.owner_url, autocommit=True) as connection:
        connection.execute(f"DROP TABLE {gone}".encode())

    with psycopg.connect(trails.own.app_url, autocommit=True) as connection:
        assert connection.execute("SELECT make_audit_partitions()").fetchone() == (1,)
        assert connection.execute("SELECT make_audit_partitions()").fetchone() == (0,)

    assert gone in partitions(trails)
    with psycopg.connect(trails.own.owner_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"TRUNCATE {gone}".encode())


def test_a_month_whose_events_are_in_the_default_partition_stays_there_and_stops_nothing(trails: Trails) -> None:
    gone = max(name for name in partitions(trails) if name[-1].isdigit())
    with trails.tampering() as attacker:
        attacker.execute(f"DROP TABLE {gone}".encode())
        attacker.execute("SET LOCAL session_replication_role = origin")
        placed = attacker.execute(SIGNED, (trails.account_id, "3 months")).fetchone()
        assert placed == ("audit_events_default",)

        assert attacker.execute("SELECT make_audit_partitions()").fetchone() == (0,)


def test_what_a_caller_puts_into_the_way_of_names_is_not_run_by_the_function(trails: Trails) -> None:
    with psycopg.connect(trails.own.app_url) as connection:
        connection.execute("CREATE TEMPORARY TABLE audit_events (x integer)")
        connection.execute("SET search_path = pg_temp, public")

        assert connection.execute("SELECT public.make_audit_partitions()").fetchone() == (0,)
