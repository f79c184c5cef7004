"""Backups as folders: whole or not at all, private, and never with keys that do not fit."""

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from countersign.adapters.keyring import new_key_ring_json
from countersign.local.backing_up import back_up, restore
from countersign.local.backup_folder import BackupFolder
from countersign.local.data_folder import hold_data_folder
from countersign.local.database_dump import dump_database, restore_database
from countersign.local.errors import StackError
from countersign.local.files import write_private
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from tests.support.databases import OwnDatabase


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup with a ring of keys, and a Temporal whose state is one number."""
    with BackupFolder.new(tmp_path / "backup") as making:
        making.path("key-ring.json").write_text(new_key_ring_json())
        making.path("database.dump").write_bytes(b"a dump")
        temporal(making.path("temporal.db"), 1)
    return tmp_path / "backup"


def temporal(file: Path, number: int) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE state (number integer)")
        connection.execute("INSERT INTO state VALUES (?)", (number,))
        connection.commit()


def state(file: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT number FROM state").fetchall()


def stack_with(data: Path, ring: str) -> Path:
    with hold_data_folder(data):
        write_private(data / "key-ring.json", ring)
        temporal(data / "temporal.db", 2)
        (data / "temporal.db-wal").touch()
    return data


def test_only_its_owner_may_read_a_backup(backup: Path) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()}

    assert (stat.S_IMODE(backup.stat().st_mode), modes) == (0o700, {0o600})


def test_a_backup_that_was_interrupted_leaves_nothing_and_no_keys(tmp_path: Path) -> None:
    def interrupted() -> None:
        with BackupFolder.new(tmp_path / "backup") as making:
            making.path("key-ring.json").write_text(new_key_ring_json())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StackError, match="is no backup"):
        BackupFolder.open(tmp_path / "backup")


@pytest.mark.parametrize("change", ["changed", "removed", "added"])
def test_a_backup_that_is_not_what_it_was_is_refused(backup: Path, tmp_path: Path, change: str) -> None:
    if change == "removed":
        (backup / "database.dump").unlink()
    else:
        (backup / {"changed": "database.dump", "added": "other"}[change]).write_bytes(b"something else")

    with pytest.raises(StackError, match="was changed"):
        restore(tmp_path / "data", backup)


def test_a_backup_never_overwrites_another(backup: Path) -> None:
    with pytest.raises(StackError, match="there already"), BackupFolder.new(backup):
        pytest.fail("a second backup began")


def test_a_folder_without_a_stack_of_its_own_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no stack with a PostgreSQL and a Temporal of its own"):
        back_up(tmp_path / "data", tmp_path / "backup")

    assert not (tmp_path / "backup").exists()


def test_a_stack_that_runs_is_not_restored(backup: Path, tmp_path: Path) -> None:
    with hold_data_folder(tmp_path / "data"), pytest.raises(StackError, match="stop it first"):
        restore(tmp_path / "data", backup)


def test_keys_that_the_backup_needs_and_the_stack_lacks_stop_the_restore(backup: Path, tmp_path: Path) -> None:
    data = stack_with(tmp_path / "data", new_key_ring_json())

    with pytest.raises(StackError, match="lacks keys of the backup"):
        restore(data, backup)

    assert state(data / "temporal.db") == [(2,)]


def test_keys_that_came_after_the_backup_stay(backup: Path, tmp_path: Path) -> None:
    ring = json.loads((backup / "key-ring.json").read_text())
    ring["keys"] |= json.loads(new_key_ring_json())["keys"]
    data = stack_with(tmp_path / "data", json.dumps(ring))

    told = restore(data, backup, database=False)

    assert told == ["Temporal's state is the backup's."]
    assert json.loads((data / "key-ring.json").read_text()) == ring
    assert state(data / "temporal.db") == [(1,)]
    assert not (data / "temporal.db-wal").exists()


def test_a_dump_is_restored_where_nothing_was_before(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    own = OwnDatabase.make_migrated(postgres)
    dump_database(tmp_path, own.owner_url, to=tmp_path / "database.dump")

    with EmbeddedPostgres(tmp_path / "new", free_port(), durable=False).running() as server:
        restore_database(tmp_path / "new", server, tmp_path / "database.dump")
        server.grant_application()

        for url, is_allowed in ((server.app_url, True), (server.verifier_url, False)):
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT count(secret_sealed) FROM credentials").fetchone() == (0,)
                may_insert = "SELECT has_table_privilege('audit_events', 'INSERT')"
                assert connection.execute(may_insert).fetchone() == (is_allowed,)
