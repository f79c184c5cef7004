"""A request's pages, where an answer must not take away what is shown, and for whom they are there."""

from tests.support.cast import Cast
from tests.support.pages import Reader
from tests.support.rows import notices
from tests.support.security import acting_for, also_owner_of, begin_change


async def test_the_secret_stays_on_the_page_when_activating_cannot_go_on(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()
    olivia = await Reader.signed_in(cast.owner)

    page = await olivia.post(f"/settings/requests/{flow.id}/activation", {"when": "now"}, fragment=True)

    assert page.status == 422
    assert page.response.headers["hx-reswap"] == "none"
    assert "Tick that you have saved it first" in page.response.headers["hx-trigger"]


async def test_a_page_of_its_own_says_what_is_missing(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()
    olivia = await Reader.signed_in(cast.owner)

    page = await olivia.post(f"/settings/requests/{flow.id}/activation", {"when": "now"})

    assert page.status == 422
    assert "Tick that you have saved it first" in page.text
    assert "edit" not in page.text


async def test_a_form_key_that_no_form_of_ours_makes_is_refused(cast: Cast) -> None:
    olivia = await Reader.signed_in(cast.owner)

    page = await olivia.post("/settings/api-keys/new", {"name": "bot", "key": "\x00"})

    assert page.status == 422
    assert await notices(cast.core, cast.owner.account_id) == []


async def test_a_change_of_ones_two_factor_is_there_whichever_account_one_acts_for(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "off")
    with acting_for(cast.owner, await also_owner_of(cast.owner, cast.outsider)):
        olivia, stranger = await Reader.signed_in(cast.owner), await Reader.signed_in(cast.outsider)

    [link] = {link for link in (await olivia.get("/settings/security")).links if link.endswith(flow.id)}

    assert (await olivia.get(link)).status == 200
    assert (await stranger.get(link)).status == 404
    await olivia.send((await olivia.get(f"{link}/cancel")).form_to(f"{link}/cancel"))
    assert "Cancelled" in (await olivia.get(link)).text
