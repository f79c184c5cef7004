"""Checkpoints: whatever is done to them is found, in the table and in the file."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString

import pytest

from countersign.adapters.checkpoint_file import CheckpointFile
from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose
from countersign.adapters.signatures import is_signed, sign
from countersign.dispatch.audit_keeping import AuditKeeper
from countersign.domain.audit_chain import Fault
from countersign.domain.checkpoints import Checkpoint, Signed
from countersign.storage.audit_reading import Snapshot
from countersign.wiring import API_PURPOSES, WORKER_PURPOSES
from tests.support.trails import Connection, Trails, faults, ring, verify


@pytest.fixture(scope="module")
async def four(trails: Trails) -> Trails:
    """Trails with four checkpoints or more."""
    for _ in range(3):
        await trails.append(trails.other_id, events=1)
        await trails.checkpoint()
    return trails


@pytest.fixture
def attacker_of_four(four: Trails, attacker: Connection) -> Connection:
    return attacker


def keeper(trails: Trails, file: Path | None, *, hours: int = 1) -> AuditKeeper:
    kept = None if file is None else CheckpointFile(file)
    return AuditKeeper(desk=trails.desk(ring()), file=kept, interval=timedelta(hours=hours))


def newest(attacker: Connection) -> int:
    [number] = attacker.execute("SELECT max(number) FROM audit_checkpoints").fetchone() or [0]
    return int(number)


def documents(attacker: Connection) -> list[Checkpoint]:
    return [Checkpoint.parse(signed.document) for _, signed in Snapshot(attacker).checkpoints()]


def test_each_checkpoint_is_numbered_and_holds_the_hash_of_the_one_before(attacker_of_four: Connection) -> None:
    kept = [signed for _, signed in Snapshot(attacker_of_four).checkpoints()]

    found = documents(attacker_of_four)

    assert [each.number for each in found] == list(range(1, len(found) + 1))
    assert [each.previous for each in found] == ["", *(each.digest for each in kept[:-1])]
    assert verify(attacker_of_four).findings == []


def test_a_later_checkpoint_holds_only_the_chains_that_went_on(four: Trails, attacker_of_four: Connection) -> None:
    last = documents(attacker_of_four)[-1]

    assert [head.account_id for head in last.heads] == [str(four.other_id)]


async def test_nothing_is_written_when_nothing_is_new(four: Trails) -> None:
    assert await four.checkpoint() == 0


ATTACKS: dict[str, tuple[LiteralString, Fault, int]] = {
    "deleted": ("DELETE FROM audit_checkpoints WHERE number = 2", Fault.CHECKPOINT_MISSING, 2),
    "altered": (
        "UPDATE audit_checkpoints SET document = replace(document, '\"number\":2', '\"number\": 2') WHERE number = 2",
        Fault.CHECKPOINT_FORGED,
        2,
    ),
    "signed by someone else": (
        "UPDATE audit_checkpoints SET signature = sha512(signature) WHERE number = 2",
        Fault.CHECKPOINT_FORGED,
        2,
    ),
    "unreadable": ("UPDATE audit_checkpoints SET document = '[[' WHERE number = 2", Fault.CHECKPOINT_FORGED, 2),
    "reordered": ("UPDATE audit_checkpoints SET number = -number WHERE number = 2", Fault.CHECKPOINT_REORDERED, -2),
    "under an unknown key": (
        "UPDATE audit_checkpoints SET document = replace(document, 'k1', 'k9') WHERE number = 2",
        Fault.CHECKPOINT_FORGED,
        2,
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_checkpoint_that_was_tampered_with_is_found(attacker_of_four: Connection, attack: str) -> None:
    statement, fault, number = ATTACKS[attack]
    assert attacker_of_four.execute(statement).rowcount == 1

    assert (fault, number) in faults(verify(attacker_of_four))


def test_a_signature_of_the_audit_key_is_no_signature(attacker_of_four: Connection, four: Trails) -> None:
    [head] = documents(attacker_of_four)[-1].heads
    forger = ring("k2")
    stolen = KeyRing(current="k1", keys={(Purpose.CHECKPOINT, "k1"): forger.key(Purpose.AUDIT, "k1")})
    last = Snapshot(attacker_of_four).checkpoints()[-1][1]
    forged = Checkpoint.after(last, key_id="k1", at=datetime.now(UTC), heads=[head]).text()
    attacker_of_four.execute(
        "INSERT INTO audit_checkpoints VALUES (%s, %s, %s)",
        (newest(attacker_of_four) + 1, forged, sign(stolen, forged.encode())),
    )

    assert faults(verify(attacker_of_four)) == [(Fault.CHECKPOINT_FORGED, newest(attacker_of_four))]


async def test_the_file_holds_what_the_table_holds_also_after_a_crash_between_both(
    four: Trails, attacker_of_four: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints.jsonl"

    await keeper(four, file).checkpoint()
    await keeper(four, file).checkpoint()

    assert list(CheckpointFile(file).read()) == [signed for _, signed in Snapshot(attacker_of_four).checkpoints()]


async def test_the_file_finds_a_tail_whose_checkpoints_were_deleted_as_well(
    four: Trails, attacker_of_four: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints.jsonl"
    await keeper(four, file).bring_file_up_to_date()
    last = newest(attacker_of_four)
    attacker_of_four.execute("DELETE FROM audit_events WHERE account_id = %s AND number > 4", (four.other_id,))
    attacker_of_four.execute("DELETE FROM audit_checkpoints WHERE number > 1")
    attacker_of_four.execute(
        """UPDATE accounts SET audit_number = 4, audit_mac = (
               SELECT mac FROM audit_events WHERE account_id = %(account)s AND number = 4) WHERE id = %(account)s""",
        {"account": four.other_id},
    )

    assert verify(attacker_of_four).findings == []
    report = verify(attacker_of_four, checkpoint_file=file)

    assert faults(report) == [(Fault.CHECKPOINT_MISSING, 2)]
    assert f"numbers 2 to {last} are missing in the database" in report.findings[0].detail
    assert {fault for fault, _ in faults(report, four.other_id)} == {Fault.TRUNCATED}


@pytest.mark.parametrize(
    ("order", "fault"),
    [
        ([1, 3, 4], Fault.CHECKPOINT_MISSING),
        ([1, 3, 2, 4], Fault.CHECKPOINT_REORDERED),
        ([1, 0, 3], Fault.CHECKPOINT_MISSING),
    ],
)
async def test_a_file_that_was_tampered_with_is_found(
    four: Trails, attacker_of_four: Connection, tmp_path: Path, order: list[int], fault: Fault
) -> None:
    file = tmp_path / "checkpoints.jsonl"
    await keeper(four, file).bring_file_up_to_date()
    lines = [b"{}\n", *file.read_bytes().splitlines(keepends=True)]
    file.write_bytes(b"".join(lines[number] for number in order))

    assert fault in {found for found, _ in faults(verify(attacker_of_four, checkpoint_file=file))}


def test_whoever_altered_an_event_and_had_it_signed_once_more_is_found(
    four: Trails, attacker_of_four: Connection
) -> None:
    """With the audit key of an API process, and a worker that signs whatever is there."""
    last = Snapshot(attacker_of_four).checkpoints()[-1][1]
    [head] = documents(attacker_of_four)[-1].heads
    again = Checkpoint.after(
        last, key_id="k1", at=datetime.now(UTC), heads=[head._replace(mac=bytes(range(32)))]
    ).text()
    attacker_of_four.execute(
        "INSERT INTO audit_checkpoints VALUES (%s, %s, %s)",
        (newest(attacker_of_four) + 1, again, sign(ring(), again.encode())),
    )
    attacker_of_four.execute(
        "UPDATE audit_events SET mac = %s WHERE account_id = %s AND number = %s",
        (bytes(range(32)), four.other_id, head.number),
    )

    assert (Fault.CHANGED, head.number) in faults(verify(attacker_of_four), four.other_id)


async def test_workers_at_once_write_each_number_once_and_each_head_once(four: Trails, tmp_path: Path) -> None:
    await four.append(four.other_id, events=1)
    keepers = [keeper(four, tmp_path / "checkpoints.jsonl") for _ in range(4)]

    written = await asyncio.gather(*(each.checkpoint_now() for each in keepers))

    assert sorted(written) == [0, 0, 0, 1]
    numbers = [Checkpoint.parse(each.document).number for each in CheckpointFile(tmp_path / "checkpoints.jsonl").read()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_checkpoint_waits_for_its_time(four: Trails) -> None:
    await four.append(four.other_id, events=1)

    await keeper(four, None, hours=1).checkpoint()
    assert await four.checkpoint() == 1
    await four.append(four.other_id, events=1)
    await keeper(four, None, hours=0).checkpoint()
    assert await four.checkpoint() == 0


async def test_many_heads_are_spread_over_several_checkpoints(four: Trails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countersign.effects.checkpoints.HEADS_AT_ONCE", 1)
    for account_id in (four.account_id, four.other_id):
        await four.append(account_id, events=1)

    assert await four.checkpoint() == 2


async def test_a_torn_line_is_passed_over_when_the_file_is_brought_up_to_date(four: Trails, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints.jsonl"
    await keeper(four, file).bring_file_up_to_date()
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])

    await keeper(four, file).bring_file_up_to_date()

    assert file.read_bytes().splitlines()[-1] == whole.splitlines()[-1]


def test_only_workers_sign_checkpoints() -> None:
    assert Purpose.CHECKPOINT in WORKER_PURPOSES
    assert Purpose.CHECKPOINT not in API_PURPOSES
    assert Purpose.AUDIT in WORKER_PURPOSES & API_PURPOSES


def test_a_ring_without_the_purpose_neither_signs_nor_believes() -> None:
    without = KeyRing(current="k1", keys={})
    signed = Signed("text", sign(ring(), b"text"))

    with pytest.raises(KeyNotHeld):
        sign(without, b"text")
    assert is_signed(ring(), "k1", b"text", signed.signature)
    assert not is_signed(ring(), "k1", b"texts", signed.signature)
    assert not is_signed(ring(), "k2", b"text", signed.signature)
    assert not is_signed(without, "k1", b"text", signed.signature)
