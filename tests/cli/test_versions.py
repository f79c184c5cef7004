"""``countersign versions`` beside the local stack, whose worker is of the build that the stack has made current."""

import json

from tests.cli.terminal import Terminal


def test_the_build_of_the_local_stack_is_current_when_it_says_that_it_is_ready(terminal: Terminal) -> None:
    [build] = json.loads(terminal.run("versions", "show", "--json"))

    assert (build["build_id"], build["status"], build["percent"], build["workers"]) == ("local", "current", 100.0, 1)
    assert "local" in terminal.run("versions", "show")


def test_a_build_that_is_needed_has_exit_code_1(terminal: Terminal) -> None:
    needed = terminal.type("versions", "drained", "local")

    assert (needed.exit_code, needed.output.startswith("local is current, and")) == (1, True)
    assert terminal.run("versions", "drained", "of-yesterday") == "Nothing needs of-yesterday.\n"


def test_what_cannot_be_done_says_what_to_do(terminal: Terminal) -> None:
    assert "No worker of the build 1.1 was ever seen" in str(terminal.refused("versions", "promote", "1.1"))
    assert "all new requests begin there already" in str(terminal.refused("versions", "ramp", "local", "50"))
    assert "No build is ramping" in str(terminal.refused("versions", "ramp", "--end"))
    assert terminal.type("versions", "ramp").exit_code == 2


def test_the_doctor_sees_the_builds(terminal: Terminal) -> None:
    found = {each["what"]: each["told"] for each in json.loads(terminal.type("doctor", "--json").output)}

    assert found["workers' builds"] == "local is current, and every build that is needed has workers"
