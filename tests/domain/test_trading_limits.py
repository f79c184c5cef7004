"""The parser of trading limits: what people type, what programs send, and what must not get through."""

import time
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from countersign.domain.errors import InvalidTradingLimits, LimitsWithoutTrade
from countersign.domain.permissions import BOT_PRESET, Permission
from countersign.domain.trading_limits import (
    MOST_ASSETS,
    TradingLimit,
    TradingLimits,
    loosens,
    parse_trading_limits,
    tell_permissions,
)

assets = st.text(alphabet="ABCXYZ019", min_size=1, max_size=10)
parts = st.tuples(st.integers(0, 10**20 - 1), st.integers(0, 10**18 - 1)).filter(any)
amounts = parts.map(lambda both: f"{both[0]}.{both[1]:018}")
said_limits = st.builds(
    TradingLimit, asset=assets, order_size=st.none() | amounts, daily_volume=st.none() | amounts
).filter(lambda limit: limit.order_size is not None or limit.daily_volume is not None)
some_limits = st.lists(said_limits, max_size=5, unique_by=lambda limit: limit.asset)


def parse(said: str | list[TradingLimit]) -> TradingLimits:
    return parse_trading_limits(said, permissions=BOT_PRESET)


def lines(said: str) -> list[str]:
    return [str(limit) for limit in parse(said)]


def refusal(said: str | list[TradingLimit]) -> InvalidTradingLimits:
    with pytest.raises(InvalidTradingLimits) as caught:
        parse(said)
    return caught.value


@pytest.mark.parametrize("text", ["", "   ", "\n\r\n", ";;\n;", "\u00a0\u200b\ufeff"])
def test_empty_text_means_no_limits(text: str) -> None:
    assert parse(text) == ()


def test_a_line_tells_the_largest_order_and_how_much_a_day() -> None:
    assert parse("BTC order 1.5 day 10") == (TradingLimit(asset="BTC", order_size="1.5", daily_volume="10"),)


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("ETH order 20", TradingLimit(asset="ETH", order_size="20")),
        ("ETH day 5", TradingLimit(asset="ETH", daily_volume="5")),
    ],
)
def test_one_of_the_two_is_enough(line: str, limit: TradingLimit) -> None:
    assert parse(line) == (limit,)


@pytest.mark.parametrize(
    "line",
    [
        "btc order 1.5 day 10",
        "BTC day 10 order 1.5",
        "BTC: order 1.5, day 10",
        "BTC:  Order: 1.5,  Day: 10,",
        "\ufeffBTC\u00a0order\u200b1.5\tDAY 10 ",
        "BTC order 01.50 day 010.000",
    ],
)
def test_case_order_marks_and_zeros_do_not_matter(line: str) -> None:
    assert lines(line) == ["BTC order 1.5 day 10"]


def test_lines_are_told_apart_by_breaks_and_semicolons_and_come_back_by_asset() -> None:
    text = "XRP day 5\r\nBTC day 1;ETH day 2\u2028ADA day 3\n\n1INCH day 4"
    assert lines(text) == ["1INCH day 4", "ADA day 3", "BTC day 1", "ETH day 2", "XRP day 5"]


@pytest.mark.parametrize(
    "line",
    [
        "BTC",
        "BTC 1.5",
        "BTC order",
        "BTC order 1 day",
        "BTC order 1 order 2",
        "BTC size 1",
        "order 1.5",
        "BTC order 1 5",
    ],
)
def test_it_refuses_a_line_of_another_kind_and_shows_one(line: str) -> None:
    error = refusal(line)
    assert error.extra["bad_entries"] == [line]
    assert error.detail == f"Not like BTC order 1.5 day 10: {line}."


@pytest.mark.parametrize(
    "asset", ["BTC-USD", "ABCDEFGHIJK", "B€", "\u0412\u0422\u0421", "\uff22TC", "\u0131", "\u00df", "$"]
)
def test_it_refuses_what_is_no_asset(asset: str) -> None:
    assert refusal(f"{asset} day 1").detail == f"Not an asset of 1 to 10 letters A to Z and digits: {asset} day 1."


@pytest.mark.parametrize(
    "amount",
    ["1,5", "1'000", "1e5", "+1", "-1", ".5", "5.", "1.2.3", "0x10", "NaN", "Infinity", "\u0661", "\uff11", "½"],
)
@pytest.mark.parametrize("what", ["order", "day"])
def test_it_refuses_what_is_no_decimal_with_a_point(what: str, amount: str) -> None:
    said = f"BTC {what} {amount}"
    assert refusal(said).detail == f"Not an amount like 10 or 0.25, with a point: {said}."


@pytest.mark.parametrize("amount", ["0", "0.0", "000.000"])
def test_it_refuses_a_limit_of_nothing(amount: str) -> None:
    assert refusal(f"BTC order {amount}").detail.startswith("Not more than zero: ")


@pytest.mark.parametrize("amount", ["9" * 20, "0." + "0" * 17 + "1", "0" * 90 + "1." + "9" * 18 + "0" * 90])
def test_it_takes_20_digits_before_the_point_and_18_after_it(amount: str) -> None:
    [limit] = parse(f"BTC order {amount}")
    assert Decimal(limit.order_size or "") == Decimal(amount)


@pytest.mark.parametrize("amount", ["1" + "0" * 20, "0." + "0" * 18 + "1"])
def test_it_refuses_one_digit_more(amount: str) -> None:
    assert refusal(f"BTC day {amount}").detail.startswith("Over 20 digits before the point or 18 after it: ")


def test_it_refuses_a_second_limit_of_an_asset_however_it_is_written() -> None:
    error = refusal("BTC day 1\nETH day 2\nbtc order 3")
    assert error.extra["bad_entries"] == ["btc order 3"]
    assert error.detail == "More than one limit of one asset: btc order 3."


def test_it_names_every_bad_entry_at_once_by_what_is_wrong_with_it() -> None:
    error = refusal("BTC order 1,5\nETH day 2\nETH day 3\nADA\nXRP day -1\nnonsense")
    assert error.extra["bad_entries"] == ["BTC order 1,5", "ETH day 3", "ADA", "XRP day -1", "nonsense"]
    assert error.detail == (
        "Not an amount like 10 or 0.25, with a point: BTC order 1,5, XRP day -1. "
        "More than one limit of one asset: ETH day 3. "
        "Not like BTC order 1.5 day 10: ADA, nonsense."
    )


def test_it_takes_as_many_assets_as_the_limit_and_not_one_more() -> None:
    twenty = "\n".join(f"A{number} day 1" for number in range(MOST_ASSETS))
    assert len(parse(twenty)) == MOST_ASSETS
    error = refusal(f"{twenty}\nB day 1")
    assert (error.detail, error.extra) == ("At most 20 assets; these are 21.", {"limit": 20})


def test_what_programs_send_is_held_to_the_same() -> None:
    sent = [
        TradingLimit(asset="BTC", order_size="1", daily_volume=None),
        TradingLimit(asset="BTC day 5", order_size="1"),
        TradingLimit(asset="ETH"),
        TradingLimit(asset="ADA", order_size=""),
    ]
    assert parse(sent[:1]) == (sent[0],)
    error = refusal(sent)
    assert error.extra["bad_entries"] == ["BTC day 5 order 1", "ETH", "ADA order "]
    assert "Neither an order size nor a daily volume: ETH." in error.detail


def test_limits_without_the_permission_to_trade_are_refused_and_none_are_not() -> None:
    for permissions in ((Permission.READ,), (Permission.READ, Permission.FUNDS_WALLET)):
        assert parse_trading_limits("", permissions=permissions) == ()
        with pytest.raises(LimitsWithoutTrade):
            parse_trading_limits("BTC day 1", permissions=permissions)


def test_the_first_hundred_bad_entries_are_named_in_words() -> None:
    detail = refusal(";".join(f"bad{number}" for number in range(101))).detail
    assert detail.endswith("bad99 and 1 more.")


def test_what_is_kept_as_json_comes_back_as_it_was() -> None:
    limits, kept = parse("BTC order 1.5 day 10\nETH order 20"), TypeAdapter(TradingLimits)
    assert kept.validate_json(kept.dump_json(limits)) == limits
    assert len({*limits, *parse("eth order 20.0\nbtc order 1.5 day 10")}) == 2


def test_a_limit_reads_as_people_say_it() -> None:
    words = [limit.in_words for limit in parse("BTC order 1.5 day 10\nETH order 20\nXRP day 5000")]
    assert words == ["1.5 BTC an order, 10 BTC a day", "20 ETH an order", "5000 XRP a day"]


def test_one_line_tells_permissions_and_that_there_are_limits() -> None:
    assert tell_permissions(BOT_PRESET, ()) == "read, trade"
    assert tell_permissions(BOT_PRESET, parse("BTC day 1")) == "read, trade, with trading limits"
    assert tell_permissions((), ()) == ""


@pytest.mark.parametrize(
    ("before", "after", "is_looser"),
    [
        ("", "", False),
        ("", "BTC day 1", False),
        ("BTC day 1", "BTC day 1", False),
        ("BTC day 10", "BTC day 9.5", False),
        ("BTC day 1", "BTC order 1 day 1", False),
        ("BTC day 1", "BTC day 1\nETH day 1", False),
        ("BTC day 1", "", True),
        ("BTC day 9", "BTC day 10", True),
        ("BTC order 9", "BTC order 9.000000000000000001", True),
        ("BTC order 1 day 9", "BTC order 1", True),
        ("BTC order 1 day 9", "BTC day 9", True),
        ("ADA day 1\nBTC day 1", "ADA day 1\nETH day 1", True),
    ],
)
def test_an_edit_loosens_when_more_of_an_asset_may_be_traded(before: str, after: str, *, is_looser: bool) -> None:
    assert loosens(parse(before), parse(after)) is is_looser


@given(some_limits)
def test_what_came_out_goes_in_unchanged_as_text_and_as_limits(said: list[TradingLimit]) -> None:
    once = parse(said)
    assert parse("\n".join(map(str, once))) == once
    assert parse(list(once)) == once
    assert parse("\n".join(map(str, said))) == once


@given(some_limits)
def test_every_amount_keeps_its_value(said: list[TradingLimit]) -> None:
    values = {limit.asset: (limit.order_size, limit.daily_volume) for limit in parse(said)}
    for limit in said:
        for before, after in zip((limit.order_size, limit.daily_volume), values[limit.asset], strict=True):
            assert (before is None) == (after is None)
            assert Decimal(before or 0) == Decimal(after or 0)


@given(some_limits, some_limits)
def test_there_and_back_again_loosens_one_way_at_least(one: list[TradingLimit], other: list[TradingLimit]) -> None:
    there, back = parse(one), parse(other)
    assert not loosens(there, there)
    assert there == back or loosens(there, back) or loosens(back, there)


@given(st.text(max_size=60) | st.text(alphabet="BTorderday019.,:; \n", max_size=40))
def test_any_text_is_either_parsed_or_refused_with_printable_reasons(text: str) -> None:
    said: tuple[str, ...] = ()
    try:
        said = tuple(map(str, parse(text)))
    except InvalidTradingLimits as error:
        said = (error.detail, *error.extra.get("bad_entries", ()))
    assert all(part.isprintable() for part in said)


@given(st.text(alphabet="0123456789.+-eE,_", min_size=1, max_size=45))
def test_an_amount_is_refused_or_kept_exactly(text: str) -> None:
    with suppress(InvalidTradingLimits):
        [limit] = parse([TradingLimit(asset="BTC", order_size=text)])
        assert limit.order_size == f"{Decimal(text).normalize():f}" or len(text) > 28
        assert Decimal(limit.order_size or 0) == Decimal(text)


def test_a_paste_of_sixty_thousand_digits_is_answered_quickly() -> None:
    began = time.process_time()
    for digits in ("0" * 60_000 + "1", "1." + "0" * 60_000, "9" * 60_000 + "x", " ".join("1" * 30_000)):
        with suppress(InvalidTradingLimits):
            parse(f"BTC order {digits}")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\u202e", "\ud800", "\U000e0001"])
def test_it_names_control_characters_by_their_escape_sequence(character: str) -> None:
    error = refusal(f"BTC{character} day 1")
    assert error.extra["bad_entries"] == [f"BTC{character.encode('unicode_escape').decode()} day 1"]
    assert error.detail.isprintable()
