"""Permissions: read is always on, and nothing comes in by another spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.errors import UnknownPermission
from countersign.domain.permissions import (
    ALSO_CALLED,
    BOT_PRESET,
    EXPLANATIONS,
    FUNDS,
    Permission,
    funds_permissions,
    parse_permissions,
)


def test_read_is_on_even_when_nothing_is_chosen() -> None:
    assert parse_permissions([]) == (Permission.READ,)


def test_read_cannot_be_left_out() -> None:
    assert parse_permissions(["trade"]) == (Permission.READ, Permission.TRADE)


def test_duplicates_count_once() -> None:
    assert parse_permissions(["trade", "read", "trade", "read"]) == (Permission.READ, Permission.TRADE)


@given(st.permutations(list(Permission)), st.integers(0, len(Permission)))
def test_the_order_is_fixed_whatever_the_order_given(levels: list[Permission], count: int) -> None:
    chosen = {*levels[:count], Permission.READ}
    assert parse_permissions([level.value for level in levels[:count]]) == tuple(p for p in Permission if p in chosen)


@pytest.mark.parametrize("name", ["Trade", "TRADE", " trade", "trade ", "", "funds", "\uff54rade", "withdraw"])
def test_a_name_in_another_spelling_is_unknown(name: str) -> None:
    with pytest.raises(UnknownPermission):
        parse_permissions(["read", name])


def test_it_names_every_unknown_one_and_all_that_are_known() -> None:
    with pytest.raises(UnknownPermission) as caught:
        parse_permissions(["trade", "withdraw", "admin"])
    assert caught.value.detail == (
        "Unknown: admin, withdraw. Known: read, trade, funds_internal, funds_wallet, funds_external."
    )
    assert caught.value.extra == {"known": ["read", "trade", "funds_internal", "funds_wallet", "funds_external"]}


def test_it_names_no_more_than_twenty_and_none_at_length() -> None:
    with pytest.raises(UnknownPermission) as caught:
        parse_permissions([*(f"x{number:02}" for number in range(30)), "a" * 1000])
    assert "x18 and 11 more." in caught.value.detail
    assert "a" * 61 not in caught.value.detail


def test_it_shows_control_characters_as_escape_sequences() -> None:
    with pytest.raises(UnknownPermission) as caught:
        parse_permissions(["\x00\ud800"])
    assert caught.value.detail.startswith("Unknown: \\x00\\ud800.")


def test_every_permission_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Permission)
    assert len(set(EXPLANATIONS.values())) == len(Permission)


def test_the_bot_preset_never_moves_funds() -> None:
    assert BOT_PRESET == (Permission.READ, Permission.TRADE)
    assert funds_permissions(BOT_PRESET) == ()


def test_the_permissions_that_move_funds_are_told_apart_in_their_order() -> None:
    assert funds_permissions(Permission) == (
        Permission.FUNDS_INTERNAL,
        Permission.FUNDS_WALLET,
        Permission.FUNDS_EXTERNAL,
    )
    assert set(funds_permissions(Permission)) == FUNDS


def test_each_permission_is_found_under_the_words_of_other_exchanges() -> None:
    assert ALSO_CALLED == {
        Permission.READ: ("Account balance", "Open orders"),
        Permission.TRADE: ("Place order", "Cancel order"),
        Permission.FUNDS_INTERNAL: ("Internal transfer", "Sub-account transfer"),
        Permission.FUNDS_WALLET: ("Wallet transfer", "Universal transfer"),
        Permission.FUNDS_EXTERNAL: ("Withdrawal",),
    }
