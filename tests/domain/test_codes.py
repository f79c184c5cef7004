"""Codes: windows to the microsecond, and what a person types."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.codes import CODE_LENGTH, Window, live, normalize_code, open_window, resend_at, retry_after
from countersign.domain.rules import Rules

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TICK = timedelta(microseconds=1)
RULES = Rules()


def window(*, number: int = 0, after: timedelta = timedelta(0)) -> Window:
    return open_window(number=number, at=AT + after, rules=RULES)


def test_a_window_is_open_for_five_minutes() -> None:
    assert window(number=3) == Window(number=3, opened_at=AT, expires_at=AT + timedelta(minutes=5))


def test_a_code_is_good_until_the_last_microsecond_and_dead_at_its_expiry() -> None:
    assert live([window()], at=AT + timedelta(minutes=5) - TICK) == [window()]
    assert live([window()], at=AT + timedelta(minutes=5)) == []


def test_a_resend_kills_no_earlier_code_and_each_has_its_own_five_minutes() -> None:
    first, second = window(number=0), window(number=1, after=timedelta(minutes=2))
    assert live([first, second], at=AT + timedelta(minutes=4)) == [first, second]
    assert live([first, second], at=AT + timedelta(minutes=6)) == [second]
    assert live([first, second], at=AT + timedelta(minutes=7)) == []


def test_a_new_code_can_be_asked_for_two_minutes_after_the_last_one() -> None:
    assert resend_at(window(), rules=RULES) == AT + timedelta(minutes=2)


def test_the_lifetimes_are_those_of_the_rules() -> None:
    rules = Rules(code_lifetime=timedelta(seconds=7), resend_after=timedelta(seconds=3))
    opened = open_window(number=0, at=AT, rules=rules)
    assert opened.expires_at - AT == timedelta(seconds=7)
    assert resend_at(opened, rules=rules) - AT == timedelta(seconds=3)


@given(st.lists(st.integers(0, 3600), max_size=10), st.integers(0, 7200))
def test_the_live_windows_are_those_opened_less_than_five_minutes_ago(opened: list[int], now: int) -> None:
    windows = [window(number=number, after=timedelta(seconds=second)) for number, second in enumerate(sorted(opened))]
    alive = live(windows, at=AT + timedelta(seconds=now))
    assert [w.number for w in alive] == [n for n, second in enumerate(sorted(opened)) if now < second + 300]


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        (timedelta(seconds=90), 90),
        (timedelta(seconds=89, microseconds=1), 90),
        (timedelta(microseconds=1), 1),
        (timedelta(0), 1),
        (timedelta(seconds=-90), 1),
    ],
)
def test_retry_after_is_rounded_up_to_whole_seconds_and_at_least_one(left: timedelta, seconds: int) -> None:
    assert retry_after(AT + left, at=AT) == seconds


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=2)))
def test_who_waits_as_long_as_told_is_never_too_early_nor_a_second_late(left: timedelta) -> None:
    waited = AT + timedelta(seconds=retry_after(AT + left, at=AT))
    assert waited >= AT + left
    assert waited < AT + max(left, timedelta(0)) + timedelta(seconds=1) or left <= timedelta(0)


@pytest.mark.parametrize(
    "text", ["123456", " 123456\n", "123 456", "123-456", "1 2 3 4 5 6", "123\u00a0456", "123\u2011456", "123\u2013456"]
)
def test_spaces_and_hyphens_in_a_code_do_not_matter(text: str) -> None:
    assert normalize_code(text) == "123456"


@pytest.mark.parametrize(
    "text",
    ["", "12345", "1234567", "12345a", "+12345", "123.456", "123456\x00", "1e5000", "-", " " * 6],
)
def test_whatever_else_is_no_code(text: str) -> None:
    assert normalize_code(text) is None


@pytest.mark.parametrize("digit", ["\uff16", "\u0666", "\u096c", "\u00b2", "\u2465", "\U0001d7d4"])
def test_digits_of_other_scripts_are_no_code(digit: str) -> None:
    assert normalize_code(f"12345{digit}") is None
    assert normalize_code(digit * CODE_LENGTH) is None


def test_leading_zeros_are_part_of_the_code() -> None:
    assert normalize_code("000 007") == "000007"


@given(st.text(alphabet=string.digits, min_size=CODE_LENGTH, max_size=CODE_LENGTH), st.data())
def test_every_code_survives_every_way_of_grouping_it(code: str, data: st.DataObject) -> None:
    grouping = st.text(alphabet=" \t\n-\u2010\u2011\u2012\u2013\u2014\u2015\u2009", max_size=3)
    assert normalize_code("".join(data.draw(grouping) + digit for digit in code) + data.draw(grouping)) == code


@given(st.text(max_size=30))
def test_a_normalized_code_is_six_ascii_digits_or_none(text: str) -> None:
    code = normalize_code(text)
    assert code is None or (len(code) == CODE_LENGTH and code.isascii() and code.isdigit())
