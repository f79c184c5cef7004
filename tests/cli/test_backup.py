import json
from pathlib import Path

from countersign.domain.errors import InvalidInput
from countersign.local.backup_folder import BackupFolder
from countersign.local.errors import StackError
from tests.cli.terminal import Terminal


def test_the_stack_is_backed_up_while_it_runs_and_says_that_the_keys_are_in_it(
    terminal: Terminal, tmp_path: Path
) -> None:
    said = terminal.run("backup", str(tmp_path / "backup"))

    names = {path.name for path in BackupFolder.open(tmp_path / "backup").folder.iterdir()}
    assert {"backup.json", "database.dump", "key-ring.json", "temporal.db"} <= names
    assert "It holds the key ring" in said
    assert (tmp_path / "backup" / "database.dump").read_bytes().startswith(b"PGDMP")
    assert (tmp_path / "backup" / "temporal.db").read_bytes().startswith(b"SQLite format 3")


def test_the_passwords_of_the_stack_are_not_in_its_backup(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("backup", str(tmp_path / "backup"))

    url = terminal.settings.migration_database_url.get_secret_value()
    password = url.partition("@")[0].rpartition(":")[2].encode()
    assert len(password) > 20
    assert all(password not in path.read_bytes() for path in (tmp_path / "backup").iterdir())


def test_a_stack_that_runs_is_not_restored(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("backup", str(tmp_path / "backup"))

    refused = terminal.type("restore", str(tmp_path / "backup"))

    assert isinstance(refused.exception, StackError)
    assert "stop it first" in str(refused.exception)


def test_accounts_whose_trail_reaches_as_far_as_was_signed_are_not_contained(terminal: Terminal) -> None:
    terminal.run("audit", "checkpoint")
    file = str(terminal.data / "audit-checkpoints.jsonl")

    said = terminal.run("accounts", "contain", "--checkpoints", file)

    assert said == "Every account's trail reaches as far as the checkpoints say.\n"


def test_whose_accounts_are_contained_must_be_said_and_can_be_looked_at_first(terminal: Terminal) -> None:
    assert isinstance(terminal.refused("accounts", "contain"), InvalidInput)
    assert isinstance(terminal.refused("accounts", "contain", "--all", "--checkpoints", "x"), InvalidInput)

    said = terminal.run("accounts", "contain", "--all", "--dry-run")

    assert len(said.splitlines()) == 3
    assert all(line.endswith(" would be contained.") for line in said.splitlines())
    assert {each["frozen_at"] for each in json.loads(terminal.run("accounts", "list", "--json"))} == {None}
