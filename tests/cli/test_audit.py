import json
from pathlib import Path

from countersign.local.demo import SUMMIT
from tests.cli.terminal import Terminal


def test_the_trails_of_a_running_stack_verify_and_their_speed_is_told(terminal: Terminal) -> None:
    terminal.asked_for_activation()
    terminal.run("audit", "checkpoint")

    said = terminal.run("audit", "verify", "--checkpoints", str(terminal.settings.audit_checkpoint_file))

    assert said.startswith("Verified ")
    assert "events of 3 accounts" in said
    assert "a second)" in said
    assert "checkpoints from 20" in said


def test_a_checkpoint_is_written_when_something_is_new_and_stands_in_the_file_too(terminal: Terminal) -> None:
    terminal.asked_for_activation()
    file = terminal.settings.audit_checkpoint_file
    assert file is not None

    assert terminal.run("audit", "checkpoint") == "Wrote 1 checkpoint.\n"
    assert terminal.run("audit", "checkpoint") == "Nothing is newer than the last checkpoint.\n"

    last = json.loads(file.read_text().splitlines()[-1])
    assert str(SUMMIT.id) in last["document"] or json.loads(last["document"])["heads"] != []


def test_the_newest_events_of_an_account_are_listed_with_who_and_where_from_and_may_be_narrowed(
    terminal: Terminal,
) -> None:
    request = terminal.asked_for_activation()
    account = terminal.run("requests", "show", request["id"]).split("account_id")[1].split()[0]

    all_of_them = terminal.run("audit", "list", account)
    asked = terminal.run("audit", "list", account, "--event", "account-manager:asked", "--limit", "1")

    assert {"request:opened", "two-factor:passed"} <= set(all_of_them.split())
    assert "127.0.0.1" in all_of_them
    assert asked.count("account-manager:") == 1
    assert max(map(len, all_of_them.splitlines())) <= 80


def test_an_export_is_verified_by_itself_and_holds_no_secret(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"

    said = terminal.run("audit", "export", "--account", str(SUMMIT.id), "--to", str(file))

    assert said.startswith("Exported ")
    assert "--offline --archive" in said
    assert file.stat().st_mode & 0o777 == 0o600
    terminal.run("audit", "verify", "--offline", "--archive", str(file))
    [master] = json.loads((terminal.data / "key-ring.json").read_text())["keys"].values()
    assert master not in file.read_text()
    assert "exists" in str(terminal.refused("audit", "export", "--to", str(file)))


def test_what_is_wrong_is_told_line_by_line_with_exit_code_1(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    terminal.asked_for_activation()
    lines = terminal.run("audit", "export").splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if line.startswith('{"event"'))
    changed = lines[first].replace('"actor_kind":"', '"actor_kind":"other-')
    file.write_text("".join([*lines[:first], changed, *lines[first + 1 :]]))
    account = json.loads(lines[first])["event"]["account_id"]

    result = terminal.type("audit", "verify", "--offline", "--archive", str(file))

    assert result.exit_code == 1
    assert f"account {account} event 1: changed: does not fit its MAC and the event before it\n" in result.output


def test_archiving_where_there_is_nothing_old_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    error = terminal.refused("audit", "archive", "--before", "2020-01", "--to", str(tmp_path / "archive"))

    assert str(error) == "No whole month before 2020-01 has events."


def test_without_a_database_it_is_told_which_setting_is_missing(terminal: Terminal) -> None:
    assert str(terminal.refused("audit", "verify", DATABASE_URL="")) == "DATABASE_URL is not set."


def test_offline_needs_files_and_no_account(terminal: Terminal) -> None:
    assert "--offline" in str(terminal.refused("audit", "verify", "--offline"))


def test_archiving_months_that_are_not_over_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    error = terminal.refused("audit", "archive", "--before", "2999-01", "--to", str(tmp_path / "archive"))

    assert str(error) == "The months before 2999-01 are not all over."
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_ring_it_is_told_which_setting_is_missing(terminal: Terminal) -> None:
    error = terminal.refused("audit", "verify", COUNTERSIGN_KEY_RING_FILE=str(terminal.data / "nothing"))

    assert "cannot be read" in str(error)
