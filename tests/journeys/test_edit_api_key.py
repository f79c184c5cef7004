from typing import Any

import pytest

from tests.support.answers import as_seen_by, enter_wrong_codes, problem
from tests.support.cast import Cast, Flow, Person
from tests.support.rows import let_deadline_pass

_FORM: dict[str, Any] = {
    "permissions": ["read", "funds_internal"],
    "ip_whitelist": "198.51.100.7",
    "acknowledge_deactivation": True,
}


async def _edit(person: Person, key_id: str, **changes: object) -> Flow:
    return await person.begin(f"/api-keys/{key_id}/edits", {**_FORM, **changes})


async def _key(person: Person, key_id: str) -> dict[str, Any]:
    return dict((await person.get(f"/api-keys/{key_id}")).json())


def _fields(key: dict[str, Any]) -> tuple[str, list[str], list[str]]:
    return key["status"], key["permissions"], key["ip_whitelist"]


async def test_an_edit_is_applied_and_deactivates_an_active_key_with_the_two_factor_code(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    flow = await _edit(cast.owner, key_id)

    await flow.to_secret()

    assert await flow.step() == "activation_choice"
    assert _fields(await _key(cast.owner, key_id)) == ("inactive", ["read", "funds_internal"], ["198.51.100.7"])


async def test_an_edited_key_is_activated_by_the_mail_code(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    flow = await _edit(cast.owner, key_id)
    await flow.to_activation_code()

    assert (await flow.enter_activation_code()).json()["outcome"] == "activated"
    assert _fields(await _key(cast.owner, key_id)) == ("active", ["read", "funds_internal"], ["198.51.100.7"])
    assert await flow.handle.result() == "activated"


async def test_an_edited_key_is_activated_by_the_link(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    flow = await _edit(cast.owner, key_id)
    await flow.to_activation_code()
    [token] = await flow.link_tokens()

    assert (await flow.post("/activation-link", {"token": token})).json()["outcome"] == "activated"


async def test_an_inactive_key_can_be_edited_and_stays_inactive_with_activate_later(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    flow = await _edit(cast.owner, key_id)
    await flow.to_choice()

    assert (await flow.choose("later")).json()["outcome"] == "left_inactive"
    assert _fields(await _key(cast.owner, key_id)) == ("inactive", ["read", "funds_internal"], ["198.51.100.7"])


async def test_an_edit_keeps_name_and_key(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key("bot")
    before = await _key(cast.owner, key_id)

    await (await _edit(cast.owner, key_id)).to_secret()

    after = await _key(cast.owner, key_id)
    assert (after["name"], after["key"]) == (before["name"], before["key"])
    assert after["version"] > before["version"]


async def test_an_edit_cancelled_before_the_code_changes_nothing(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    before = await _key(cast.owner, key_id)
    flow = await _edit(cast.owner, key_id)

    await flow.cancel()

    assert await _key(cast.owner, key_id) == before
    assert before["status"] == "active"


async def test_an_edit_refused_after_five_wrong_codes_changes_nothing(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    before = await _key(cast.owner, key_id)
    flow = await _edit(cast.owner, key_id)

    await enter_wrong_codes(flow, 5)

    assert await flow.outcome() == "refused"
    assert await _key(cast.owner, key_id) == before


async def test_an_edit_whose_code_never_came_changes_nothing(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    before = await _key(cast.owner, key_id)
    flow = await _edit(cast.owner, key_id)

    await flow.skip(minutes=30)

    assert await flow.outcome() == "expired"
    assert await _key(cast.owner, key_id) == before


@pytest.mark.parametrize("waiting_for_mail", [False, True])
async def test_an_edit_cancelled_after_the_code_stays_applied_and_inactive(
    cast: Cast, *, waiting_for_mail: bool
) -> None:
    key_id = await cast.owner.active_api_key()
    flow = await _edit(cast.owner, key_id)
    await (flow.to_activation_code() if waiting_for_mail else flow.to_choice())

    assert (await flow.cancel()).json()["outcome"] == "cancelled"
    assert _fields(await _key(cast.owner, key_id)) == ("inactive", ["read", "funds_internal"], ["198.51.100.7"])


async def test_an_edit_that_is_never_activated_stays_applied_and_inactive(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    flow = await _edit(cast.owner, key_id)
    await flow.to_choice()

    await flow.skip(hours=24)

    assert await flow.outcome() == "left_inactive"
    assert _fields(await _key(cast.owner, key_id)) == ("inactive", ["read", "funds_internal"], ["198.51.100.7"])


async def test_an_edit_needs_the_tick_that_the_key_will_be_deactivated(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()

    for form in ({**_FORM, "acknowledge_deactivation": False}, {"permissions": [], "ip_whitelist": ""}):
        response = await cast.owner.post(f"/api-keys/{key_id}/edits", form)
        assert problem(response) == (422, "acknowledgement-missing")


async def test_an_edit_that_changes_nothing_is_refused_whatever_the_order(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key(permissions=["trade"], ip_whitelist="203.0.113.7 203.0.113.8")
    same = {**_FORM, "permissions": ["trade"], "ip_whitelist": "203.0.113.8;203.0.113.7,203.0.113.8"}

    assert problem(await cast.owner.post(f"/api-keys/{key_id}/edits", same)) == (422, "nothing-changed")


@pytest.mark.parametrize(
    "change", [{"permissions": ["trade", "funds_wallet"]}, {"ip_whitelist": ""}, {"permissions": []}]
)
async def test_an_edit_of_one_field_alone_is_enough(cast: Cast, change: dict[str, object]) -> None:
    key_id = await cast.owner.inactive_api_key(permissions=["trade"], ip_whitelist="203.0.113.7")
    form = {**_FORM, "permissions": ["trade"], "ip_whitelist": "203.0.113.7", **change}

    assert (await cast.owner.post(f"/api-keys/{key_id}/edits", form)).status_code == 202


async def test_an_edit_cannot_switch_read_off(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key(permissions=["trade"])
    flow = await _edit(cast.owner, key_id, permissions=[])

    await flow.to_secret()

    assert (await _key(cast.owner, key_id))["permissions"] == ["read"]


async def test_an_edit_names_every_bad_whitelist_entry(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()

    response = await cast.owner.post(f"/api-keys/{key_id}/edits", {**_FORM, "ip_whitelist": "1.2.3;nowhere"})

    assert problem(response) == (422, "invalid-ip-whitelist")
    assert len(response.json()["bad_entries"]) == 2


async def test_without_two_factor_an_edit_stops_before_it_starts(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()

    response = await cast.bare_owner.post(f"/api-keys/{key_id}/edits", _FORM)

    assert problem(response) == (403, "two-factor-not-enabled")
    assert response.json()["enable_at"].startswith("http")


async def test_an_edit_has_no_secret_step(cast: Cast) -> None:
    flow = await _edit(cast.owner, await cast.owner.inactive_api_key())
    await flow.to_secret()

    assert problem(await flow.save()) == (409, "not-at-this-step")


async def test_a_second_request_about_a_key_is_refused_with_the_id_of_the_first(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    first = await _edit(cast.owner, key_id)

    for path, form in ((f"/api-keys/{key_id}/edits", _FORM), (f"/api-keys/{key_id}/activations", None)):
        response = await cast.second_owner.post(path, form)
        assert problem(response) == (409, "request-open")
        assert response.json()["request_id"] == first.id


async def test_a_creation_that_still_waits_is_the_one_open_request_of_its_key(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    key_id = (await flow.shown())["credential_id"]

    response = await cast.owner.post(f"/api-keys/{key_id}/edits", _FORM)

    assert problem(response) == (409, "request-open")
    assert response.json()["request_id"] == flow.id


async def test_after_the_first_is_cancelled_by_any_owner_a_second_works(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    first = await _edit(cast.owner, key_id)

    assert (await as_seen_by(cast.second_owner, first).cancel()).status_code == 200

    await (await _edit(cast.second_owner, key_id)).to_secret()


async def test_an_overdue_request_does_not_stand_in_the_way_of_a_new_one(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key()
    first = await _edit(cast.owner, key_id)
    await let_deadline_pass(cast.core, first.id)

    second = await _edit(cast.owner, key_id)

    assert await first.outcome() == "expired"
    await second.to_secret()


async def test_one_key_can_be_edited_while_another_one_is(cast: Cast) -> None:
    first, second = await cast.owner.inactive_api_key("first"), await cast.owner.inactive_api_key("second")
    await _edit(cast.owner, first)

    assert (await cast.owner.post(f"/api-keys/{second}/edits", _FORM)).status_code == 202
