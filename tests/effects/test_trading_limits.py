"""Requests of a release without trading limits, which say nothing of them."""

from typing import LiteralString

from tests.support.house import House

_LIMITS = [{"asset": "BTC", "order_size": None, "daily_volume": "10"}]
_KEPT: LiteralString = "SELECT trading_limits FROM credentials WHERE id = %s"
_FORGET: LiteralString = "UPDATE requests SET trading_limits = NULL WHERE id = %s"


async def test_an_edit_begun_by_such_a_release_leaves_the_limits_as_they_are(house: House) -> None:
    made = await (await house.create_key(trading_limits="BTC day 10")).left_inactive()
    key = (await made.request()).credential_id
    edit = await house.edit_key(key, permissions=["trade"], ip_whitelist="", trading_limits="")
    await house.change(_FORGET, edit.id)

    await edit.to_secret()

    assert await house.select(_KEPT, key) == [(_LIMITS,)]


async def test_what_such_a_release_ended_asked_for_no_limits(house: House) -> None:
    case = await (await house.create_key(trading_limits="BTC day 10")).left_inactive()
    await house.change(_FORGET, case.id)

    assert (await case.request()).trading_limits == ()


async def test_a_creation_begun_by_such_a_release_makes_a_key_without_limits(house: House) -> None:
    case = await house.create_key(trading_limits="BTC day 10")
    await house.change(_FORGET, case.id)

    await case.to_secret()

    assert await house.select(_KEPT, (await case.request()).credential_id) == [([],)]
