from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from countersign.adapters.texts import render_mail, render_sms

NOTICES = [
    "credential_created",
    "credential_edited",
    "credential_activated",
    "credential_deactivated",
    "activation_requested",
    "activation_reminder",
    "activation_rejected",
    "request_closed",
    "issuing_frozen",
    "issuing_frozen_by_ops",
    "account_stopped",
]
OF_ACCOUNTS = {"issuing_frozen", "issuing_frozen_by_ops", "account_stopped"}
NOTICE: dict[str, Any] = {
    "account_name": "Acme & Co",
    "kind_label": "API key",
    "credential_name": "bot",
    "session_type": "",
    "permissions": ["read", "trade", "funds_external"],
    "funds_permissions": ["funds_external"],
    "funds_from": "",
    "stop_link": "",
    "stop_until": "",
    "ip_whitelist": ["192.0.2.1", "2001:db8::/32"],
    "at": "1 March 2026, 12:00 UTC",
    "actor_name": "Olivia Owner",
    "reason": "wrong session",
    "names": ["bot", "CS-T-7K4M-9QXR"],
    "more": 0,
    "ended": 0,
    "settings_url": "https://example.com/api-keys?x=1&y=2",
}
FIX = NOTICE | {
    "kind_label": "FIX credentials",
    "credential_name": "CS-T-7K4M-9QXR",
    "session_type": "trade",
    "permissions": [],
    "funds_permissions": [],
    "ip_whitelist": [],
}
CODE: dict[str, Any] = {
    "code": "042137",
    "link": "https://example.com/activate#token=abc&n=1",
    "approving": "activate API key “bot” (read, trade)",
    "credential_name": "bot",
    "permissions": ["read", "trade"],
    "funds_permissions": [],
    "ip_whitelist": [],
    "trading_limits": [],
    "minutes": 5,
}
# The characters that cost one septet in GSM-7 (3GPP TS 23.038), as far as our own words need them.
GSM_7 = set(" !\"#%&()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz'")


def sms(approving: str) -> str:
    return render_sms("two_factor_code", {"code": "042137", "approving": approving, "minutes": 5})


def test_a_text_message_says_the_code_what_it_approves_and_never_to_share_it() -> None:
    text = sms("create API key “bot” (read, trade, funds_external)")
    assert text.startswith("042137 ")
    assert 'create API key "bot" (read, trade, funds_external)' in text
    assert "5 min" in text
    assert "Never share" in text


def test_a_text_message_fits_one_segment() -> None:
    text = sms("create API key “market-maker-1” (read, trade, funds_internal, funds_wallet)")
    assert len(text) <= 160
    assert set(text) <= GSM_7


def test_a_text_message_is_one_line_whatever_the_name() -> None:
    assert "\n" not in sms("create API key “a\n\nb”")


@pytest.mark.parametrize("event", NOTICES)
@pytest.mark.parametrize("context", [NOTICE, FIX], ids=["api-key", "fix"])
def test_every_notice_names_the_account_the_time_and_where_to_act(event: str, context: Mapping[str, Any]) -> None:
    mail = render_mail(event, context)
    for fact in ("Acme & Co", "1 March 2026, 12:00 UTC", context["settings_url"]):
        assert fact in mail.text
    assert mail.subject
    assert "\n" not in mail.subject
    assert "If " in mail.text.split("\n\n")[-1]


@pytest.mark.parametrize("event", [event for event in NOTICES if event not in OF_ACCOUNTS])
def test_every_notice_about_a_credential_shows_what_it_can_do(event: str) -> None:
    text = render_mail(event, NOTICE).text
    assert "API key: bot" in text
    assert "Permissions: Read, Trade, Funds External" in text
    assert "Can move funds: Funds External" in text
    assert "Works from: 192.0.2.1, 2001:db8::/32" in text
    assert "Session:" not in text
    fix = render_mail(event, FIX).text
    assert "FIX credentials: CS-T-7K4M-9QXR" in fix
    assert "Session: trade" in fix
    assert "Permissions:" not in fix
    assert "Works from:" not in fix


def test_an_empty_whitelist_reads_as_any_ip_address() -> None:
    assert "Works from: any IP address" in render_mail("credential_created", NOTICE | {"ip_whitelist": []}).text


def test_trading_limits_are_told_where_there_are_any() -> None:
    limits = ["1.5 BTC an order, 10 BTC a day", "20 ETH an order"]
    for event, context in (("credential_created", NOTICE), ("activation_code", CODE)):
        told = render_mail(event, context | {"trading_limits": limits}).text
        assert "\nTrading limits: 1.5 BTC an order, 10 BTC a day; 20 ETH an order\n" in told
        assert "Trading limits" not in render_mail(event, context | {"trading_limits": []}).text


def test_a_notice_of_a_release_without_trading_limits_is_told_as_it_is() -> None:
    assert "trading_limits" not in NOTICE
    assert "Trading limits" not in render_mail("credential_created", NOTICE).text


def test_a_text_message_about_limits_fits_one_segment() -> None:
    assert len(sms("create API key “market-maker-1” (read, trade, with trading limits)")) <= 160


def test_a_rejection_gives_its_reason_if_there_is_one() -> None:
    assert "Reason: wrong session" in render_mail("activation_rejected", FIX).text
    assert "Reason" not in render_mail("activation_rejected", FIX | {"reason": ""}).text


def test_no_paragraph_is_empty_when_something_optional_is_missing() -> None:
    bare = NOTICE | {"reason": "", "permissions": [], "funds_permissions": [], "ip_whitelist": []}
    for event in NOTICES:
        text = render_mail(event, bare).text
        assert "\n\n\n" not in text
        assert not any(line.rstrip() != line for line in text.splitlines())


def test_the_activation_mail_carries_code_and_link_and_what_they_activate() -> None:
    mail = render_mail("activation_code", CODE)
    for fact in ("042137", CODE["link"], CODE["approving"], "5 minutes", "Permissions: Read, Trade", "any IP address"):
        assert fact in mail.text
    assert "042137" not in mail.subject
    assert "We never ask for them." in mail.text


def test_the_link_is_a_button_and_the_code_stands_out() -> None:
    html = render_mail("activation_code", CODE).html
    assert '<a class="button" href="https://example.com/activate#token=abc&amp;n=1">' in html
    assert '<p class="code">042137</p>' in html


def test_the_html_says_what_the_text_says_and_adapts_to_dark_mode() -> None:
    html = render_mail("credential_created", NOTICE).html
    assert "Permissions: Read, Trade, Funds External<br>" in html
    assert 'href="https://example.com/api-keys?x=1&amp;y=2"' in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "Acme &amp; Co" in html


def test_a_name_cannot_write_html_paragraphs_or_headers() -> None:
    name = "x\r\nBcc: victim@example.com\n\n<script>alert(1)</script>\u202e"
    mail = render_mail("credential_created", NOTICE | {"credential_name": name})
    assert mail.subject == "API key created: x Bcc: victim@example.com <script>alert(1)</script>"
    assert "\u202e" not in mail.text
    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert len(mail.text.split("\n\n")) == len(render_mail("credential_created", NOTICE).text.split("\n\n"))


def test_a_name_cannot_become_a_button() -> None:
    html = render_mail("activation_code", CODE | {"credential_name": CODE["link"]}).html
    assert html.count("<a ") == 1


def test_a_name_is_not_a_template() -> None:
    assert "{{ 7 * 7 }}" in render_mail("credential_created", NOTICE | {"credential_name": "{{ 7 * 7 }}"}).text


@given(name=st.text(max_size=64), reason=st.text(max_size=200))
def test_whatever_people_type_subject_and_paragraphs_keep_their_shape(name: str, reason: str) -> None:
    mail = render_mail("activation_rejected", FIX | {"credential_name": name, "reason": f"x{reason}"})
    assert len(mail.subject.splitlines()) == 1
    assert len(mail.text.split("\n\n")) == 5


@pytest.mark.parametrize("event", [*NOTICES, "activation_code"])
def test_a_missing_value_is_an_error_and_not_a_gap(event: str) -> None:
    with pytest.raises(UndefinedError):
        render_mail(event, {})
