"""Trading limits of an API key, from what is asked for to what is approved and told."""

from typing import Any

import pytest

from tests.support.answers import problem
from tests.support.cast import Cast, Flow, Person
from tests.support.fix import audit
from tests.support.rows import notices, subjects

_SAID = [{"asset": "eth", "order_size": "20.50"}, {"asset": "BTC", "order_size": "1.5", "daily_volume": "010"}]
_ETH = {"asset": "ETH", "order_size": "20.5", "daily_volume": None}
_LIMITS = [{"asset": "BTC", "order_size": "1.5", "daily_volume": "10"}, _ETH]
_EDIT = {"permissions": ["trade"], "ip_whitelist": "", "acknowledge_deactivation": True}


async def _key(person: Person, key_id: str) -> dict[str, Any]:
    return dict((await person.get(f"/api-keys/{key_id}")).json())


async def _edit(person: Person, key_id: str, **changes: object) -> Flow:
    return await person.begin(f"/api-keys/{key_id}/edits", {**_EDIT, **changes})


async def _body(cast: Cast, person: Person, subject: str) -> str:
    await subjects(cast, person)
    [mail] = [mail for mail in cast.providers.mails_to(person.email) if mail["subject"] == subject]
    return str(mail["content"][0]["value"])


async def _was_warned(cast: Cast) -> bool:
    events = [event for event, _ in await notices(cast.core, cast.owner.account_id)]
    return "more_access_requested" in events


async def test_a_key_is_created_and_activated_with_the_limits_that_were_asked_for(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key("bot", trading_limits=_SAID)
    assert (await flow.shown())["trading_limits"] == _LIMITS

    await flow.to_activation_code()
    await flow.enter_activation_code()

    [key] = (await cast.owner.get("/api-keys")).json()
    assert (key["status"], key["trading_limits"]) == ("active", _LIMITS)
    [text] = cast.providers.texts_to(cast.sms_owner.phone)
    assert 'create API key "bot" (read, trade, with trading limits)' in text
    told = "Trading limits: 1.5 BTC an order, 10 BTC a day; 20.5 ETH an order\n"
    for subject in ("Your code to activate “bot”", "API key created: bot", "API key activated: bot"):
        assert told in await _body(cast, cast.sms_owner, subject)
    opened = (await audit(cast.owner, flow.id))[0]
    assert (opened["event"], opened["details"]["trading_limits"]) == ("request:opened", _LIMITS)
    summary = await (await flow.handle.describe()).static_summary()
    assert summary == "create-api-key: bot (read, trade, with trading limits)"


async def test_a_key_without_limits_has_none_and_says_nothing_of_them(cast: Cast) -> None:
    flow = await (await cast.sms_owner.create_api_key("bot")).to_secret()

    [key] = (await cast.owner.get("/api-keys")).json()
    assert (key["trading_limits"], (await flow.shown())["trading_limits"]) == ([], [])
    [text] = cast.providers.texts_to(cast.sms_owner.phone)
    assert "(read, trade)" in text


async def test_every_bad_limit_is_named_at_once(cast: Cast) -> None:
    limits = [{"asset": "BTC", "order_size": "1,5"}, {"asset": "ETH"}, {"asset": "ADA", "daily_volume": "3"}]
    response = await cast.owner.post("/api-keys", {"name": "bot", "permissions": ["trade"], "trading_limits": limits})

    assert problem(response) == (422, "invalid-trading-limits")
    assert response.json()["bad_entries"] == ["BTC order 1,5", "ETH"]


@pytest.mark.parametrize("limits", ["BTC day 1", [["BTC", "1"]], [{"asset": "BTC", "daily_volume": 1.5}]])
async def test_limits_are_a_list_with_amounts_as_text(cast: Cast, limits: object) -> None:
    response = await cast.owner.post("/api-keys", {"name": "bot", "permissions": ["trade"], "trading_limits": limits})

    assert problem(response) == (422, "invalid-input")


async def test_limits_without_the_permission_to_trade_are_refused_at_creation_and_edit(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    new = {"name": "other", "permissions": ["funds_wallet"], "trading_limits": _SAID}
    edit = {**_EDIT, "permissions": ["read"], "trading_limits": _SAID}

    for path, form in (("/api-keys", new), (f"/api-keys/{key_id}/edits", edit)):
        assert problem(await cast.owner.post(path, form)) == (422, "trading-limits-without-trade")


async def test_an_edit_of_limits_alone_is_a_change_that_the_code_applies(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key(trading_limits=_SAID)
    before = await _key(cast.owner, key_id)
    flow = await _edit(cast.owner, key_id, trading_limits=[_ETH])
    assert await _key(cast.owner, key_id) == before
    assert (await flow.shown())["trading_limits"] == [_ETH]

    await flow.to_secret()

    after = await _key(cast.owner, key_id)
    assert (after["status"], after["trading_limits"], after["version"]) == ("inactive", [_ETH], before["version"] + 1)
    [edited] = [each for each in await audit(cast.owner, flow.id) if each["event"] == "credential:edited"]
    told = [edited["details"][side]["trading_limits"] for side in ("before", "after")]
    assert told == [_LIMITS, [_ETH]]


async def test_the_same_limits_in_other_words_change_nothing(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key(trading_limits=_SAID)

    for limits in ({"trading_limits": _SAID[::-1]}, {"trading_limits": _LIMITS}, {}):
        response = await cast.owner.post(f"/api-keys/{key_id}/edits", {**_EDIT, **limits})
        assert problem(response) == (422, "nothing-changed")


async def test_an_edit_that_says_nothing_of_limits_keeps_them(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key(trading_limits=_SAID)

    await (await _edit(cast.owner, key_id, ip_whitelist="203.0.113.7")).to_secret()

    assert (await _key(cast.owner, key_id))["trading_limits"] == _LIMITS


async def test_limits_go_with_the_permission_to_trade(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key(trading_limits=_SAID)

    await (await _edit(cast.owner, key_id, permissions=["read"])).to_secret()

    key = await _key(cast.owner, key_id)
    assert (key["permissions"], key["trading_limits"]) == (["read"], [])
    assert not await _was_warned(cast)


@pytest.mark.parametrize(
    ("limits", "warned"), [([], True), ([{**_ETH, "order_size": "21"}], True), ([{**_ETH, "order_size": "20"}], False)]
)
async def test_owners_are_warned_at_once_of_an_edit_that_loosens_limits(
    cast: Cast, limits: list[dict[str, Any]], *, warned: bool
) -> None:
    key_id = await cast.owner.inactive_api_key("bot", trading_limits=[_ETH])

    await _edit(cast.second_owner, key_id, trading_limits=limits)

    assert await _was_warned(cast) is warned
    if not limits:
        body = await _body(cast, cast.owner, "More access asked for: bot")
        assert "Trading limits: none\n" in body
        assert "Until now:\nPermissions: Read, Trade\nTrading limits: 20.5 ETH an order\n" in body


async def test_activating_later_changes_no_limits(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key(trading_limits=_SAID)
    flow = await cast.owner.begin(f"/api-keys/{key_id}/activations")
    assert (await flow.shown())["trading_limits"] == _LIMITS

    await flow.enter_code()

    key = await _key(cast.owner, key_id)
    assert (key["status"], key["trading_limits"]) == ("active", _LIMITS)
