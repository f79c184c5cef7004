import json
from typing import Any
from uuid import uuid4

from countersign.cli import requests
from countersign.dispatch.reconcile import Kind
from countersign.domain.errors import InvalidInput, NotFound, RequestClosed
from tests.cli.terminal import Terminal


def _shown(terminal: Terminal, request_id: str) -> dict[str, dict[str, object]]:
    shown: dict[str, dict[str, object]] = json.loads(terminal.run("requests", "show", request_id, "--json"))
    return shown


def test_the_list_shows_ids_whole_at_80_columns(terminal: Terminal, waiting: dict[str, Any]) -> None:
    lines = terminal.run("requests", "list").splitlines()

    assert any(line.startswith(waiting["id"]) for line in lines)
    assert max(map(len, lines)) <= 80


def test_the_list_can_be_of_one_account(terminal: Terminal, waiting: dict[str, Any]) -> None:
    [listed] = [
        each
        for each in json.loads(terminal.run("requests", "list", "--json", "--limit", "1000"))
        if each["id"] == waiting["id"]
    ]

    assert waiting["id"] in terminal.run("requests", "list", "--account", listed["account_id"])
    assert terminal.run("requests", "list", "--account", str(uuid4())) == "No open requests.\n"


def test_a_request_is_shown_with_its_workflow_its_codes_and_its_audit_events(
    terminal: Terminal, waiting: dict[str, Any]
) -> None:
    printed = terminal.run("requests", "show", waiting["id"])
    shown = json.loads(terminal.run("requests", "show", waiting["id"], "--json"))

    assert waiting["workflow_id"] in printed
    assert max(map(len, printed.splitlines())) <= 80
    [code] = shown["code_deliveries"]
    assert (code["channel"], code["delivery"], code["wrong_codes"]) == ("sms", "sent", 0)
    events = [event["event"] for event in shown["audit_events"]]
    assert events[0] == "request:opened"
    assert "account-manager:asked" in events
    assert shown["request"]["step"] == "account_manager"


def test_what_is_shown_holds_no_address_number_or_code(terminal: Terminal, waiting: dict[str, Any]) -> None:
    shown = terminal.run("requests", "show", waiting["id"]) + terminal.run("requests", "show", waiting["id"], "--json")

    with terminal.api("sam") as sam:
        [message] = [each for each in sam.get("/local/inbox", to="+12025550123") if waiting["name"] in each["text"]]
    assert message["text"][:6].isdigit()
    for hidden in (message["text"][:6], "+12025550123", "sam@example.com"):
        assert hidden not in shown


def test_cancelling_ends_the_request_through_its_workflow_in_the_name_of_ops_and_once(terminal: Terminal) -> None:
    request = terminal.asked_for_activation()

    said = terminal.run("requests", "cancel", request["id"], "--reason", "asked by phone")

    shown = json.loads(terminal.run("requests", "show", request["id"], "--json"))
    assert request["workflow_id"] in said
    assert (shown["request"]["outcome"], shown["request"]["reason"]) == ("cancelled", "asked by phone")
    assert shown["audit_events"][-1]["actor_kind"] == "ops"
    assert request["id"] not in terminal.run("requests", "list")
    assert request["id"] in terminal.run("requests", "list", "--all")
    assert isinstance(terminal.refused("requests", "cancel", request["id"]), RequestClosed)


def test_a_request_whose_workflow_was_terminated_is_closed_by_cancel_which_says_so(terminal: Terminal) -> None:
    request = terminal.asked_for_activation()
    terminal.terminate(request["workflow_id"])

    said = terminal.run("requests", "cancel", request["id"])

    assert f"{request['workflow_id']} had ended in Temporal; its request is closed now." in said
    assert _shown(terminal, request["id"])["request"]["outcome"] == "cancelled"


def test_a_reason_with_control_characters_is_refused(terminal: Terminal) -> None:
    assert isinstance(terminal.refused("requests", "cancel", str(uuid4()), "--reason", "a\x1bb"), InvalidInput)


def test_an_unknown_request_is_told_as_such(terminal: Terminal) -> None:
    for command in ("show", "cancel"):
        assert isinstance(terminal.refused("requests", command, str(uuid4())), NotFound)


def test_reconcile_closes_what_was_terminated_and_nothing_else(terminal: Terminal, waiting: dict[str, Any]) -> None:
    dead = terminal.asked_for_activation()
    terminal.terminate(dead["workflow_id"])

    would_be = terminal.run("requests", "reconcile", "--dry-run")
    still_open = _shown(terminal, dead["id"])["request"]["outcome"] is None
    said = terminal.run("requests", "reconcile")

    assert would_be == f"{dead['workflow_id']}: has ended in Temporal; its request would be closed.\n"
    assert still_open
    assert said == f"{dead['workflow_id']}: had ended in Temporal; its request is closed now.\n"
    assert _shown(terminal, dead["id"])["request"]["outcome"] == "cancelled"
    assert _shown(terminal, waiting["id"])["request"]["outcome"] is None
    assert terminal.run("requests", "reconcile") == (
        "Every open request has its workflow, and every workflow its request.\n"
    )


def test_every_difference_between_request_and_workflow_has_its_words() -> None:
    assert set(requests._DONE) == set(requests._WOULD_BE_DONE) == set(Kind)


def test_a_worker_sees_to_it_that_requests_are_reconciled_on_schedule(terminal: Terminal) -> None:
    assert "reconcile/countersign" in terminal.schedules()
