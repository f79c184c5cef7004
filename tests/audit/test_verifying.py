"""Verifying what a database and files hold together, as plain values under real keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from countersign.adapters.checkpoint_file import CheckpointFile
from countersign.adapters.keyring import KeyRing, Purpose
from countersign.adapters.signatures import sign
from countersign.auditing.export_file import Writer
from countersign.auditing.verifying import Verifier, mac_of
from countersign.domain.audit import GENESIS, AuditTag, Place, Recorded, canonical
from countersign.domain.audit_chain import Fault, Finding, Piece
from countersign.domain.checkpoints import Checkpoint, Head, Signed
from countersign.domain.explaining import Standing
from countersign.storage.audit_reading import Snapshot
from tests.support.chains import EVENT, NOON
from tests.support.trails import ring

ONE, TWO = UUID(int=1), UUID(int=2)
TICK = timedelta(microseconds=1)


def chain(account_id: UUID, *told: dict[str, Any]) -> list[Recorded]:
    """Return genuine events of an account that tell that."""
    events: list[Recorded] = []
    previous = GENESIS
    for number, each in enumerate(told, start=1):
        at = NOON + timedelta(seconds=number)
        event = EVENT._replace(account_id=str(account_id), number=number, at=at, **each)
        previous = ring().mac(Purpose.AUDIT, previous + canonical(event))
        events.append(event._replace(mac=previous))
    return events


def mac(event: Recorded) -> bytes:
    assert event.mac
    return event.mac


def head(events: Sequence[Recorded], number: int) -> Head:
    return Head(events[0].account_id, number, mac(events[number - 1]))


def piece(events: Sequence[Recorded], first: int, last: int) -> Piece:
    before = mac(events[first - 2]) if first > 1 else GENESIS
    return Piece(events[0].account_id, first, last, before, mac(events[last - 1]))


def checkpoint(after: Signed | None, *heads: Head, archived: Sequence[Piece] = ()) -> Signed:
    text = Checkpoint.after(after, key_id="k1", at=NOON, heads=heads, archived=archived).text()
    return Signed(text, sign(ring(), text.encode()))


A, B = chain(ONE, *[{}] * 4), chain(TWO, *[{}] * 2)
FIRST = checkpoint(None, head(A, 2), head(B, 2))
SECOND = checkpoint(FIRST, head(A, 3))


@dataclass
class Held(Snapshot):
    """What a database holds, as plain values."""

    of: list[Recorded]
    ends: dict[str, Place] = field(default_factory=dict)
    signed: list[Signed] = field(default_factory=list)
    kept: list[Standing] = field(default_factory=list)

    def events(self, account_id: UUID | None = None, *, since: int = 1) -> Iterator[Recorded]:
        return (each for each in self.of if account_id in {None, UUID(each.account_id)} and each.number >= since)

    def heads(self, account_id: UUID | None = None) -> dict[str, Place]:
        return {name: place for name, place in self.ends.items() if account_id in {None, UUID(name)}}

    def checkpoints(self) -> list[tuple[int, Signed]]:
        return list(enumerate(self.signed, start=1))

    def credentials(self, account_id: UUID | None = None) -> Iterator[Standing]:
        return (each for each in self.kept if account_id in {None, UUID(each.account_id)})


def held(*events: Recorded, signed: Sequence[Signed] = (FIRST, SECOND)) -> Held:
    """Return a database with these events, whose heads are as they were before anybody touched it."""
    ends = {each[0].account_id: Place(len(each), mac(each[-1])) for each in (A, B)}
    return Held(list(events), ends, list(signed))


def file_of(path: Path, *members: Recorded | Head | Signed | Piece) -> Path:
    """Write an export or archive."""
    with path.open("wb") as file:
        writer = Writer(file)
        for each in members:
            match each:
                case Recorded():
                    writer.event(each)
                case Head():
                    writer.head(each.account_id, Place(each.number, each.mac))
                case Signed():
                    writer.checkpoint(each)
                case Piece():
                    writer.elsewhere(each)
    return path


def checkpoint_file(path: Path, *signed: Signed) -> Path:
    CheckpointFile(path).append(signed)
    return path


def told(findings: Sequence[Finding]) -> list[tuple[Fault, str | None, int]]:
    return [(each.fault, each.account_id, each.number) for each in findings]


VERIFIER = Verifier(ring())


# A database -------------------------------------------------------------------------------------------------------


def test_untouched_trails_have_no_fault_and_are_counted() -> None:
    report = VERIFIER.verify_database(held(*A, *B))

    assert report.findings == []
    assert (report.events, report.accounts, report.unchained, report.elsewhere) == (6, 2, 0, 0)
    assert report.newer_than_checkpoint == 1
    assert report.checkpoint == Checkpoint.parse(SECOND.document)


def test_without_any_checkpoint_all_events_are_newer() -> None:
    report = VERIFIER.verify_database(held(*A, *B, signed=[]))

    assert (report.findings, report.newer_than_checkpoint, report.checkpoint) == ([], 6, None)


def test_an_account_is_verified_alone() -> None:
    report = VERIFIER.verify_database(held(*A), ONE)

    assert (report.findings, report.events, report.accounts) == ([], 4, 1)


def test_an_account_that_nobody_knows_of_has_no_events_and_no_fault() -> None:
    report = VERIFIER.verify_database(held(*A, *B), UUID(int=3))

    assert (report.findings, report.events, report.accounts) == ([], 0, 1)


def test_a_changed_event_is_found() -> None:
    report = VERIFIER.verify_database(held(A[0], A[1]._replace(event="x"), *A[2:], *B))

    assert told(report.findings) == [(Fault.CHANGED, str(ONE), 2)]


def test_an_account_whose_events_are_all_gone_is_found() -> None:
    report = VERIFIER.verify_database(held(*A))

    assert told(report.findings) == [(Fault.TRUNCATED, str(TWO), 1), (Fault.TRUNCATED, str(TWO), 2)]
    assert (report.events, report.accounts) == (4, 2)


def test_an_account_that_was_removed_whole_is_found_by_a_checkpoint() -> None:
    for account_id in (None, TWO):
        without = held(*A)
        del without.ends[str(TWO)]

        report = VERIFIER.verify_database(without, account_id)

        assert told(report.findings) == [(Fault.TRUNCATED, str(TWO), 2)]


def test_a_checkpoint_finds_what_was_altered_together_with_its_mac() -> None:
    again = checkpoint(None, head(A, 2)._replace(mac=bytes(32)))

    assert told(VERIFIER.verify_database(held(*A, *B, signed=[again])).findings) == [(Fault.CHANGED, str(ONE), 2)]


def test_the_file_of_checkpoints_finds_those_that_are_gone_and_those_that_are_no_genuine_ones(tmp_path: Path) -> None:
    file = checkpoint_file(tmp_path / "checkpoints", FIRST, SECOND)
    forged = checkpoint_file(tmp_path / "forged", FIRST._replace(signature=bytes(64)))
    one, all_of_them = held(*A, *B, signed=[FIRST]), held(*A, *B)

    assert VERIFIER.verify_database(all_of_them, checkpoint_file=file).findings == []
    [finding] = VERIFIER.verify_database(one, checkpoint_file=file).findings
    assert finding == (Fault.CHECKPOINT_MISSING, None, 2, "numbers 2 to 2 are missing in the database")
    [finding] = VERIFIER.verify_database(all_of_them, checkpoint_file=forged).findings
    assert finding == (Fault.CHECKPOINT_FORGED, None, 1, "has no genuine signature in the file")


def test_the_database_must_hold_every_checkpoint_and_a_file_need_not(tmp_path: Path) -> None:
    file = checkpoint_file(tmp_path / "checkpoints", SECOND)

    assert VERIFIER.verify_database(held(*A, *B), checkpoint_file=file).findings == []
    [finding] = VERIFIER.verify_database(Held([], signed=[SECOND])).findings[:1]
    assert finding.detail == "is number 2 in truth, in the database"


def test_archived_events_may_be_missing_in_the_database_and_are_counted_once_if_they_are_not(tmp_path: Path) -> None:
    signed = [FIRST, SECOND, checkpoint(SECOND, archived=[piece(A, 1, 2)])]
    archive = file_of(tmp_path / "archive", *A[:3], *B)

    away = VERIFIER.verify_database(held(*A[2:], *B, signed=signed))
    assert (away.findings, away.events, away.elsewhere) == ([], 4, 2)
    both = VERIFIER.verify_database(held(*A[2:], *B, signed=signed), archives=[archive])
    assert (both.findings, both.events, both.elsewhere) == ([], 6, 0)
    alone = VERIFIER.verify_database(held(*A[2:], *B, signed=signed), ONE, archives=[archive])
    assert (alone.findings, alone.events, alone.accounts) == ([], 4, 1)


def test_a_copy_that_differs_is_another_event() -> None:
    report = VERIFIER.verify_database(held(A[0], A[1], A[1]._replace(at=NOON), *A[2:], *B))

    assert told(report.findings) == [(Fault.DUPLICATED, str(ONE), 2)]


def standing(account_id: UUID, name: str, status: str = "active") -> Standing:
    return Standing(str(account_id), name, status, ["read"], [], None, [])


def test_a_credential_that_the_trail_does_not_explain_is_named_with_what_differs() -> None:
    database = held(*A, *B)
    database.kept = [standing(ONE, "x"), standing(TWO, "y", "inactive")]

    assert VERIFIER.verify_database(database).findings == [
        (Fault.UNEXPLAINED, str(ONE), 0, "credential x is active, and the trail leaves it inactive"),
        (
            Fault.UNEXPLAINED,
            str(TWO),
            0,
            "credential y has not the permissions and the IP whitelist that the trail gives it",
        ),
    ]
    assert told(VERIFIER.verify_database(database, ONE).findings) == [(Fault.UNEXPLAINED, str(ONE), 0)]


def test_of_what_may_stand_in_an_archive_that_was_not_given_it_is_said_how_much_was_not_compared() -> None:
    signed = [FIRST, SECOND, checkpoint(SECOND, archived=[piece(A, 1, 2)])]
    database = held(*A[2:], *B, signed=signed)
    database.kept = [standing(ONE, "x"), standing(TWO, "z")]

    report = VERIFIER.verify_database(database)

    assert told(report.findings) == [(Fault.UNEXPLAINED, str(TWO), 0)]
    assert report.unjudged == 1


def test_with_the_archive_it_is_compared(tmp_path: Path) -> None:
    signed = [FIRST, SECOND, checkpoint(SECOND, archived=[piece(A, 1, 2)])]
    database = held(*A[2:], *B, signed=signed)
    database.kept = [standing(ONE, "x")]

    report = VERIFIER.verify_database(database, archives=[file_of(tmp_path / "archive", *A[:2])])

    assert (told(report.findings), report.unjudged) == ([(Fault.UNEXPLAINED, str(ONE), 0)], 0)


# Files ------------------------------------------------------------------------------------------------------------


def test_an_export_verifies_by_itself(tmp_path: Path) -> None:
    export = file_of(tmp_path / "export", head(A, 4), head(B, 2), FIRST, SECOND, *A, *B)

    report = VERIFIER.verify_files([export])

    assert (report.findings, report.events, report.accounts, report.newer_than_checkpoint) == ([], 6, 2, 1)
    assert report.checkpoint == Checkpoint.parse(SECOND.document)


def test_an_export_whose_tail_is_gone_or_whose_account_has_no_event_is_found_by_its_heads(tmp_path: Path) -> None:
    export = file_of(tmp_path / "export", head(A, 4), head(B, 2), *A[:3])

    report = VERIFIER.verify_files([export])

    assert told(report.findings) == [(Fault.TRUNCATED, str(ONE), 4), (Fault.TRUNCATED, str(TWO), 1)]
    assert report.accounts == 2


def test_several_files_are_verified_as_one(tmp_path: Path) -> None:
    archive = file_of(tmp_path / "archive", *A[:2], *B)
    export = file_of(tmp_path / "export", head(A, 4), head(B, 2), *A[1:])

    report = VERIFIER.verify_files([archive, export])

    assert (report.findings, report.events, report.elsewhere) == ([], 6, 0)


def test_what_a_file_says_to_lie_elsewhere_is_taken_to_lie_there(tmp_path: Path) -> None:
    export = file_of(tmp_path / "export", head(A, 4), piece(A, 1, 2), *A[2:])

    report = VERIFIER.verify_files([export])

    assert (report.findings, report.events, report.elsewhere) == ([], 2, 2)
    assert told(VERIFIER.verify_files([file_of(tmp_path / "bare", head(A, 4), *A[2:])]).findings) == [
        (Fault.DELETED, str(ONE), 1)
    ]


def test_what_a_file_says_to_lie_elsewhere_comes_after_what_was_signed(tmp_path: Path) -> None:
    signed = checkpoint(None, archived=[piece(A, 1, 2)])
    export = file_of(tmp_path / "export", head(A, 4), signed, piece(A, 1, 3), A[3])

    report = VERIFIER.verify_files([export])

    assert (report.findings, report.elsewhere) == ([], 3)


def test_an_archive_alone_does_not_know_where_the_trail_ends(tmp_path: Path) -> None:
    archive = file_of(tmp_path / "archive", *A[:2])

    report = VERIFIER.verify_files([archive])

    assert (report.findings, report.events, report.accounts) == ([], 2, 1)


def test_files_with_heads_speak_for_no_events_that_these_do_not_name(tmp_path: Path) -> None:
    export = file_of(tmp_path / "export", head(A, 4), *A, *B)

    assert told(VERIFIER.verify_files([export]).findings) == [(Fault.HEAD_ALTERED, str(TWO), 2)]


def test_files_are_held_against_the_file_of_checkpoints_and_their_own(tmp_path: Path) -> None:
    file = checkpoint_file(tmp_path / "checkpoints", checkpoint(None, head(A, 2)._replace(mac=bytes(32))))
    forged = file_of(tmp_path / "forged", head(A, 4), FIRST._replace(signature=b""), *A)

    assert told(VERIFIER.verify_files([file_of(tmp_path / "one", *A)], checkpoint_file=file).findings) == [
        (Fault.CHANGED, str(ONE), 2)
    ]
    [finding] = VERIFIER.verify_files([forged]).findings
    assert finding == (Fault.CHECKPOINT_FORGED, None, 1, "has no genuine signature in forged")


def test_a_file_of_checkpoints_may_begin_late(tmp_path: Path) -> None:
    file = checkpoint_file(tmp_path / "checkpoints", SECOND)
    export = file_of(tmp_path / "export", head(A, 4), SECOND, *A)

    assert VERIFIER.verify_files([export], checkpoint_file=file).findings == []


def test_a_forged_checkpoint_in_the_file_is_named_by_its_place(tmp_path: Path) -> None:
    file = checkpoint_file(tmp_path / "checkpoints", FIRST._replace(signature=b""))

    [finding] = VERIFIER.verify_files([file_of(tmp_path / "one", *A)], checkpoint_file=file).findings

    assert finding == (Fault.CHECKPOINT_FORGED, None, 1, "has no genuine signature in the file")


def test_a_mac_under_a_key_that_the_ring_has_not_is_none() -> None:
    assert mac_of(ring())("k1", b"text") == ring().mac(Purpose.AUDIT, b"text")
    assert mac_of(ring())("k9", b"text") is None
    assert mac_of(KeyRing(current="k1", keys={}))("k1", b"text") is None


def test_an_account_rewritten_without_macs_after_the_first_checkpoint_is_found() -> None:
    invented = [each._replace(mac=None, key_id=None, at=NOON + timedelta(days=400)) for each in A]
    database = held(*B)
    database.of = [*invented, *B]
    database.ends[str(ONE)] = Place(len(A), GENESIS)

    assert (Fault.INSERTED, str(ONE), 1) in told(VERIFIER.verify_database(database).findings)


def unsigned(at: datetime | None) -> Held:
    """Return a database whose first event has no MAC, under a checkpoint of noon."""
    [event] = chain(ONE, {})
    bare = event._replace(mac=None, key_id=None, at=at)
    return Held([bare], {str(ONE): Place(1, GENESIS)}, [checkpoint(None, Head(str(ONE), 1, GENESIS))])


@pytest.mark.parametrize(
    ("at", "is_found"),
    [(NOON, False), (NOON - TICK, False), (NOON + TICK, True), (None, True)],
)
def test_an_event_without_mac_must_be_as_old_as_the_first_checkpoint(at: datetime | None, *, is_found: bool) -> None:
    report = VERIFIER.verify_database(unsigned(at))

    detail = "has no MAC, and is younger than the first checkpoint"
    assert report.findings == ([Finding(Fault.INSERTED, str(ONE), 1, detail)] if is_found else [])
    assert report.unchained == 1


def test_without_any_checkpoint_an_event_without_mac_has_no_age() -> None:
    database = unsigned(NOON + TICK)
    database.signed = []

    assert VERIFIER.verify_database(database).findings == []


def test_an_event_without_mac_in_an_archive_counts_as_one_from_before_the_chain(tmp_path: Path) -> None:
    [event] = unsigned(NOON).of
    report = VERIFIER.verify_files([file_of(tmp_path / "archive", event)])

    assert (report.findings, report.unchained) == ([], 1)


def made(credential_id: str) -> dict[str, Any]:
    return {
        "event": AuditTag.REQUEST_OPENED,
        "credential_id": credential_id,
        "details": {"journey": "create-api-key", "permissions": ["read"], "ip_whitelist": []},
    }


def activated(credential_id: str) -> dict[str, Any]:
    return {
        "event": AuditTag.CREDENTIAL_STATUS,
        "credential_id": credential_id,
        "details": {"before": "inactive", "after": "active"},
    }


def telling(*told: dict[str, Any]) -> Held:
    """Return a database whose archived first event is not at hand, with these events after it."""
    events = chain(ONE, {}, *told)
    signed = [checkpoint(None, head(events, 1), archived=[piece(events, 1, 1)])]
    return Held(events[1:], {str(ONE): Place(len(events), mac(events[-1]))}, signed)


@pytest.mark.parametrize("told", [[made("x")], [activated("x")], []], ids=["no status", "no grant", "nothing"])
def test_a_credential_of_which_only_a_part_is_told_is_not_judged_without_the_archive(
    told: list[dict[str, Any]],
) -> None:
    database = telling(*told)
    database.kept = [standing(ONE, "x")]

    report = VERIFIER.verify_database(database)

    assert (report.findings, report.unjudged) == ([], 1)


def test_one_of_which_all_is_told_is_judged_without_the_archive() -> None:
    database = telling(made("x"), activated("x"))
    database.kept = [standing(ONE, "x", "inactive")]

    report = VERIFIER.verify_database(database)

    assert told(report.findings) == [(Fault.UNEXPLAINED, str(ONE), 3)]
    assert report.unjudged == 0


@pytest.mark.parametrize("hours", [1, -1])
def test_a_hold_is_compared_until_the_present_moment(hours: int) -> None:
    until = datetime.now(UTC) + timedelta(hours=hours)
    hold = {"event": AuditTag.FUNDS_HELD, "credential_id": "x", "details": {"until": until.isoformat()}}
    database = telling(made("x"), activated("x"), hold)
    database.kept = [standing(ONE, "x")]

    findings = VERIFIER.verify_database(database).findings

    assert told(findings) == ([(Fault.UNEXPLAINED, str(ONE), 4)] if hours > 0 else [])


def test_an_archive_that_tells_an_event_otherwise_than_the_database_is_found(tmp_path: Path) -> None:
    otherwise = A[1]._replace(details={"tries": 2})
    archive = file_of(tmp_path / "archive", otherwise)
    for report in (
        VERIFIER.verify_database(held(*A, *B), archives=[archive]),
        VERIFIER.verify_files([file_of(tmp_path / "export", head(A, 4), *A), archive]),
    ):
        assert {(each.account_id, each.number) for each in report.findings} == {(str(ONE), 2)}
