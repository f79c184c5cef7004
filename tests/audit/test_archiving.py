"""Archives and exports: what leaves the database stays verifiable, and what remains does too."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from countersign.auditing.archiving import Archived, archive
from countersign.auditing.exporting import export
from countersign.auditing.verifying import Report, Verifier
from countersign.cli import app
from countersign.domain.audit_chain import Fault
from countersign.domain.errors import Conflict, InvalidInput, Unavailable
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage import retention
from countersign.storage.audit_reading import snapshot
from tests.support.databases import OwnDatabase
from tests.support.trails import Trails, faults, opened, ring, ring_json, verify

JANUARY, FEBRUARY, MARCH = (datetime(2020, month, 1, tzinfo=UTC) for month in (1, 2, 3))
MONTHS = """ALTER TABLE audit_events DETACH PARTITION audit_events_before;
SELECT attach_audit_partition('audit_events_2020_01', $$FOR VALUES FROM ('2020-01-01+00') TO ('2020-02-01+00')$$);
SELECT attach_audit_partition('audit_events_2020_02', $$FOR VALUES FROM ('2020-02-01+00') TO ('2020-03-01+00')$$)"""


@pytest.fixture(scope="module")
async def original(postgres: EmbeddedPostgres) -> Trails:
    """Events 1 to 3 and 5 are of January by the clocks of their processes, 4 and 6 of February, 7 and 8 of today."""
    own = OwnDatabase.make_migrated(postgres)
    with psycopg.connect(own.owner_url) as owner:
        owner.execute(MONTHS.encode())
    async with opened(own) as trails:
        for account_id in (trails.account_id, trails.other_id):
            await trails.open_account(account_id)
        late, early = FEBRUARY - timedelta(seconds=1), FEBRUARY + timedelta(seconds=1)
        await trails.append_at(trails.account_id, JANUARY, JANUARY, late, early, late, early, datetime.now(UTC))
        await trails.append_at(trails.other_id, FEBRUARY, FEBRUARY)
        await trails.checkpoint()
        await trails.append(trails.account_id, events=1)
    return trails


@pytest.fixture
async def aged(original: Trails) -> AsyncIterator[Trails]:
    async with opened(original.own.copy(), account_id=original.account_id, other_id=original.other_id) as trails:
        yield trails


async def archivable(trails: Trails, *, before: datetime) -> datetime | None:
    async with trails.database.connection() as connection:
        return await retention.archivable_until(connection, before=before)


async def test_the_application_tells_which_months_may_be_archived_to_the_second_they_are_old_enough(
    aged: Trails,
) -> None:
    second = timedelta(seconds=1)

    told = [await archivable(aged, before=at) for at in (FEBRUARY - second, FEBRUARY, MARCH - second, MARCH)]

    assert told == [None, FEBRUARY, FEBRUARY, MARCH]


async def test_a_month_with_an_event_that_no_checkpoint_covers_is_not_told_and_nor_is_one_that_left(
    aged: Trails, tmp_path: Path
) -> None:
    await aged.append_at(aged.other_id, FEBRUARY + timedelta(days=1))

    assert await archivable(aged, before=MARCH) == FEBRUARY

    await aged.checkpoint()
    move(aged, tmp_path / "1", before=await archivable(aged, before=MARCH) or JANUARY)
    assert await archivable(aged, before=MARCH) is None


def move(trails: Trails, file: Path, *, before: datetime = FEBRUARY, drop: bool = False) -> Archived:
    return archive(trails.own.owner_url, keys=ring(), before=before, file=file, drop=drop)


def check(trails: Trails, **options: Any) -> Report:
    with snapshot(trails.own.app_url) as now:
        return Verifier(ring()).verify_database(now, **options)


def offline(*files: Path, **options: Any) -> Report:
    return Verifier(ring()).verify_files(files, **options)


def write_export(trails: Trails, file: Path, **options: Any) -> Path:
    with snapshot(trails.own.app_url) as now, file.open("wb") as written:
        export(now, written, **options)
    return file


def edited(file: Path, number: int, **changes: Any) -> Path:
    """Change the file's event of this number of the account that comes first."""
    lines = file.read_text().splitlines()
    place = next(at for at, line in enumerate(lines) if f'"number":{number},"event"' in line)
    lines[place] = json.dumps({"event": {**json.loads(lines[place])["event"], **changes}}, separators=(",", ":"))
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("drop", [False, True])
def test_what_remains_verifies_without_the_archive_and_everything_with_it(
    aged: Trails, tmp_path: Path, *, drop: bool
) -> None:
    file = tmp_path / "2020-01.jsonl"

    done = move(aged, file, drop=drop)

    assert done == Archived(["audit_events_2020_01"], 4)
    without, together, alone = check(aged), check(aged, archives=[file]), offline(file)
    assert [report.findings for report in (without, together, alone)] == [[], [], []]
    assert (without.events, without.elsewhere) == (6, 4)
    assert (together.events, together.elsewhere) == (10, 0)
    assert (alone.events, alone.elsewhere) == (4, 1)
    with psycopg.connect(aged.own.owner_url) as owner:
        gone = owner.execute("SELECT to_regclass('audit_events_2020_01') IS NULL").fetchone()
    assert gone == (drop,)
    assert (file.stat().st_mode & 0o777, list(tmp_path.iterdir())) == (0o600, [file])


def test_several_months_go_into_one_file_or_one_after_another(aged: Trails, tmp_path: Path) -> None:
    january, february = tmp_path / "1", tmp_path / "2"
    move(aged, january)

    assert move(aged, february, before=MARCH) == Archived(["audit_events_2020_02"], 4)

    for archives, elsewhere in (([], 8), ([january], 4), ([february], 4), ([january, february], 0)):
        report = check(aged, archives=archives)
        assert (report.findings, report.events + report.elsewhere, report.elsewhere) == ([], 10, elsewhere)
    assert offline(january, february).findings == []


def test_a_changed_archive_is_found_with_the_database_and_alone(aged: Trails, tmp_path: Path) -> None:
    file = tmp_path / "archive"
    move(aged, file)
    edited(file, 2, event="nothing")

    assert (Fault.CHANGED, 2) in faults(check(aged, archives=[file]), aged.account_id)
    assert faults(offline(file), aged.account_id) == [(Fault.CHANGED, 2)]


def test_events_deleted_beside_an_archive_are_missed(aged: Trails, tmp_path: Path) -> None:
    move(aged, tmp_path / "archive")

    with aged.tampering() as attacker:
        attacker.execute("DELETE FROM audit_events WHERE account_id = %s AND number = 4", (aged.account_id,))
        assert faults(verify(attacker), aged.account_id) == [(Fault.DELETED, 4)]


def test_without_its_signed_record_an_archive_does_not_excuse_what_is_missing(aged: Trails, tmp_path: Path) -> None:
    move(aged, tmp_path / "archive")

    with aged.tampering() as attacker:
        attacker.execute("DELETE FROM audit_checkpoints WHERE number = 2")
        assert (Fault.DELETED, 1) in faults(verify(attacker), aged.account_id)


async def test_checkpoints_go_on_after_an_archive(aged: Trails, tmp_path: Path) -> None:
    move(aged, tmp_path / "archive")

    assert await aged.checkpoint() == 1
    assert check(aged).findings == []


def untouched(trails: Trails, tmp_path: Path) -> bool:
    with psycopg.connect(trails.own.app_url) as connection:
        rows = connection.execute("SELECT count(*) FROM audit_events").fetchone()
        kept = connection.execute("SELECT count(*) FROM audit_checkpoints").fetchone()
    return (rows, kept, list(tmp_path.iterdir())) == ((10,), (1,), [])


async def test_what_no_checkpoint_covers_is_not_archived(aged: Trails, tmp_path: Path) -> None:
    await aged.append_at(aged.other_id, JANUARY)

    with pytest.raises(Conflict, match="No checkpoint covers event 3"):
        move(aged, tmp_path / "archive")

    with aged.tampering() as attacker:
        assert (verify(attacker).events, list(tmp_path.iterdir())) == (11, [])


def test_a_trail_that_does_not_verify_is_not_archived(aged: Trails, tmp_path: Path) -> None:
    with psycopg.connect(aged.own.superuser_url) as attacker:
        attacker.execute("SET session_replication_role = replica")
        attacker.execute("UPDATE audit_events SET event = 'x' WHERE number = 2")

    with pytest.raises(Conflict, match="does not verify"):
        move(aged, tmp_path / "archive")

    assert untouched(aged, tmp_path)


def test_a_month_that_is_not_over_or_has_no_events_is_not_archived(original: Trails, tmp_path: Path) -> None:
    for before in (datetime.now(UTC) + timedelta(days=31), JANUARY):
        with pytest.raises(Conflict):
            move(original, tmp_path / "archive", before=before)

    assert untouched(original, tmp_path)


def test_an_archive_overwrites_nothing(original: Trails, tmp_path: Path) -> None:
    file = tmp_path / "archive"
    file.write_text("mine")

    with pytest.raises(Conflict, match="never overwritten"):
        move(original, file)

    assert file.read_text() == "mine"


def test_the_application_archives_nothing(original: Trails, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="owner's database role"):
        archive(original.own.app_url, keys=ring(), before=FEBRUARY, file=tmp_path / "archive", drop=True)

    assert untouched(original, tmp_path)


def test_a_database_that_is_away_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        archive("postgresql://nobody@127.0.0.1:1/x", keys=ring(), before=FEBRUARY, file=tmp_path / "a", drop=False)


def test_an_export_is_verified_without_the_database(original: Trails, tmp_path: Path) -> None:
    file = write_export(original, tmp_path / "export")

    report = offline(file)

    assert (report.findings, report.events, report.accounts, report.elsewhere) == ([], 10, 2, 0)
    assert report.checkpoint
    assert report.checkpoint.number == 1


@pytest.mark.parametrize("since", [1, 2, 5, 8])
def test_an_export_of_one_accounts_newest_events_is_verified_from_its_first(
    original: Trails, tmp_path: Path, since: int
) -> None:
    file = write_export(original, tmp_path / "export", account_id=original.account_id, since=since)

    report = offline(file)

    assert (faults(report, original.account_id), report.events, report.elsewhere) == ([], 9 - since, since - 1)


def test_an_export_that_was_tampered_with_is_found(original: Trails, tmp_path: Path) -> None:
    whole = write_export(original, tmp_path / "export").read_text()
    lines = whole.splitlines(keepends=True)
    last = max(at for at, line in enumerate(lines) if f'"event":{{"account_id":"{original.account_id}"' in line)
    cut = tmp_path / "cut"
    cut.write_text("".join(lines[:last] + lines[last + 1 :]))

    assert faults(offline(cut), original.account_id) == [(Fault.TRUNCATED, 8)]
    for changes in ({"event": "x"}, {"at": "2021-01-01T00:00:00+00:00"}, {"mac": "00" * 32}, {"details": {"x": 0.5}}):
        changed = tmp_path / "changed"
        changed.write_text(whole)
        assert Fault.CHANGED in {each.fault for each in offline(edited(changed, 2, **changes)).findings}


def test_an_export_and_the_database_together_are_one_trail(original: Trails, tmp_path: Path) -> None:
    report = check(original, archives=[write_export(original, tmp_path / "export")])

    assert (report.findings, report.events) == ([], 10)


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '{"event":{}}', '{"event":3}', '{"head":[1]}', '{"x":1}', ""])
def test_a_file_that_is_no_export_is_refused_with_the_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "file"
    file.write_text(line + "\n")

    with pytest.raises(InvalidInput, match="Line 1 of"):
        offline(file)


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        offline(tmp_path / "nothing")


def command(trails: Trails, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setenv("COUNTERSIGN_MODE", "production")
    monkeypatch.setenv("COUNTERSIGN_KEY_RING", ring_json())
    monkeypatch.setenv("DATABASE_URL", trails.own.app_url)
    monkeypatch.setenv("COUNTERSIGN_MIGRATION_DATABASE_URL", trails.own.owner_url)
    result = CliRunner().invoke(app, ["audit", *words])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_the_command_archives_and_verifies_what_remains(
    aged: Trails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "2020-01.jsonl"

    said = command(aged, monkeypatch, "archive", "--before", "2020-02", "--to", str(file), "--drop")

    assert said == f"Archived 4 events to {file}; deleted: audit_events_2020_01.\n"
    without = command(aged, monkeypatch, "verify")
    assert without.startswith(
        "Verified 6 events of 2 accounts, 4 more elsewhere, 1 newer than their checkpoint, the newest"
    )
    together = command(aged, monkeypatch, "verify", "--archive", str(file))
    assert together.startswith("Verified 10 events of 2 accounts, 1 newer than their checkpoint, the newest of 2 ")
    one = command(aged, monkeypatch, "verify", "--account", str(aged.other_id))
    assert one.startswith("Verified 2 events of 1 accounts, ")
