"""Backing up a local stack while it runs, and restoring one that does not."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from countersign.adapters.ring_file import read_ring_file
from countersign.adapters.ring_text import KeyRingInvalid, RingText
from countersign.local.backup_folder import CHECKPOINTS, DATABASE, KEY_RING, TEMPORAL, BackupFolder
from countersign.local.data_folder import hold_data_folder
from countersign.local.database_dump import dump_database, restore_database
from countersign.local.environment import ENVIRONMENT_NAME
from countersign.local.errors import StackError
from countersign.local.files import PRIVATE_FILE, read_environment, write_private
from countersign.local.leftovers import end_remembered
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.postgres_roles import OWNER
from countersign.local.supervisor import LEDGER_NAME
from countersign.local.tcp_ports import free_port

_PRAGMA_FILES = ("-wal", "-shm")


def back_up(data: Path, folder: Path) -> None:
    """Write a backup of the running stack on ``data`` into a new folder.

    Temporal first: a workflow that is behind its request catches up, one that is ahead has lost its past. Raises
    StackError, as for a stack whose database or Temporal is not its own.
    """
    owner_url = read_environment(data / ENVIRONMENT_NAME).get("COUNTERSIGN_MIGRATION_DATABASE_URL", "")
    if not (data / TEMPORAL).exists() or conninfo_to_dict(owner_url).get("user") != OWNER:
        raise StackError(f"there is no stack with a PostgreSQL and a Temporal of its own on {data}: see docs/backup.md")
    with BackupFolder.new(folder.absolute()) as backup:
        _copy_sqlite(data / TEMPORAL, backup.path(TEMPORAL))
        dump_database(data, owner_url, to=backup.path(DATABASE))
        for name in (KEY_RING, CHECKPOINTS):
            if (data / name).exists():
                shutil.copyfile(data / name, backup.path(name))


def restore(data: Path, folder: Path, *, database: bool = True, temporal: bool = True) -> list[str]:
    """Put the backup in the place of the database, of Temporal's state or of both; return what ops should know.

    The stack must not run. The keys that are there stay if they hold the backup's. Raises StackError.
    """
    backup = BackupFolder.open(folder.absolute())
    with hold_data_folder(data) as held:
        end_remembered(held / LEDGER_NAME)
        told = _restore_keys(held, backup)
        if database:
            told += _restore_database(held, backup)
        if temporal:
            told += _restore_temporal(held, backup)
    return told


def _copy_sqlite(source: Path, target: Path) -> None:
    # SQLite's own way: what other processes write meanwhile is in the copy whole or not at all.
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as running,
        closing(sqlite3.connect(target)) as to,
    ):
        running.backup(to)


def _restore_keys(data: Path, backup: BackupFolder) -> list[str]:
    file = data / KEY_RING
    kept = backup.path(KEY_RING).read_text(encoding="utf-8")
    if not file.exists():
        write_private(file, kept)
        return ["The key ring is the backup's."]
    try:
        here, there = RingText.parse(read_ring_file(file)), RingText.parse(kept)
    except KeyRingInvalid as error:
        raise StackError(str(error)) from error
    if any(here.masters.get(key_id) != key for key_id, key in there.masters.items()):
        raise StackError(f"{file} lacks keys of the backup: put it aside, and restore again")
    return []


def _restore_database(data: Path, backup: BackupFolder) -> list[str]:
    with EmbeddedPostgres(data, free_port()).running() as server:
        restore_database(data, server, backup.path(DATABASE))
    return ["The database is the backup's.", *_begin_checkpoints_anew(data, backup)]


def _begin_checkpoints_anew(data: Path, backup: BackupFolder) -> list[str]:
    # The file knows how far the trails had come; what is signed from now on would not follow on it.
    file, told = data / CHECKPOINTS, []
    if file.exists():
        aside = file.with_name(f"audit-checkpoints-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.jsonl")
        file.rename(aside)
        told = [f"The checkpoints of before are in {aside}; what lies behind them is told by: countersign audit verify"]
    if backup.path(CHECKPOINTS).exists():
        shutil.copyfile(backup.path(CHECKPOINTS), file)
        file.chmod(PRIVATE_FILE)
    return told


def _restore_temporal(data: Path, backup: BackupFolder) -> list[str]:
    file, new = data / TEMPORAL, data / f"{TEMPORAL}.restoring"
    shutil.copyfile(backup.path(TEMPORAL), new)
    new.chmod(PRIVATE_FILE)
    for suffix in _PRAGMA_FILES:
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    new.replace(file)
    return ["Temporal's state is the backup's."]
