"""Deactivating API keys; what holds for both kinds, at every step, stands with the deactivation of credentials."""

from tests.support.answers import problem
from tests.support.cast import Cast


async def test_a_deactivation_is_done_at_once_and_asks_for_no_code(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()

    response = await cast.bare_owner.post(f"/api-keys/{key_id}/deactivations")

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["superseded_request"]) == ("inactive", None)
    assert (await cast.owner.get(f"/api-keys/{key_id}")).json()["status"] == "inactive"


async def test_a_deactivation_starts_no_request(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    before = (await cast.owner.get("/requests")).json()

    await cast.owner.post(f"/api-keys/{key_id}/deactivations")

    assert (await cast.owner.get("/requests")).json() == before


async def test_a_deactivation_wins_over_an_edit_that_began_before_it(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key()
    edit = {"permissions": ["funds_wallet"], "ip_whitelist": "", "acknowledge_deactivation": True}
    flow = await cast.owner.begin(f"/api-keys/{key_id}/edits", edit)

    response = await cast.second_owner.post(f"/api-keys/{key_id}/deactivations")

    assert response.json()["superseded_request"] == flow.id
    assert await flow.outcome() == "superseded"
    assert (await flow.enter_code("123456")).status_code == 409
    key = (await cast.owner.get(f"/api-keys/{key_id}")).json()
    assert (key["status"], key["permissions"]) == ("inactive", ["read", "trade"])


async def test_a_deactivation_wins_over_a_mail_code_on_its_way(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    code, [token] = await flow.code(), await flow.link_tokens()
    key_id = (await flow.shown())["credential_id"]

    await cast.owner.post(f"/api-keys/{key_id}/deactivations")

    assert problem(await flow.enter_activation_code(code)) == (409, "request-closed")
    assert problem(await flow.post("/activation-link", {"token": token})) == (409, "request-closed")
    assert (await cast.owner.get(f"/api-keys/{key_id}")).json()["status"] == "inactive"
    assert await flow.handle.result() == "superseded"
