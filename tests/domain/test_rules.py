"""The numbers of the product."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

from countersign.domain.rules import Rules
from countersign.settings import Settings


def test_the_defaults_are_those_of_the_design() -> None:
    assert asdict(Rules()) == {
        "code_lifetime": timedelta(minutes=5),
        "resend_after": timedelta(minutes=2),
        "wrong_codes_per_step": 5,
        "code_sends_per_hour": 10,
        "wrong_codes_per_hour": 20,
        "wrong_codes_before_freeze": 50,
        "requests_per_hour": 60,
        "sms_per_account_and_day": 40,
        "sms_per_day": 10_000,
        "sms_countries": "",
        "two_factor_idle": timedelta(minutes=30),
        "secret_unacknowledged": timedelta(minutes=30),
        "recovery_codes_showable": timedelta(minutes=30),
        "recovery_codes": 10,
        "reveal_repeatable": timedelta(minutes=2),
        "activation_unconfirmed": timedelta(hours=24),
        "first_reminder": timedelta(hours=4),
        "second_reminder": timedelta(hours=24),
        "statement_lifetime": timedelta(minutes=10),
        "funds_hold": timedelta(hours=24),
        "stop_link_lifetime": timedelta(days=7),
        "session_idle": timedelta(minutes=30),
        "session_lifetime": timedelta(hours=12),
        "whitelist_entries": 100,
        "name_length": 64,
        "credentials_per_account": 100,
        "requests_kept": timedelta(days=400),
        "notices_kept": timedelta(days=90),
        "activity_kept": timedelta(days=90),
        "trail_kept": timedelta(days=400),
    }


@pytest.mark.parametrize("name", asdict(Rules()))
def test_no_number_may_be_below_zero(name: str) -> None:
    below = -1 if isinstance(getattr(Rules(), name), int) else timedelta(microseconds=-1)
    changed: dict[str, Any] = {name: below}
    with pytest.raises(ValueError, match=rf"Below zero: {name}\."):
        Rules(**changed)


def test_every_number_below_zero_is_named() -> None:
    with pytest.raises(ValueError, match=r"Below zero: resend_after, name_length\."):
        Rules(name_length=-1, resend_after=timedelta(days=-1))


def test_zero_is_a_number_like_others() -> None:
    assert Rules(resend_after=timedelta(0), credentials_per_account=0).credentials_per_account == 0


def test_an_account_in_which_nobody_could_begin_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody could begin anything"):
        Rules(requests_per_hour=0)


@pytest.mark.parametrize(("name", "days"), [("requests_kept", 30), ("notices_kept", 7)])
def test_what_the_database_keeps_longer_than_that_is_refused(name: str, days: int) -> None:
    least: dict[str, Any] = {name: timedelta(days=days)}
    assert Rules(**least) != Rules()

    too_short: dict[str, Any] = {name: timedelta(days=days) - timedelta.resolution}
    with pytest.raises(ValueError, match=rf"{name} is less than {days} days"):
        Rules(**too_short)


@pytest.mark.parametrize(("text", "codes"), [("", set()), ("44", {44}), ("1, 44,49", {1, 44, 49}), (" 7 ", {7})])
def test_country_codes_are_read_by_commas(text: str, codes: set[int]) -> None:
    assert Rules(sms_countries=text).sms_country_codes == codes


@pytest.mark.parametrize("text", ["GB", "+44", "44;49", "4444", "1 44"])
def test_what_is_no_country_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="country calling codes"):
        Rules(sms_countries=text)


def test_they_are_a_setting_like_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_RULES__SMS_COUNTRIES", "1, 44")
    monkeypatch.setenv("COUNTERSIGN_RULES__REQUESTS_PER_HOUR", "7")

    rules = Settings().rules
    assert (rules.sms_country_codes, rules.requests_per_hour) == (frozenset({1, 44}), 7)
