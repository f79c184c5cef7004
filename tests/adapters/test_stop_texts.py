"""Mails with a link that stops what they tell of."""

from typing import Any

import pytest
from jinja2 import UndefinedError

from countersign.adapters.texts import render_mail
from tests.adapters.test_security_texts import CONTEXT
from tests.adapters.test_texts import NOTICE

LINK = "https://example.com/stop/5#abc"
STOP = {"stop_link": LINK, "stop_until": "2026-03-08 12:00 UTC"}
ASKED: dict[str, Any] = (
    NOTICE
    | STOP
    | {
        "ip": "203.0.113.9",
        "edits": True,
        "permissions_before": ["read", "trade"],
        "ip_whitelist_before": ["192.0.2.1"],
    }
)
STOPPED: dict[str, Any] = NOTICE | {"effect": "deactivated"}
PERSON = CONTEXT | STOP
WITH_LINK = {
    "more_access_requested": ASKED,
    "credential_activated": NOTICE | STOP,
    "two_factor_changed": PERSON,
    "contact_changed": PERSON,
}
WITHOUT = {"credential_stopped": STOPPED, "change_stopped": CONTEXT}


@pytest.mark.parametrize("event", WITH_LINK)
def test_it_says_what_the_button_does_until_when_and_that_no_signing_in_is_needed(event: str) -> None:
    mail = render_mail(event, WITH_LINK[event])

    assert f"\n\n{LINK}\n\n" in mail.text
    assert all(fact in mail.text for fact in ("until 2026-03-08 12:00 UTC", "You need not sign in", "press its button"))
    assert f'<a class="button" href="{LINK}">This wasn&#39;t me</a>' in mail.html


@pytest.mark.parametrize("event", ["credential_activated", "two_factor_changed"])
def test_a_notice_from_before_there_were_links_has_no_gap_where_one_would_be(event: str) -> None:
    text = render_mail(event, WITH_LINK[event] | {"stop_link": "", "stop_until": ""}).text

    assert "press its button" not in text
    assert "\n\n\n" not in text


@pytest.mark.parametrize("event", [*WITH_LINK, *WITHOUT])
def test_every_one_names_the_account_the_time_and_where_to_act(event: str) -> None:
    mail = render_mail(event, {**WITH_LINK, **WITHOUT}[event])

    assert all(fact in mail.text for fact in ("Acme & Co", "Olivia Owner", "https://example.com/"))
    assert len(mail.subject.splitlines()) == 1
    assert mail.text.split("\n\n")[-1].startswith("If ")
    assert "\n\n\n" not in mail.text


def test_a_creation_has_no_before() -> None:
    text = render_mail("more_access_requested", ASKED | {"edits": False}).text

    assert "Until now:" not in text
    assert "From: 203.0.113.9" in text
    assert "\n\n\n" not in text


def test_an_edit_is_told_with_what_was_before_on_lines_of_their_own() -> None:
    text = render_mail("more_access_requested", ASKED | {"ip_whitelist_before": []}).text

    assert "Until now:\nPermissions: Read, Trade\nWorks from: any IP address" in text


def test_an_edit_of_trading_limits_is_told_with_those_of_before_and_that_none_are_left() -> None:
    before = {"trading_limits_before": ["20 ETH an order"]}
    raised = render_mail("more_access_requested", ASKED | before | {"trading_limits": ["30 ETH an order"]}).text
    taken = render_mail("more_access_requested", ASKED | before | {"trading_limits": []}).text

    assert "Until now:\nPermissions: Read, Trade\nTrading limits: 20 ETH an order\nWorks from: 192.0.2.1" in raised
    assert "Trading limits: 30 ETH an order\n" in raised
    assert taken.index("Trading limits: none") < taken.index("Until now:") < taken.index("Trading limits: 20 ETH")


def test_when_funds_begin_is_told_beside_what_can_move_them() -> None:
    told = "Can move funds: Funds External\nFunds permissions begin: 2026-03-02 12:00 UTC\n"

    assert told in render_mail("credential_created", NOTICE | {"funds_from": "2026-03-02 12:00 UTC"}).text
    assert "Funds permissions begin" not in render_mail("credential_created", NOTICE).text


@pytest.mark.parametrize(
    ("event", "context", "subject"),
    [
        ("more_access_requested", ASKED, "More access asked for: bot"),
        ("more_access_requested", ASKED | {"edits": False}, "API key that can move funds asked for: bot"),
        ("credential_stopped", STOPPED, "API key stopped and deactivated: bot"),
        ("credential_stopped", STOPPED | {"effect": "cancelled"}, "Request stopped: bot"),
        ("contact_changed", PERSON, "Your email address was changed"),
        ("contact_changed", PERSON | {"email": "", "phone": "•••23"}, "Your phone number was changed"),
        ("change_stopped", CONTEXT, "New credentials are frozen for Acme & Co"),
    ],
)
def test_the_subject_says_what_happened(event: str, context: dict[str, Any], subject: str) -> None:
    assert render_mail(event, context).subject == subject


@pytest.mark.parametrize("event", [*WITH_LINK, *WITHOUT])
def test_a_missing_value_is_an_error_and_not_a_gap(event: str) -> None:
    with pytest.raises(UndefinedError):
        render_mail(event, {})


def test_a_name_cannot_become_the_button() -> None:
    html = render_mail("more_access_requested", ASKED | {"credential_name": LINK, "actor_name": f"x {LINK}"}).html

    assert html.count('class="button"') == 1
