"""What people read about their own account security."""

from typing import Any

import pytest
from jinja2 import UndefinedError

from countersign.adapters.texts import render_mail

CONTEXT: dict[str, Any] = {
    "account_name": "Acme & Co",
    "actor_name": "Olivia Owner",
    "at": "2026-03-01 12:00 UTC",
    "ip": "203.0.113.9",
    "before": "none",
    "method": "authenticator",
    "phone": "",
    "codes": 10,
    "codes_left": 9,
    "stop_link": "https://example.com/stop/1#token",
    "stop_until": "2026-03-08 12:00 UTC",
    "email": "n•••@example.com",
    "confirms_otherwise": False,
    "settings_url": "https://example.com/security",
}
EVENTS = ["two_factor_changed", "recovery_codes_shown", "recovery_code_used", "contact_changed"]
METHODS = ["authenticator", "sms", "none"]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("method", METHODS)
def test_it_says_who_when_from_where_and_whom_to_tell(event: str, method: str) -> None:
    mail = render_mail(event, CONTEXT | {"method": method, "phone": "•••23" if method == "sms" else ""})

    for fact in ("Olivia Owner", "Acme & Co", "2026-03-01 12:00 UTC", "203.0.113.9", "https://example.com/security"):
        assert fact in mail.text
    assert len(mail.subject.splitlines()) == 1
    assert mail.text.split("\n\n")[-1].startswith("If this was not you, ")
    assert "tell your account manager" in mail.text


@pytest.mark.parametrize("event", EVENTS)
def test_without_an_address_no_line_is_left_for_it(event: str) -> None:
    text = render_mail(event, CONTEXT | {"ip": ""}).text

    assert "From:" not in text
    assert "\n\n\n" not in text
    assert not any(line.rstrip() != line for line in text.splitlines())


@pytest.mark.parametrize(
    ("before", "method", "subject"),
    [
        ("none", "sms", "Two-factor authentication turned on"),
        ("sms", "none", "Two-factor authentication turned off"),
        ("sms", "authenticator", "Two-factor authentication changed"),
        ("sms", "sms", "Two-factor authentication changed"),
    ],
)
def test_the_subject_says_what_happened(before: str, method: str, subject: str) -> None:
    assert render_mail("two_factor_changed", CONTEXT | {"before": before, "method": method}).subject == subject


@pytest.mark.parametrize("event", EVENTS)
def test_a_missing_value_is_an_error_and_not_a_gap(event: str) -> None:
    with pytest.raises(UndefinedError):
        render_mail(event, {})
