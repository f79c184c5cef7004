"""Funds permissions that are held back: until when, and what is in effect meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.holding import held_until, hold_ends
from countersign.domain.permissions import FUNDS, Permission, adds_funds, effective_permissions
from countersign.domain.rules import Rules

RULES = Rules()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=24)
MICROSECOND = timedelta(microseconds=1)
ALL = tuple(Permission)

levels = st.lists(st.sampled_from(Permission), unique=True)
moments = st.datetimes(timezones=st.just(UTC))


def test_a_change_holds_funds_back_for_24_hours() -> None:
    assert hold_ends(NOON, rules=RULES) == LATER


def test_who_never_changed_anything_brings_no_hold_about() -> None:
    assert hold_ends(None, rules=RULES) is None


@pytest.mark.parametrize(
    ("ends", "until"),
    [((LATER, None), LATER), ((NOON + MICROSECOND, LATER), LATER), ((LATER, NOON), LATER), ((NOON, None), None)],
)
def test_the_later_end_counts_and_one_that_has_come_does_not(
    ends: tuple[datetime | None, ...], until: datetime | None
) -> None:
    assert held_until(*ends, at=NOON) == until


@given(before=st.none() | moments, more=st.none() | moments, at=moments)
def test_no_hold_ever_shortens_another(before: datetime | None, more: datetime | None, at: datetime) -> None:
    until = held_until(before, more, at=at)

    for end in (before, more):
        assert end is None or end <= at or (until is not None and until >= end)
    assert until is None or until > at


@pytest.mark.parametrize(
    ("at", "in_effect"),
    [
        (LATER - MICROSECOND, (Permission.READ, Permission.TRADE)),
        (LATER, ALL),
        (LATER + MICROSECOND, ALL),
    ],
)
def test_funds_permissions_are_in_effect_from_the_very_moment_on(
    at: datetime, in_effect: tuple[Permission, ...]
) -> None:
    assert effective_permissions(ALL, funds_from=LATER, at=at) == in_effect


@given(granted=levels, funds_from=st.none() | moments, at=moments)
def test_nothing_but_funds_is_ever_held_back_and_nothing_is_added(
    granted: list[Permission], funds_from: datetime | None, at: datetime
) -> None:
    in_effect = effective_permissions(granted, funds_from=funds_from, at=at)

    assert [level for level in granted if level not in FUNDS or level in in_effect] == list(in_effect)
    assert funds_from is not None or list(in_effect) == granted


@pytest.mark.parametrize(
    ("before", "after", "adds"),
    [
        ([], [Permission.FUNDS_WALLET], True),
        ([Permission.FUNDS_WALLET], [Permission.FUNDS_WALLET], False),
        ([Permission.FUNDS_WALLET], [Permission.FUNDS_EXTERNAL], True),
        ([Permission.READ], [Permission.READ, Permission.TRADE], False),
        ([Permission.FUNDS_EXTERNAL], [Permission.READ], False),
    ],
)
def test_funds_are_added_where_a_level_that_moves_money_is_new(
    before: list[Permission], after: list[Permission], *, adds: bool
) -> None:
    assert adds_funds(before, after) is adds
