"""What ops look up for whoever calls, by what a person can say; no whole number or address is ever shown."""

import json
from typing import Any
from uuid import uuid4

import pytest

from countersign.domain.errors import Conflict, InvalidInput, NotFound
from tests.cli.terminal import Terminal


def people(terminal: Terminal, text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(terminal.run("users", "find", text, "--json"))
    return found


def person(terminal: Terminal, text: str) -> dict[str, Any]:
    [found] = people(terminal, text)
    return found


def account_of(terminal: Terminal, name: str) -> str:
    return str(person(terminal, name)["accounts"][0]).partition(" ")[0]


@pytest.mark.parametrize("text", ["sam", "SAM@example.com"])
def test_a_person_is_found_by_name_or_email_with_number_and_address_masked(terminal: Terminal, text: str) -> None:
    found = person(terminal, text)

    assert (found["two-factor"], found["phone"], found["email"]) == ("sms", "•••23", "s•••@example.com")
    assert "Harbour Trading (owner)" in found["accounts"][0]
    assert "+12025550123" not in terminal.run("users", "find", text)
    assert person(terminal, found["user"]) == found


def test_who_is_not_there_is_told_as_such_and_no_pattern_finds_everybody(terminal: Terminal) -> None:
    assert terminal.run("users", "find", "nobody") == "Nobody is called that.\n"
    assert people(terminal, "%") == []


def test_an_account_is_shown_with_its_owners_and_who_looks_after_it(terminal: Terminal) -> None:
    shown = terminal.run("accounts", "show", account_of(terminal, "sam"))

    for line in ("owners", "Sam", "Olivia", "account managers", "Amy"):
        assert line in shown


@pytest.mark.parametrize("what", ["name", "id", "credential_id", "account"])
def test_a_request_is_found_by_its_session_name_an_account_or_an_id(
    terminal: Terminal, waiting: dict[str, Any], what: str
) -> None:
    said = "Harbour" if what == "account" else waiting[what]

    assert waiting["id"] in terminal.run("requests", "find", said, "--open")
    assert terminal.run("requests", "find", str(uuid4())) == "No such requests.\n"


def test_a_send_is_shown_with_when_the_provider_took_it_at_which_try_and_under_which_id(
    terminal: Terminal, waiting: dict[str, Any]
) -> None:
    [code] = json.loads(terminal.run("requests", "show", waiting["id"], "--json"))["code_deliveries"]

    assert (code["tries"], code["provider_id"].count("-")) == (1, 4)
    assert code["settled_at"] >= code["opened_at"][:19]
    assert "sent at try 1" in terminal.run("requests", "show", waiting["id"])


def test_the_mails_of_an_account_are_listed_with_what_became_of_them(
    terminal: Terminal, waiting: dict[str, Any]
) -> None:
    account = account_of(terminal, "sam")
    printed = terminal.run("notices", "list", "--account", account, "--limit", "1000")
    listed = json.loads(terminal.run("notices", "list", "--account", account, "--limit", "1000", "--json"))

    [asked] = [
        each for each in listed if each["event"] == "activation_requested" and each["request_id"] == waiting["id"]
    ]
    assert (asked["name"], asked["tries"], asked["failure"]) == ("Amy", 1, None)
    assert "activation_requested" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert isinstance(terminal.refused("notices", "list"), InvalidInput)
    assert "@" not in printed


def test_a_credential_is_found_by_its_name_and_switched_off_for_the_owner(terminal: Terminal) -> None:
    request = terminal.asked_for_activation()
    with terminal.api("amy") as amy:
        decision = {"decision": "activate", "version": 1}
        amy.post(f"/v1/account-manager/fix-credentials/{request['name']}/decision", decision)
    before = json.loads(terminal.run("credentials", "show", request["name"].lower(), "--json"))

    said = terminal.run("credentials", "deactivate", request["name"])

    after = json.loads(terminal.run("credentials", "show", before["id"], "--json"))
    assert (before["status"], after["status"]) == ("active", "inactive")
    assert said == f"{before['id']} of account {before['account_id']} is inactive.\n"
    assert isinstance(terminal.refused("credentials", "show", "CS-T-0000-0000-0000"), NotFound)


def test_somebody_new_is_added_and_assigned_to_an_account_whose_trail_tells_of_it(terminal: Terminal) -> None:
    new, account, sam = str(uuid4()), account_of(terminal, "sam"), person(terminal, "sam")
    email = f"{new}@example.com"

    terminal.run("users", "add", new, "--name", "New Manager", "--email", email, "--role", "account_manager")
    assert isinstance(
        terminal.refused("users", "add", str(uuid4()), "--name", "X", "--email", email, "--role", "ops"), Conflict
    )
    assert isinstance(
        terminal.refused("users", "add", new, "--name", "X", "--email", "x@example.com", "--role", "ops"), Conflict
    )
    assert isinstance(terminal.refused("accounts", "assign", account, sam["user"]), Conflict)
    assert isinstance(terminal.refused("accounts", "withdraw", account, new), Conflict)
    terminal.run("accounts", "assign", account, new)
    terminal.run("accounts", "withdraw", account, new)

    with terminal.api("sam") as owner:
        events = [event["event"] for event in owner.get("/v1/audit-events")][:2]
    assert events == ["account-manager:withdrawn", "account-manager:assigned"]
    assert person(terminal, new)["staff"] == "account_manager"
