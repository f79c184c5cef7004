import json
from uuid import uuid4

import pytest

from countersign.domain.errors import Conflict, InvalidInput, NotFound
from countersign.local.demo import DEMO_USERS, SUMMIT
from tests.cli.terminal import Terminal

_SONIA = next(user for user in DEMO_USERS if user.name == "sonia")


def test_accounts_are_listed_with_their_ids_whole(terminal: Terminal) -> None:
    lines = terminal.run("accounts", "list").splitlines()

    assert any(line.startswith(str(SUMMIT.id)) for line in lines)
    assert max(map(len, lines)) <= 80
    assert [account["name"] for account in json.loads(terminal.run("accounts", "list", "--json"))] == [
        "Harbour Trading",
        "Plain & Co",
        "Summit Capital",
    ]


def test_an_account_that_is_not_frozen_cannot_be_thawed(terminal: Terminal) -> None:
    assert type(terminal.refused("accounts", "thaw", str(SUMMIT.id))) is Conflict
    assert isinstance(terminal.refused("accounts", "thaw", str(uuid4())), NotFound)


def test_a_changed_user_is_told_without_the_new_address(terminal: Terminal) -> None:
    said = terminal.run(
        "users", "change", str(_SONIA.id), "--email", "sonia.new@example.com", "--phone", "+12025550123"
    )

    assert said == f"Changed user {_SONIA.id}.\n"


def test_what_is_no_address_is_refused_without_repeating_it(terminal: Terminal) -> None:
    error = terminal.refused("users", "change", str(_SONIA.id), "--email", "nobody at home")

    assert isinstance(error, InvalidInput)
    assert "home" not in str(error)


def test_a_database_that_does_not_answer_is_one_line(terminal: Terminal, capfd: pytest.CaptureFixture[str]) -> None:
    settings = {
        "COUNTERSIGN_MODE": "local",
        "DATABASE_URL": "postgresql://127.0.0.1:9/x",
        "COUNTERSIGN_KEY_RING_FILE": "",
    }
    ring = str(terminal.settings.key_ring_file)

    error = terminal.refused("accounts", "list", **{**settings, "COUNTERSIGN_KEY_RING_FILE": ring})

    assert "The database does not answer" in str(error)
    assert capfd.readouterr().err == ""
