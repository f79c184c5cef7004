"""Whatever is done to recorded events is found and named."""

from typing import LiteralString

import pytest

from countersign.domain.audit_chain import Fault
from tests.support.trails import Connection, Trails, faults, verify

UNTOUCHED = 16


def change(attacker: Connection, statement: LiteralString, trails: Trails, **values: object) -> None:
    done = attacker.execute(statement, {"account": trails.account_id, "other": trails.other_id, **values})
    assert done.rowcount > 0


def test_untouched_trails_verify_with_events_under_two_keys(trails: Trails, attacker: Connection) -> None:
    report = verify(attacker)

    keys = attacker.execute("SELECT DISTINCT key_id FROM audit_events WHERE account_id = %s", (trails.account_id,))
    assert sorted(keys) == [("k1",), ("k2",)]
    assert report.findings == []
    assert (report.events, report.accounts, report.unchained, report.newer_than_checkpoint) == (UNTOUCHED, 2, 0, 2)


@pytest.mark.parametrize(
    "assignment",
    [
        "event = 'code:wrong'",
        "at = at + interval '1 microsecond'",
        "at = 'infinity'",
        "at = at - interval '4100 years'",
        "actor_kind = 'ops'",
        "actor_id = gen_random_uuid()",
        "actor_id = NULL",
        "ip = '203.0.113.8'",
        "ip = '203.0.113.7/24'",
        "ip = NULL",
        "request_id = gen_random_uuid()",
        "credential_id = gen_random_uuid()",
        """details = '{"tries": 4}'""",
        """details = '{"tries": 4.0}'""",
        "details = details || '{\"more\": null}'",
        "key_id = 'k2'",
        "mac = sha256(mac)",
        "mac = NULL",
    ],
)
def test_a_changed_column_is_found_and_nothing_else_is_blamed(
    trails: Trails, attacker: Connection, assignment: str
) -> None:
    statement = f"UPDATE audit_events SET {assignment} WHERE account_id = %s AND number = 4"  # noqa: S608 - from the list above
    assert attacker.execute(statement.encode(), (trails.account_id,)).rowcount == 1

    report = verify(attacker)

    assert faults(report, trails.account_id) == [(Fault.CHANGED, 4)]
    assert len(report.findings) == 1


def test_an_event_whose_mac_and_key_were_taken_away_is_found(trails: Trails, attacker: Connection) -> None:
    change(
        attacker,
        "UPDATE audit_events SET mac = NULL, key_id = NULL WHERE account_id = %(account)s AND number = 4",
        trails,
    )

    assert faults(verify(attacker), trails.account_id)[0] == (Fault.CHANGED, 4)


def test_a_deleted_event_is_found(trails: Trails, attacker: Connection) -> None:
    change(attacker, "DELETE FROM audit_events WHERE account_id = %(account)s AND number IN (4, 5)", trails)

    report = verify(attacker)

    assert faults(report, trails.account_id) == [(Fault.DELETED, 4)]
    assert report.findings[0].detail == "events 4 to 5 are missing"


def test_a_deleted_event_is_found_though_all_later_ones_were_renumbered(trails: Trails, attacker: Connection) -> None:
    change(attacker, "DELETE FROM audit_events WHERE account_id = %(account)s AND number = 4", trails)
    change(
        attacker, "UPDATE audit_events SET number = number - 1 WHERE account_id = %(account)s AND number > 4", trails
    )

    assert (Fault.CHANGED, 4) in faults(verify(attacker), trails.account_id)


INSERT: LiteralString = """INSERT INTO audit_events
    SELECT account_id, %(number)s, 'secret:shown', at + interval '1 second', actor_kind, actor_id, ip, request_id,
           credential_id, details, key_id, sha256(mac)
    FROM audit_events WHERE account_id = %(account)s AND number = 3"""


def test_an_inserted_event_is_found(trails: Trails, attacker: Connection) -> None:
    change(attacker, INSERT, trails, number=3)

    assert faults(verify(attacker), trails.account_id) == [(Fault.INSERTED, 3)]


def test_an_event_inserted_between_others_that_were_renumbered_is_found(trails: Trails, attacker: Connection) -> None:
    change(
        attacker, "UPDATE audit_events SET number = number + 1 WHERE account_id = %(account)s AND number > 5", trails
    )
    change(attacker, INSERT, trails, number=6)

    found = faults(verify(attacker), trails.account_id)

    assert (Fault.INSERTED, 6) in found
    assert [number for fault, number in found if fault is Fault.REORDERED] == [7, 8, 9, 10, 11, 12, 13]


def test_an_event_inserted_after_the_last_is_found(trails: Trails, attacker: Connection) -> None:
    change(attacker, INSERT, trails, number=13)

    assert (Fault.INSERTED, 13) in faults(verify(attacker), trails.account_id)


def test_a_duplicated_event_is_found(trails: Trails, attacker: Connection) -> None:
    change(
        attacker,
        """INSERT INTO audit_events
           SELECT account_id, number, event, at + interval '1 second', actor_kind, actor_id, ip, request_id,
                  credential_id, details, key_id, mac
           FROM audit_events WHERE account_id = %(account)s AND number = 7""",
        trails,
    )

    assert faults(verify(attacker), trails.account_id) == [(Fault.DUPLICATED, 7)]


def test_reordered_events_are_found_both(trails: Trails, attacker: Connection) -> None:
    change(
        attacker,
        "UPDATE audit_events SET number = 9 - number WHERE account_id = %(account)s AND number IN (4, 5)",
        trails,
    )

    report = verify(attacker)

    assert faults(report, trails.account_id) == [(Fault.REORDERED, 5), (Fault.REORDERED, 4)]
    assert report.findings[0].detail == "stands here and is event 4"


def test_events_swapped_between_accounts_are_found_in_both(trails: Trails, attacker: Connection) -> None:
    change(
        attacker,
        """UPDATE audit_events
           SET account_id = CASE account_id WHEN %(account)s THEN %(other)s::uuid ELSE %(account)s::uuid END
           WHERE number = 2""",
        trails,
    )

    report = verify(attacker)

    assert (Fault.CHANGED, 2) in faults(report, trails.account_id)
    assert (Fault.CHANGED, 2) in faults(report, trails.other_id)


def test_a_tail_that_was_cut_off_is_found_by_the_accounts_head(trails: Trails, attacker: Connection) -> None:
    change(attacker, "DELETE FROM audit_events WHERE account_id = %(account)s AND number > 11", trails)

    assert faults(verify(attacker), trails.account_id) == [(Fault.TRUNCATED, 12)]


MEND: LiteralString = """UPDATE accounts SET audit_number = e.number, audit_mac = e.mac FROM (
    SELECT number, mac FROM audit_events WHERE account_id = %(account)s ORDER BY number DESC LIMIT 1) AS e
    WHERE id = %(account)s"""


def test_a_tail_that_was_cut_off_is_found_by_the_checkpoint_though_the_head_was_mended(
    trails: Trails, attacker: Connection
) -> None:
    change(attacker, "DELETE FROM audit_events WHERE account_id = %(account)s AND number > 8", trails)
    change(attacker, MEND, trails)

    report = verify(attacker)

    assert faults(report, trails.account_id) == [(Fault.TRUNCATED, 10)]
    assert report.findings[0].detail == "checkpoint 1 holds this event, and it is gone"


def test_a_whole_account_that_was_removed_is_missed(trails: Trails, attacker: Connection) -> None:
    change(attacker, "DELETE FROM audit_events WHERE account_id = %(account)s", trails)
    change(attacker, "DELETE FROM accounts WHERE id = %(account)s", trails)

    assert faults(verify(attacker), trails.account_id) == [(Fault.TRUNCATED, 10)]


@pytest.mark.parametrize("assignment", ["audit_number = 10", "audit_mac = sha256(audit_mac)", "audit_mac = NULL"])
def test_an_altered_head_is_found(trails: Trails, attacker: Connection, assignment: str) -> None:
    attacker.execute(f"UPDATE accounts SET {assignment} WHERE id = %s".encode(), (trails.account_id,))  # noqa: S608 - from the list above

    assert faults(verify(attacker), trails.account_id) == [(Fault.HEAD_ALTERED, 12)]


def test_taking_all_macs_away_does_not_make_a_trail_one_from_before_the_chain(
    trails: Trails, attacker: Connection
) -> None:
    change(attacker, "UPDATE audit_events SET mac = NULL, key_id = NULL WHERE account_id = %(account)s", trails)
    change(attacker, "UPDATE accounts SET audit_mac = NULL WHERE id = %(account)s", trails)

    assert (Fault.CHANGED, 10) in faults(verify(attacker), trails.account_id)


def test_events_from_before_the_chain_are_counted_and_the_chain_begins_after_them(
    trails: Trails, attacker: Connection
) -> None:
    attacker.execute("DELETE FROM audit_events WHERE account_id = %s", (trails.account_id,))
    for number in (1, 2):
        change(
            attacker,
            """INSERT INTO audit_events (account_id, number, event, at, actor_kind)
               VALUES (%(account)s, %(number)s, 'request:opened', now() - interval '1 year', 'system')""",
            trails,
            number=number,
        )
    change(attacker, "UPDATE accounts SET audit_number = 2, audit_mac = NULL WHERE id = %(account)s", trails)
    attacker.execute("DELETE FROM audit_checkpoints")

    report = verify(attacker, trails.account_id)

    assert (report.findings, report.unchained, report.events) == ([], 2, 2)


def test_an_event_under_a_key_that_the_ring_has_not_is_named_so(trails: Trails, attacker: Connection) -> None:
    change(attacker, "UPDATE audit_events SET key_id = 'gone' WHERE account_id = %(account)s AND number = 4", trails)

    assert faults(verify(attacker), trails.account_id) == [(Fault.UNKNOWN_KEY, 4)]


def test_a_detached_partition_is_missed(trails: Trails, attacker: Connection) -> None:
    [(name,)] = attacker.execute("SELECT DISTINCT tableoid::regclass::text FROM audit_events").fetchall()
    attacker.execute(f"ALTER TABLE audit_events DETACH PARTITION {name}".encode())

    report = verify(attacker)

    assert faults(report, trails.account_id) == [(Fault.TRUNCATED, 1), (Fault.TRUNCATED, 10)]
    assert faults(report, trails.other_id) == [(Fault.TRUNCATED, 1), (Fault.TRUNCATED, 4)]


def test_an_account_of_which_one_asks_is_verified_alone(trails: Trails, attacker: Connection) -> None:
    change(attacker, "UPDATE audit_events SET event = 'x' WHERE account_id = %(other)s", trails)

    assert verify(attacker, trails.account_id).findings == []
    assert verify(attacker, trails.other_id).findings != []
