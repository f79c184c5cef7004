from typing import Any

import pytest

from tests.support.answers import enter_wrong_codes, problem
from tests.support.cast import Cast, Flow, Person


async def _activate(person: Person, key_id: str) -> Flow:
    return await person.begin(f"/api-keys/{key_id}/activations")


async def _key(person: Person, key_id: str) -> dict[str, Any]:
    return dict((await person.get(f"/api-keys/{key_id}")).json())


@pytest.mark.parametrize("who", ["owner", "sms_owner"])
async def test_an_inactive_key_is_activated_by_the_two_factor_code_alone(cast: Cast, who: str) -> None:
    person: Person = getattr(cast, who)
    key_id = await cast.second_owner.inactive_api_key()
    flow = await _activate(person, key_id)

    assert (await flow.enter_code()).json()["outcome"] == "activated"

    assert (await _key(person, key_id))["status"] == "active"
    assert await flow.handle.result() == "activated"


async def test_the_activation_shows_which_key_and_what_it_may_do(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key("bot", permissions=["trade"], ip_whitelist="203.0.113.7")

    shown = await (await _activate(cast.owner, key_id)).shown()

    assert (shown["journey"], shown["name"]) == ("activate-api-key", "bot")
    assert (shown["permissions"], shown["ip_whitelist"]) == (["read", "trade"], ["203.0.113.7"])


async def test_a_deactivated_key_can_be_activated_again(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    await cast.owner.post(f"/api-keys/{key_id}/deactivations")

    await (await _activate(cast.owner, key_id)).enter_code()

    assert (await _key(cast.owner, key_id))["status"] == "active"


async def test_an_active_key_cannot_be_activated(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()

    response = await cast.owner.post(f"/api-keys/{key_id}/activations")

    assert problem(response) == (409, "wrong-status")
    assert response.json()["credential_status"] == "active"


async def test_a_discarded_key_is_not_there(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()
    key_id = (await flow.shown())["credential_id"]
    await flow.cancel()

    assert problem(await cast.owner.post(f"/api-keys/{key_id}/activations")) == (404, "not-found")


async def test_without_two_factor_an_activation_stops_before_it_starts(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()

    response = await cast.bare_owner.post(f"/api-keys/{key_id}/activations")

    assert problem(response) == (403, "two-factor-not-enabled")
    assert response.json()["enable_at"].startswith("http")


async def test_an_activation_cancelled_or_refused_or_expired_leaves_the_key_as_it_was(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    before = await _key(cast.owner, key_id)

    cancelled = await _activate(cast.owner, key_id)
    await cancelled.cancel()
    refused = await _activate(cast.owner, key_id)
    await enter_wrong_codes(refused, 5)
    expired = await _activate(cast.owner, key_id)
    await expired.skip(minutes=30)

    outcomes = [await flow.outcome() for flow in (cancelled, refused, expired)]
    assert outcomes == ["cancelled", "refused", "expired"]
    assert await _key(cast.owner, key_id) == before


async def test_an_activation_of_an_inactive_key_mails_no_code(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    await (await _activate(cast.owner, key_id)).enter_code()

    assert not [each for each in cast.providers.subjects_to(cast.owner.email) if each.startswith("Your code")]
