import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from countersign.domain.errors import NotFound, NothingWaiting, NotSignedIn, Unavailable
from tests.cli.terminal import Terminal


def _found(terminal: Terminal, session_name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(terminal.run("fix", "find", session_name, "--as", "amy", "--json"))
    return found


def test_the_queue_shows_session_name_version_and_workflow_id_whole(
    terminal: Terminal, waiting: dict[str, Any]
) -> None:
    lines = terminal.run("fix", "queue", "--as", "amy").splitlines()

    assert any(line.split() == ["Session", "Name", waiting["name"]] for line in lines)
    assert any(line.split() == ["Workflow", waiting["workflow_id"]] for line in lines)
    assert any(line.split()[0] == "Version" for line in lines if line)
    assert max(map(len, lines)) <= 80


def test_a_manager_without_accounts_sees_nothing_and_finds_nothing(terminal: Terminal, waiting: dict[str, Any]) -> None:
    assert terminal.run("fix", "queue", "--as", "ulf") == "Nothing waits for you.\n"
    assert isinstance(terminal.refused("fix", "find", waiting["name"], "--as", "ulf"), NotFound)


def test_activating_asks_first_and_shows_what_is_decided_on(terminal: Terminal) -> None:
    request = terminal.asked_for_activation()

    said = terminal.run("fix", "activate", request["name"], "--as", "amy", answer="y\n")

    assert "Harbour Trading" in said
    assert "awaiting_activation" in said
    assert f"{request['name']}: activated" in said
    assert _found(terminal, request["name"])["status"] == "active"


def test_without_a_yes_nothing_is_decided(terminal: Terminal, waiting: dict[str, Any]) -> None:
    for answer in ("n\n", ""):
        result = terminal.type("fix", "activate", waiting["name"], "--as", "amy", answer=answer)
        assert result.exit_code == 1

    assert _found(terminal, waiting["name"])["status"] == "awaiting_activation"


def test_rejecting_leaves_the_credentials_inactive_and_keeps_the_reason(terminal: Terminal) -> None:
    request = terminal.asked_for_activation()

    terminal.run("fix", "reject", request["name"], "--reason", "not agreed", "--yes", "--as", "amy")

    shown = json.loads(terminal.run("requests", "show", request["id"], "--json"))["request"]
    assert (shown["outcome"], shown["reason"]) == ("rejected", "not agreed")
    assert _found(terminal, request["name"])["status"] == "inactive"


def test_inactive_credentials_are_activated_by_name_as_it_was_read_out(terminal: Terminal) -> None:
    name = terminal.asked_for_activation()["name"]
    terminal.run("fix", "reject", name, "--reason", "later", "--yes", "--as", "amy")

    terminal.run("fix", "activate", name.lower().replace("-", " "), "--yes", "--as", "amy")

    assert _found(terminal, name)["status"] == "active"
    assert isinstance(terminal.refused("fix", "activate", name, "--yes", "--as", "amy"), NothingWaiting)


def test_a_token_in_the_environment_signs_in(terminal: Terminal, waiting: dict[str, Any]) -> None:
    assert waiting["name"] in terminal.run("fix", "queue", COUNTERSIGN_TOKEN=terminal.token("amy"))
    assert isinstance(terminal.refused("fix", "queue"), NotSignedIn)
    for nonsense in ("nonsense", "two\nlines"):
        assert isinstance(terminal.refused("fix", "queue", COUNTERSIGN_TOKEN=nonsense), NotSignedIn)


def test_an_api_that_does_not_answer_is_told_with_its_address(terminal: Terminal) -> None:
    elsewhere = {"COUNTERSIGN_API_URL": "http://127.0.0.1:9", "COUNTERSIGN_TOKEN": "any"}

    error = terminal.refused("fix", "queue", **elsewhere)

    assert isinstance(error, Unavailable)
    assert "http://127.0.0.1:9" in str(error)


@pytest.mark.parametrize("by_token", [True, False])
def test_the_line_that_sign_prints_activates_with_the_temporal_command(terminal: Terminal, *, by_token: bool) -> None:
    name = terminal.asked_for_activation()["name"]
    who = {"COUNTERSIGN_TOKEN": terminal.token("amy")} if by_token else {}
    words = ("fix", "sign", name, "--decision", "activate", "--json", *(() if by_token else ("--as", "amy")))
    line = json.loads(terminal.run(*words, **who))["command"]

    _in_a_shell(terminal, line, **who)

    deadline = time.monotonic() + 10
    while _found(terminal, name)["status"] != "active":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_signed_line_is_printed_unbroken_and_without_the_token(terminal: Terminal, waiting: dict[str, Any]) -> None:
    token = terminal.token("amy")

    said = terminal.run(
        "fix", "sign", waiting["name"], "--decision", "reject", "--reason", "it's wrong", COUNTERSIGN_TOKEN=token
    )

    [line] = [line for line in said.splitlines() if line.startswith("temporal workflow signal ")]
    assert line.endswith('--codec-auth "Bearer $COUNTERSIGN_TOKEN"')
    assert token not in said


def _in_a_shell(terminal: Terminal, line: str, **variables: str) -> None:
    beside = Path(sys.executable).parent
    environment = {**terminal.environment, **variables}
    environment["PATH"] = f"{beside}:{environment['PATH']}"
    done = subprocess.run(["/bin/sh", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
