"""Pages take trading limits as people type them, say how they understand them, and show them wherever the key is."""

import pytest

from tests.support.cast import Cast, Person
from tests.support.pages import Page, Reader

UNDERSTOOD = "/settings/api-keys/understood"
NEW = "/settings/api-keys/new"
TYPED = "eth order 20\nBTC: day 10, order 1.50"
WORDS = ("1.5 BTC an order, 10 BTC a day", "20 ETH an order")
LIMITS = [
    {"asset": "BTC", "order_size": "1.5", "daily_volume": "10"},
    {"asset": "ETH", "order_size": "20", "daily_volume": None},
]


async def understood(person: Person, text: str, *levels: str, key: str = "") -> Page:
    reader = await Reader.signed_in(person)
    form = {"trading_limits": text, "permissions": " ".join(levels), **({"credential_id": key} if key else {})}
    return await reader.post(UNDERSTOOD, form, fragment=True)


def shows(page: Page, *told: str) -> bool:
    return page.status == 200 and all(each in page.text for each in told)


async def test_limits_are_summed_up_as_they_are_understood(cast: Cast) -> None:
    page = await understood(cast.owner, TYPED, "trade")

    assert shows(page, "No whitelist:", "Trading limits: 1.5 BTC an order, 10 BTC a day 20 ETH an order")
    assert "Trading limits" not in (await understood(cast.owner, "", "trade")).text


async def test_what_is_wrong_with_them_is_told_while_they_are_typed(cast: Cast) -> None:
    wrong = await understood(cast.owner, "BTC order 1,5\nnonsense", "trade")
    without_trade = await understood(cast.owner, TYPED)

    told = (
        "The trading limits have entries that cannot stay. Not an amount like 10 or 0.25, with a point: BTC order 1,5."
    )
    assert shows(wrong, told, "Not like BTC order 1.5 day 10: nonsense.")
    assert shows(without_trade, "Trading limits need the permission to trade: give it, or leave the limits empty.")
    assert "cannot stay" not in without_trade.text


async def test_a_long_text_is_not_summed_up(cast: Cast) -> None:
    page = await understood(cast.owner, "BTC day 1 " * 801, "trade")

    assert shows(page, "are not summed up here")


async def test_what_an_edit_changes_about_them_is_summed_up(cast: Cast) -> None:
    key = await cast.owner.inactive_api_key(trading_limits=LIMITS)

    page = await understood(cast.owner, "ADA day 1\nETH order 30", "trade", key=key)
    same = await understood(cast.owner, TYPED, "trade", key=key)

    assert shows(page, "Limits trading to 1 ADA a day Limits trading to 30 ETH an order (until now 20 ETH an order)")
    assert shows(page, "No longer limits trading of BTC (until now 1.5 BTC an order, 10 BTC a day)")
    assert shows(same, "Nothing yet: an edit that changes nothing is refused.")


@pytest.mark.parametrize("fragment", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize(
    ("permissions", "told"),
    [
        ("trade", "The trading limits have entries that are not limits."),
        ("read", "Trading limits need the permission to trade"),
    ],
)
async def test_a_form_that_is_refused_keeps_what_was_typed(
    cast: Cast, permissions: str, told: str, *, fragment: bool
) -> None:
    olivia, text = await Reader.signed_in(cast.owner), "BTC day 1" + (" 5" if permissions == "trade" else "")

    form = {"name": "bot", "permissions": permissions, "trading_limits": text}
    page = await olivia.post(NEW, form, fragment=fragment)

    assert (page.status, told in page.text) == (422, True)
    assert f"{text}</textarea>" in page.response.text
    field = page.response.text.partition('id="trading-limits"')[2].partition(">")[0]
    assert 'aria-invalid="true"' in field
    assert "problem" in field


async def test_a_creation_is_begun_from_the_form_and_shown_with_its_limits(cast: Cast) -> None:
    olivia, otto = await Reader.signed_in(cast.owner), await Reader.signed_in(cast.ops)
    form = {"name": "bot", "permissions": "trade", "trading_limits": TYPED}
    assert (await olivia.post(NEW, form)).status == 303
    [request] = (await cast.owner.get("/requests")).json()
    assert request["trading_limits"] == LIMITS

    pages = [await (await Reader.signed_in(cast.second_owner)).get(f"/settings/requests/{request['id']}")]
    pages += [await otto.get(f"/ops/requests/{request['id']}")]

    assert [page for page in pages if not shows(page, "Trading limits", *WORDS)] == []


async def test_a_key_is_shown_with_its_limits_wherever_it_is_shown(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key("bot", trading_limits=LIMITS)).to_activation_code()
    olivia, key = await Reader.signed_in(cast.owner), f"/settings/api-keys/{(await flow.shown())['credential_id']}"

    pages = [await olivia.get(path) for path in (key, f"{key}/deactivate", f"/activate/{flow.id}")]
    await flow.enter_activation_code()
    pages += [await olivia.get(f"/settings/requests/{flow.id}")]
    assert [page for page in pages if not shows(page, "Trading limits", *WORDS)] == []

    assert shows(await olivia.get("/settings/api-keys"), "Limits for BTC, ETH")
    assert shows(await olivia.get("/settings/api-keys?q=eth"), "Limits for BTC, ETH")
    edit = await olivia.get(f"{key}/edit")
    assert "BTC order 1.5 day 10\nETH order 20</textarea>" in edit.response.text


async def test_many_limits_are_told_in_short_in_the_list(cast: Cast) -> None:
    limits = [{"asset": f"A{number}", "order_size": "1"} for number in range(5)]
    await cast.owner.inactive_api_key("bot", trading_limits=limits)

    page = await (await Reader.signed_in(cast.owner)).get("/settings/api-keys")

    assert shows(page, "Limits for A0, A1, A2 + 2 more")


async def test_of_limits_it_is_said_that_there_are_none_only_where_the_key_may_trade(cast: Cast) -> None:
    keys = [await cast.owner.inactive_api_key(name, permissions=[name]) for name in ("trade", "funds_wallet")]
    olivia = await Reader.signed_in(cast.owner)

    told = [(await olivia.get(f"/settings/api-keys/{key}")).text for key in keys]

    assert ["Trading limits None" in each for each in told] == [True, False]
    assert "Trading limits" not in told[1]


async def test_an_edit_of_limits_is_told_in_the_activity(cast: Cast) -> None:
    key = await cast.owner.inactive_api_key("bot", trading_limits=LIMITS[:1])
    form = {"permissions": ["trade"], "ip_whitelist": "", "trading_limits": LIMITS[1:]}
    flow = await cast.owner.begin(f"/api-keys/{key}/edits", {**form, "acknowledge_deactivation": True})
    await flow.to_secret()

    page = await (await Reader.signed_in(cast.owner)).get(f"/settings/api-keys/{key}")

    assert shows(page, "+ 20 ETH an order, \u2212 1.5 BTC an order, 10 BTC a day")
