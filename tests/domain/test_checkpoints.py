"""Checkpoints as values: their text, their order, and what the genuine ones say."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from countersign.domain.audit_chain import Fault, Mark, Piece
from countersign.domain.checkpoints import Checkpoint, Checkpoints, Head, Signed
from tests.support.time_zones import in_japan

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ONE, TWO = Head("a", 7, bytes([1]) * 32), Head("b", 3, bytes([2]) * 32)
PIECE = Piece("a", 1, 4, bytes(32), bytes([3]) * 32)


def toy_sign(document: str) -> Signed:
    return Signed(document, hashlib.sha256(b"key" + document.encode()).digest())


def toy_is_signed(key_id: str, message: bytes, signature: bytes) -> bool:
    return key_id == "k1" and signature == hashlib.sha256(b"key" + message).digest()


def line(length: int, *, heads: Sequence[Head] = (ONE,)) -> list[Signed]:
    """Return checkpoints that follow each other, each over ``heads`` at a number of its own."""
    made: list[Signed] = []
    for number in range(1, length + 1):
        moved = [head._replace(number=head.number + number) for head in heads]
        newest = made[-1] if made else None
        made.append(toy_sign(Checkpoint.after(newest, key_id="k1", at=NOON, heads=moved).text()))
    return made


def numbered(signed: Sequence[Signed], *numbers: int) -> list[tuple[int | None, Signed]]:
    return [(number, signed[number - 1]) for number in numbers]


def taken(
    source: Sequence[tuple[int | None, Signed]], *, file: Sequence[Signed] | None = None, whole: bool = True
) -> Checkpoints:
    checkpoints = Checkpoints(toy_is_signed)
    if file is not None:
        checkpoints.take([(None, signed) for signed in file], place="the file", whole=False)
    checkpoints.take(source, place="the table", whole=whole)
    return checkpoints


def found(checkpoints: Checkpoints) -> list[tuple[Fault, int, str]]:
    assert all(each.account_id is None for each in checkpoints.findings)
    return [(each.fault, each.number, each.detail) for each in checkpoints.findings]


def test_the_text_never_changes() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=2)))
    checkpoint = Checkpoint(2, "ab", "k1", there, heads=[ONE], archived=[PIECE])

    assert checkpoint.text() == (
        f'{{"archived":[["a",1,4,"{"00" * 32}","{"03" * 32}"]],"at":"2026-01-31T12:00:00.000000+00:00",'
        f'"form":"countersign/audit-checkpoint/1","heads":[["a",7,"{"01" * 32}"]],"key_id":"k1","number":2,'
        f'"previous":"ab"}}'
    )
    assert Checkpoint.parse(checkpoint.text()) == checkpoint


def test_the_text_is_the_same_in_whatever_time_zone_the_machine_is() -> None:
    with in_japan():
        assert '"at":"2026-01-31T12:00:00.000000+00:00"' in Checkpoint(1, "", "k1", NOON).text()


def test_what_a_piece_follows_is_an_empty_text_where_it_is_not_told() -> None:
    checkpoint = Checkpoint(1, "", "k1", NOON, archived=[PIECE._replace(before=None)])

    assert f'"archived":[["a",1,4,"","{"03" * 32}"]]' in checkpoint.text()


def test_the_first_follows_nothing_and_each_other_the_hash_of_the_one_before() -> None:
    first, second = line(2)

    assert (Checkpoint.parse(first.document).number, Checkpoint.parse(first.document).previous) == (1, "")
    assert Checkpoint.parse(second.document).number == 2
    assert Checkpoint.parse(second.document).previous == hashlib.sha256(first.document.encode()).hexdigest()


GOOD = json.loads(line(1)[0].document)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "3",
        "{}",
        json.dumps({**GOOD, "form": "another"}),
        json.dumps({**GOOD, "number": "x"}),
        json.dumps({**GOOD, "at": "yesterday"}),
        json.dumps({**GOOD, "at": 3}),
        json.dumps({**GOOD, "heads": [[1]]}),
        json.dumps({**GOOD, "heads": [["a", 1, "xx"]]}),
        json.dumps({**GOOD, "archived": [["a", 1, "xx"]]}),
        "[" * 100_000,
    ],
)
def test_what_is_no_checkpoint_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"^(?!None)"):
        Checkpoint.parse(document)


@pytest.mark.parametrize("document", ["{}", json.dumps({**GOOD, "form": "another"})])
def test_what_is_no_checkpoint_is_told_so(document: str) -> None:
    with pytest.raises(ValueError, match=r"^This is no checkpoint\.$"):
        Checkpoint.parse(document)


def test_checkpoints_in_order_have_no_fault_and_what_they_say_is_gathered() -> None:
    signed = line(3, heads=[ONE, TWO])

    checkpoints = taken(numbered(signed, 1, 2, 3), file=signed)

    assert checkpoints.findings == []
    assert checkpoints.marks["a"] == {8: Mark(1, ONE.mac), 9: Mark(2, ONE.mac), 10: Mark(3, ONE.mac)}
    assert sorted(checkpoints.marks["b"]) == [4, 5, 6]
    assert checkpoints.newest == Checkpoint.parse(signed[2].document)


def test_no_checkpoints_at_all_are_no_fault() -> None:
    assert (taken([]).findings, taken([]).newest) == ([], None)
    assert taken([], file=[]).findings == []


@pytest.mark.parametrize(
    ("kept", "number", "missing"), [((2, 3, 4), 1, "1 to 1"), ((1, 3, 4), 2, "2 to 2"), ((1, 4), 2, "2 to 3")]
)
def test_a_missing_checkpoint_is_found(kept: tuple[int, ...], number: int, missing: str) -> None:
    checkpoints = taken(numbered(line(4), *kept))

    assert found(checkpoints) == [(Fault.CHECKPOINT_MISSING, number, f"numbers {missing} are missing in the table")]


def test_the_newest_that_are_missing_are_found_by_the_file() -> None:
    signed = line(4)

    assert taken(numbered(signed, 1, 2)).findings == []
    assert found(taken(numbered(signed, 1, 2), file=signed)) == [
        (Fault.CHECKPOINT_MISSING, 3, "numbers 3 to 4 are missing in the table")
    ]
    assert found(taken([], file=signed[:1])) == [
        (Fault.CHECKPOINT_MISSING, 1, "numbers 1 to 1 are missing in the table")
    ]


def test_a_file_may_begin_later_and_end_earlier_than_the_table() -> None:
    signed = line(4)

    assert taken(numbered(signed, 1, 2, 3, 4), file=signed[1:3]).findings == []


def test_reordered_checkpoints_are_found() -> None:
    first, second, third = line(3)

    swapped = taken([(1, first), (2, third), (3, second)])
    assert (Fault.CHECKPOINT_REORDERED, 2, "is number 3 in truth, in the table") in found(swapped)
    assert (Fault.CHECKPOINT_REORDERED, 3, "is number 2 in truth, in the table") in found(swapped)
    by_place = taken(numbered([first, second, third], 1, 2, 3), file=[first, third, second])
    assert (Fault.CHECKPOINT_REORDERED, 2, "comes after number 3 in the file") in found(by_place)


def test_a_forged_checkpoint_is_found_and_says_nothing() -> None:
    signed = line(3)
    forged = Signed(signed[1].document, bytes(32))

    checkpoints = taken([(1, signed[0]), (2, forged), (3, signed[2])])

    assert found(checkpoints) == [(Fault.CHECKPOINT_FORGED, 2, "has no genuine signature in the table")]
    assert sorted(checkpoints.marks["a"]) == [8, 10]


def test_a_forged_one_in_a_file_is_named_by_the_number_it_gives_itself() -> None:
    [signed] = line(1)

    assert found(taken(numbered([signed], 1), file=[Signed(signed.document, b"")])) == [
        (Fault.CHECKPOINT_FORGED, 1, "has no genuine signature in the file")
    ]


def test_a_forged_one_in_the_table_is_named_by_the_number_it_is_kept_under() -> None:
    [signed] = line(1)

    assert (Fault.CHECKPOINT_FORGED, 7, "has no genuine signature in the table") in found(
        taken([(7, Signed(signed.document, b""))])
    )


def test_a_checkpoint_that_is_missing_after_a_forged_one_is_found_too() -> None:
    signed = line(4)
    forged = Signed(signed[1].document, bytes(32))

    assert found(taken([(1, signed[0]), (2, forged), (4, signed[3])])) == [
        (Fault.CHECKPOINT_FORGED, 2, "has no genuine signature in the table"),
        (Fault.CHECKPOINT_MISSING, 3, "numbers 3 to 3 are missing in the table"),
    ]


def test_a_checkpoint_that_stands_twice_in_a_file_is_found() -> None:
    signed = line(2)

    assert found(taken(numbered(signed, 1, 2), file=[signed[0], signed[0], signed[1]])) == [
        (Fault.CHECKPOINT_REORDERED, 1, "comes after number 1 in the file")
    ]


def test_an_unreadable_checkpoint_is_found() -> None:
    first, _, third = line(3)

    assert found(taken([(1, first), (2, toy_sign("x")), (3, third)])) == [
        (Fault.CHECKPOINT_FORGED, 2, "cannot be read in the table")
    ]
    assert found(taken([], file=[toy_sign("x")]))[0] == (Fault.CHECKPOINT_FORGED, 0, "cannot be read in the file")


def test_a_genuine_checkpoint_of_another_line_is_found() -> None:
    ours, theirs = line(2), line(2, heads=[TWO])

    assert found(taken([(1, ours[0]), (2, theirs[1])])) == [
        (Fault.CHECKPOINT_FORGED, 2, "does not follow number 1 in the table")
    ]
    both = taken(numbered(theirs, 1, 2), file=ours)
    assert found(both) == [
        (Fault.CHECKPOINT_FORGED, 1, "is another one in the table"),
        (Fault.CHECKPOINT_FORGED, 2, "is another one in the table"),
    ]
    assert "b" not in both.marks


def test_the_first_word_on_an_event_stands() -> None:
    first = toy_sign(Checkpoint.after(None, key_id="k1", at=NOON, heads=[ONE]).text())
    again = Checkpoint.after(first, key_id="k1", at=NOON, heads=[ONE._replace(mac=bytes(32))])

    assert taken([(1, first), (2, toy_sign(again.text()))]).marks["a"] == {7: Mark(1, ONE.mac)}


def test_what_was_archived_is_gathered_once() -> None:
    signed = toy_sign(Checkpoint.after(None, key_id="k1", at=NOON, archived=[PIECE]).text())

    assert taken([(1, signed)], file=[signed]).archived == {"a": [PIECE]}


def test_what_is_said_of_other_accounts_can_be_forgotten() -> None:
    signed = toy_sign(Checkpoint.after(None, key_id="k1", at=NOON, heads=[ONE, TWO], archived=[PIECE]).text())
    checkpoints = taken([(1, signed)])

    checkpoints.keep_only("b")

    assert (list(checkpoints.marks), list(checkpoints.archived)) == (["b"], [])


def test_the_newest_is_the_one_with_the_highest_number_wherever_it_is() -> None:
    signed = line(3)
    checkpoints: Any = taken(numbered(signed, 1, 2), file=signed)

    assert checkpoints.newest.number == 3


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 2, 1], [2, 1, 3]])
def test_the_first_of_all_tells_when_the_checkpoints_began(order: list[int]) -> None:
    hours = [timedelta(hours=number) for number in order]
    signed = [toy_sign(Checkpoint(number, "", "k1", NOON + hour).text()) for number, hour in enumerate(hours, 1)]

    assert taken([(None, each) for each in signed], whole=False).began == NOON + timedelta(hours=1)
