"""A request whose time ran out unnoticed stands in nobody's way, and what it leaves is seen as it is."""

from tests.support.answers import problem
from tests.support.cast import Cast
from tests.support.rows import let_deadline_pass

_EDIT = {"permissions": ["read"], "ip_whitelist": "203.0.113.9", "acknowledge_deactivation": True}


async def test_a_key_whose_mailed_code_ran_out_unnoticed_is_edited_in_the_version_that_this_left(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    key = (await flow.shown())["credential_id"]
    await let_deadline_pass(cast.core, flow.id)

    edit = await cast.owner.begin(f"/api-keys/{key}/edits", _EDIT)

    assert (await edit.enter_code()).status_code == 200
    assert await edit.step() == "activation_choice"
    assert (await cast.owner.get(f"/api-keys/{key}")).json()["ip_whitelist"] == ["203.0.113.9"]


async def test_a_key_whose_mailed_code_ran_out_unnoticed_is_inactive_and_can_be_activated(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    key = (await flow.shown())["credential_id"]
    await let_deadline_pass(cast.core, flow.id)

    activation = await cast.owner.begin(f"/api-keys/{key}/activations")

    assert (await activation.enter_code()).status_code == 200
    assert (await cast.owner.get(f"/api-keys/{key}")).json()["status"] == "active"


async def test_nothing_is_begun_about_credentials_whose_secret_was_never_saved_in_time(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()
    credentials = (await flow.shown())["credential_id"]
    await let_deadline_pass(cast.core, flow.id)

    answer = await cast.owner.post(f"/fix-credentials/{credentials}/activations")

    assert problem(answer) == (404, "not-found")
    assert [each["id"] for each in (await cast.owner.get("/requests")).json()] == [flow.id]
