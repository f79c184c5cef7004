"""Following a chain: each way to tamper with it has its name, and none goes unnoticed."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.audit import GENESIS, Place, Recorded
from countersign.domain.audit_chain import MOST_FINDINGS, SUSPECTS_AT_ONCE, Fault, Mark, Trail
from tests.support.chains import ACCOUNT, chained, followed, found, head_of, piece_of, signed, toy_mac

TEN = chained(10)
HEAD = head_of(TEN)


def without(*numbers: int) -> list[Recorded]:
    return [event for event in TEN if event.number not in numbers]


def with_changed(number: int, **changes: Any) -> list[Recorded]:
    return [event._replace(**changes) if event.number == number else event for event in TEN]


def renumbered(events: list[Recorded]) -> list[Recorded]:
    return [event._replace(number=number) for number, event in enumerate(events, start=1)]


def test_the_words_that_the_command_says_are_never_spelled_anew() -> None:
    assert [fault.value for fault in Fault] == [
        *("changed", "deleted", "inserted", "duplicated", "reordered", "truncated"),
        *("unknown key", "head altered", "unexplained"),
        *("checkpoint forged", "checkpoint missing", "checkpoint reordered"),
    ]


def test_an_untouched_chain_has_no_fault_and_is_counted() -> None:
    trail = followed(TEN, head=HEAD, marks={5: Mark(1, TEN[4].mac or b""), 10: Mark(2, HEAD.mac)})

    assert (trail.findings, trail.number, trail.unchained, trail.elsewhere) == ([], 10, 0, 0)


def test_an_account_without_events_has_no_fault() -> None:
    assert found([], head=Place(0, GENESIS)) == []
    assert found([]) == []


def test_a_finding_names_account_and_number_and_says_what_is_wrong() -> None:
    [finding] = followed(with_changed(4, event="x"), head=HEAD).findings

    assert finding == (Fault.CHANGED, ACCOUNT, 4, "does not fit its MAC and the event before it")


@pytest.mark.parametrize("number", [1, 2, 9, 10])
def test_a_changed_event_is_found_and_no_other_blamed(number: int) -> None:
    assert found(with_changed(number, event="x"), head=HEAD) == [(Fault.CHANGED, number)]
    assert found(with_changed(number, mac=bytes(31) + b"x"), head=HEAD) == [(Fault.CHANGED, number)]
    assert found(with_changed(number, details={"x": 0.5}), head=HEAD) == [(Fault.CHANGED, number)]


def test_two_changes_side_by_side_are_both_found() -> None:
    events = [event._replace(event="x") if event.number in {4, 5} else event for event in TEN]

    assert found(events, head=HEAD) == [(Fault.CHANGED, 4), (Fault.CHANGED, 5)]


def test_an_event_without_a_mac_in_the_midst_of_a_chain_is_found() -> None:
    assert found(with_changed(4, mac=None), head=HEAD) == [(Fault.CHANGED, 4)]
    blank = [event._replace(mac=None, key_id=None) if event.number in {4, 5, 6} else event for event in TEN]
    assert [number for _, number in found(blank, head=HEAD)] == [4, 5, 6, 7]


def test_an_event_without_a_mac_after_a_gap_begins_no_chain_anew() -> None:
    blank = [event._replace(mac=None, key_id=None) if event.number in {5, 6} else event for event in without(4)]

    assert found(blank, head=HEAD) == [(Fault.DELETED, 4), (Fault.CHANGED, 6), (Fault.CHANGED, 7)]


def test_an_event_that_names_no_key_is_changed_and_no_key_is_asked_for() -> None:
    def of_text(key_id: str, message: bytes) -> bytes | None:
        return toy_mac(str.lower(key_id), message)

    trail = Trail(ACCOUNT, mac=of_text, head=HEAD)
    for event in with_changed(4, key_id=None):
        trail.take(event)
    trail.end()

    assert [(each.fault, each.number) for each in trail.findings] == [(Fault.CHANGED, 4)]


def test_a_changed_event_is_found_where_the_head_is_not_known() -> None:
    assert found(with_changed(4, event="x")) == [(Fault.CHANGED, 4)]


def test_an_event_under_an_unknown_key_is_named_so() -> None:
    [finding] = followed(with_changed(4, key_id="gone"), head=HEAD).findings

    assert finding[0::2] == (Fault.UNKNOWN_KEY, 4)
    assert finding.detail == "its key gone is not in the key ring"


@pytest.mark.parametrize(("gone", "first", "last"), [((1,), 1, 1), ((4, 5), 4, 5), ((9,), 9, 9)])
def test_deleted_events_are_found(gone: tuple[int, ...], first: int, last: int) -> None:
    [finding] = followed(without(*gone), head=HEAD).findings

    assert finding == (Fault.DELETED, ACCOUNT, first, f"events {first} to {last} are missing")


def test_a_deleted_event_whose_successors_were_renumbered_is_found() -> None:
    assert (Fault.CHANGED, 4) in found(renumbered(without(4)), head=HEAD)


def test_an_event_with_a_number_that_another_has_is_inserted_or_a_copy() -> None:
    forged, copy = TEN[3]._replace(event="x", mac=bytes(32)), TEN[3]._replace(at=TEN[4].at)

    assert found([*TEN[:4], forged, *TEN[4:]], head=HEAD) == [(Fault.INSERTED, 4)]
    assert found([*TEN[:3], forged, *TEN[3:]], head=HEAD) == [(Fault.INSERTED, 4)]
    assert found([*TEN[:4], copy, *TEN[4:]], head=HEAD) == [(Fault.DUPLICATED, 4)]
    assert found([*TEN[:3], copy, *TEN[3:]], head=HEAD) == [(Fault.DUPLICATED, 4)]


def test_an_event_inserted_among_others_that_were_renumbered_is_told_from_these() -> None:
    events = renumbered([*TEN[:3], TEN[0]._replace(mac=b"forged"), *TEN[3:]])

    trail = followed(events, head=HEAD)

    moved = [(Fault.REORDERED, number) for number in range(5, 12)]
    assert [(each.fault, each.number) for each in trail.findings] == [*moved, (Fault.INSERTED, 4)]
    assert trail.findings[0].detail == "stands here and is event 4"


def test_an_event_after_the_head_is_inserted() -> None:
    events = [*TEN, TEN[3]._replace(number=11)]

    assert (Fault.INSERTED, 11) in found(events, head=HEAD)


@pytest.mark.parametrize("first", [1, 4, 9])
def test_neighbours_that_changed_places_are_found_both(first: int) -> None:
    events = [*TEN]
    events[first - 1], events[first] = TEN[first], TEN[first - 1]

    assert found(renumbered(events), head=HEAD) == [(Fault.REORDERED, first + 1), (Fault.REORDERED, first)]


def test_events_of_two_chains_that_changed_places_are_found() -> None:
    other = signed(TEN[3]._replace(account_id="another"), TEN[2].mac or b"")._replace(account_id=ACCOUNT)

    assert found([*TEN[:3], other, *TEN[4:]], head=HEAD)[0] == (Fault.CHANGED, 4)


def test_a_tail_that_is_gone_is_found_by_the_head() -> None:
    [finding] = followed(TEN[:7], head=HEAD).findings

    assert finding == (Fault.TRUNCATED, ACCOUNT, 8, "the account's head says that events go on to 10")


def test_a_tail_that_is_gone_is_found_by_a_checkpoint_though_the_head_was_mended() -> None:
    marks = {9: Mark(2, TEN[8].mac or b""), 8: Mark(1, TEN[7].mac or b"")}

    trail = followed(TEN[:7], head=head_of(TEN[:7]), marks=marks)

    assert [(each.fault, each.number) for each in trail.findings] == [(Fault.TRUNCATED, 8), (Fault.TRUNCATED, 9)]
    assert trail.findings[0].detail == "checkpoint 1 holds this event, and it is gone"


@pytest.mark.parametrize(
    "head", [Place(9, TEN[8].mac or b""), Place(9, HEAD.mac), Place(10, GENESIS), Place(0, GENESIS)]
)
def test_a_head_that_does_not_fit_is_found(head: Place) -> None:
    [finding] = followed(TEN, head=head).findings

    assert finding == (Fault.HEAD_ALTERED, ACCOUNT, 10, "the account's head does not say event 10")


def test_a_chain_rewritten_by_a_thief_of_the_key_is_found_by_a_checkpoint() -> None:
    rewritten, previous = TEN[:3], TEN[2].mac or b""
    for event in TEN[3:]:
        rewritten.append(signed(event._replace(event="x"), previous))
        previous = rewritten[-1].mac or b""

    assert found(rewritten, head=head_of(rewritten)) == []
    [finding] = followed(rewritten, head=head_of(rewritten), marks={5: Mark(3, TEN[4].mac or b"")}).findings
    assert finding == (Fault.CHANGED, ACCOUNT, 5, "is not the event that checkpoint 3 holds")


def test_events_from_before_the_chain_are_counted_and_must_have_no_gap() -> None:
    events = chained(10, unchained=4)

    assert followed(events, head=head_of(events)).unchained == 4
    assert found(events, head=head_of(events), marks={3: Mark(1, GENESIS)}) == []
    assert found(events[1:], head=head_of(events)) == [(Fault.DELETED, 1)]
    assert found([*events[:1], *events[2:]], head=head_of(events)) == [(Fault.DELETED, 2)]
    # Whoever takes MACs away moves the beginning of the chain, and its first event shows it.
    blank = [*events[:4], events[4]._replace(mac=None, key_id=None), *events[5:]]
    assert found(blank, head=head_of(events)) == [(Fault.CHANGED, 6)]


def test_what_is_kept_elsewhere_is_passed_over_and_counted() -> None:
    early = piece_of(TEN, 1, 4, before=GENESIS)
    later = piece_of(TEN, 7, 7, before=TEN[5].mac)

    trail = followed(without(1, 2, 3, 4, 7), head=HEAD, pieces=[early, later])

    assert (trail.findings, trail.elsewhere, trail.number) == ([], 5, 10)
    assert followed([], head=head_of(TEN[:4]), pieces=[early], marks={4: Mark(1, early.mac)}).findings == []
    assert followed(without(7), head=HEAD, pieces=[later._replace(before=None)]).findings == []


def test_what_is_kept_elsewhere_and_is_here_as_well_is_counted_once() -> None:
    trail = followed(TEN, head=HEAD, pieces=[piece_of(TEN, 1, 4, before=GENESIS)])

    assert (trail.findings, trail.elsewhere) == ([], 0)


def test_of_two_pieces_only_the_one_that_is_not_here_is_counted() -> None:
    away, here = piece_of(TEN, 1, 4, before=GENESIS), piece_of(TEN, 6, 8, before=TEN[4].mac)

    trail = followed(TEN[4:], head=HEAD, pieces=[away, here])

    assert (trail.findings, trail.elsewhere) == ([], 4)


def test_a_piece_that_does_not_follow_fills_no_gap() -> None:
    wrong = piece_of(TEN, 4, 5, before=TEN[0].mac)

    assert found(without(4, 5), head=HEAD, pieces=[wrong]) == [(Fault.DELETED, 4)]
    assert found(without(4, 5, 6), head=HEAD, pieces=[piece_of(TEN, 4, 5, before=TEN[2].mac)]) == [(Fault.DELETED, 6)]


def test_a_deleted_event_that_a_checkpoint_holds_is_told_once() -> None:
    assert found(without(4), head=HEAD, marks={4: Mark(1, TEN[3].mac or b"")}) == [(Fault.DELETED, 4)]


def test_a_piece_at_the_end_that_does_not_follow_stands_for_nothing() -> None:
    wrong = piece_of(TEN, 8, 10, before=TEN[0].mac)

    assert found(TEN[:7], head=HEAD, pieces=[wrong]) == [(Fault.TRUNCATED, 8)]


def test_a_changed_event_after_a_piece_is_found() -> None:
    events = [event for event in with_changed(5, event="x") if event.number > 4]

    assert found(events, head=HEAD, pieces=[piece_of(TEN, 1, 4, before=GENESIS)]) == [(Fault.CHANGED, 5)]


def test_however_much_is_wrong_so_many_findings_are_told_and_the_rest_is_left() -> None:
    many = chained(4 * SUSPECTS_AT_ONCE)
    macs = 0

    def counting(key_id: str, message: bytes) -> bytes | None:
        nonlocal macs
        macs += 1
        return toy_mac(key_id, message)

    trail = Trail(ACCOUNT, mac=counting, head=head_of(many))
    for event in renumbered(many[1:]):
        trail.take(event)
    trail.end()

    assert len(trail.findings) == MOST_FINDINGS
    assert macs < 5 * SUSPECTS_AT_ONCE**2


Mutation = Callable[[list[Recorded], int, int], list[Recorded]]
MUTATIONS: list[Mutation] = [
    lambda events, at, _: [*events[:at], *events[at + 1 :]],
    lambda events, at, _: renumbered([*events[:at], *events[at + 1 :]]),
    lambda events, at, _: [*events[: at + 1], events[at], *events[at + 1 :]],
    lambda events, at, to: renumbered([*events[:at], events[to], *events[at:]]),
    lambda events, at, to: renumbered(_swapped(events, at, to)),
    lambda events, at, _: [*events[:at], events[at]._replace(event="x"), *events[at + 1 :]],
    lambda events, at, _: [*events[:at], events[at]._replace(mac=bytes(32)), *events[at + 1 :]],
    lambda events, at, _: events[:at],
]


def _swapped(events: list[Recorded], at: int, to: int) -> list[Recorded]:
    swapped = [*events]
    swapped[at], swapped[to] = events[to], events[at]
    return swapped


@given(st.integers(2, 12), st.sampled_from(MUTATIONS), st.data())
def test_whatever_is_done_once_to_a_chain_is_found(length: int, mutation: Mutation, data: st.DataObject) -> None:
    events = chained(length)
    at = data.draw(st.integers(0, length - 1))
    to = data.draw(st.integers(0, length - 1).filter(lambda place: place != at))

    assert found(mutation(events, at, to), head=head_of(events)) != []
