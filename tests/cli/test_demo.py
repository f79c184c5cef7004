import json
import re
import sys
from typing import Any
from unittest import mock

import pytest

from countersign.cli import main
from countersign.cli.demo_walk import Walk
from countersign.domain.errors import CodeAlreadyUsed
from tests.cli.terminal import Silent, Terminal


def _request(terminal: Terminal, said: str) -> dict[str, Any]:
    found = re.search(r"countersign requests show (\S+)", said)
    assert found
    request: dict[str, Any] = json.loads(terminal.run("requests", "show", found[1], "--json"))["request"]
    return request


@pytest.mark.parametrize(("kind", "user"), [("api-key", "sam"), ("api-key", "olivia"), ("fix", "sam")])
def test_a_walk_in_plain_lines_ends_with_an_active_credential_and_says_where_to_look(
    terminal: Terminal, kind: str, user: str
) -> None:
    said = terminal.run("demo", "--kind", kind, "--user", user)

    assert "\x1b" not in said
    assert "╭" not in said
    assert not [line for line in said.splitlines() if line != line.rstrip()]
    assert re.search(r"(css|csp)_\w{4}…", said), "of a secret the first characters are printed"
    assert not re.search(r"(css|csp)_\w{5}", said)
    request = _request(terminal, said)
    assert f"{request['name']} is active" in said
    assert request["outcome"] == "activated"
    assert f"/workflows/{request['workflow_id'].replace('/', '%2F')}" in said


def test_with_pause_it_waits_for_enter_after_every_step(terminal: Terminal) -> None:
    said = terminal.run("demo", "--user", "sam", "--pause", answer="\n" * 7)

    assert said.count("Enter to go on") == 7
    assert terminal.type("demo", "--user", "sam", "--pause", answer="").exit_code == 1


def test_a_used_authenticator_code_is_waited_out_and_told(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: list[float] = []
    with terminal.api("olivia") as olivia, terminal.api("amy") as amy:
        walk = Walk(
            settings=terminal.settings,
            owner_name="olivia",
            owner=olivia,
            manager=amy,
            narrator=Silent(),
            sleep=waits.append,
        )
        with mock.patch.object(walk, "_enter_code", side_effect=[CodeAlreadyUsed(), None]):
            walk._enter_authenticator_code()

    assert len(waits) == 1
    assert 0 < waits[0] <= 30.2


def test_without_a_stack_it_is_one_line_and_exit_code_1(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATA", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["countersign", "demo"])
    monkeypatch.setattr("countersign.cli._end", sys.exit)  # it would end the tests as well

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "countersign: demo users are for the local stack: start one with `countersign up`\n"
    )
