"""Where the link in the activation mail leads."""

import httpx
import pytest

from tests.support.cast import Cast, Flow
from tests.support.opened import edit_at_code, fix_at_manager, key_at_choice, key_at_code
from tests.support.pages import Form, Page, Reader
from tests.support.rows import change


@pytest.fixture
async def flow(cast: Cast) -> Flow:
    """A creation that waits for the code or link from the mail."""
    form = {"permissions": ["trade", "funds_external"], "ip_whitelist": "203.0.113.7"}
    return await (await cast.owner.create_api_key("Market maker", **form)).to_activation_code()


@pytest.fixture
async def olivia(cast: Cast) -> Reader:
    return await Reader.signed_in(cast.owner)


async def token_of(flow: Flow) -> str:
    return (await flow.link_tokens())[-1]


async def form_of(reader: Reader, flow: Flow) -> Form:
    return (await reader.get(f"/activate/{flow.id}")).form_to(f"/activate/{flow.id}")


async def status_of(flow: Flow) -> str:
    key = (await flow.shown())["credential_id"]
    return str((await flow.person.get(f"/api-keys/{key}")).json()["status"])


async def press(reader: Reader, flow: Flow, *, fragment: bool = True) -> Page:
    """Open the link and press its button, as the page's script would have filled the form."""
    return await reader.send(await form_of(reader, flow), token=await token_of(flow), fragment=fragment)


async def test_without_a_session_it_asks_to_sign_in_and_stays_where_it_is(flow: Flow, http: httpx.AsyncClient) -> None:
    page = await Reader(http).get(f"/activate/{flow.id}")

    # A redirect would take the fragment along to the identity provider.
    assert page.status == 200
    assert "Sign in to go on" in page.text
    assert "/sign-in?next=/signed-in" in page.links
    assert "Market maker" not in page.response.text


async def test_the_owner_sees_what_the_link_would_activate(flow: Flow, olivia: Reader) -> None:
    page = await olivia.get(f"/activate/{flow.id}")

    told = (
        "Activate Market maker?",
        "csk_",
        "Withdraw funds",
        "203.0.113.7",
        "Asked by owner",
        "Time left 23 h 59 min",
    )
    assert all(part in page.text for part in told), page.text


async def test_opening_it_activates_nothing(flow: Flow, olivia: Reader) -> None:
    token = await token_of(flow)

    for query in ("", f"?token={token}", f"?link_token={token}"):
        await olivia.get(f"/activate/{flow.id}{query}")

    assert await status_of(flow) == "awaiting_activation"


@pytest.mark.parametrize("fragment", [True, False], ids=["with script", "without script"])
async def test_the_button_activates_and_shows_what_the_key_may_do(
    flow: Flow, olivia: Reader, *, fragment: bool
) -> None:
    done = await press(olivia, flow, fragment=fragment)

    assert done.status == 200
    assert all(part in done.text for part in ("Active: Market maker", "Review what it may do", "Withdraw funds"))
    assert await status_of(flow) == "active"


async def test_it_serves_an_edit_too(cast: Cast) -> None:
    flow = await edit_at_code(cast)

    done = await press(await Reader.signed_in(flow.person), flow)

    assert (done.status, await status_of(flow)) == (200, "active")


async def test_pressing_twice_counts_once(flow: Flow, olivia: Reader) -> None:
    form, token = await form_of(olivia, flow), await token_of(flow)

    answers = [await olivia.send(form, token=token, fragment=True) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]


async def test_without_its_token_it_leads_to_the_code_of_the_same_mail(flow: Flow, olivia: Reader) -> None:
    page = await olivia.get(f"/activate/{flow.id}")
    refused = await olivia.send(page.form_to(f"/activate/{flow.id}"))

    assert f"/settings/requests/{flow.id}" in page.links
    assert "enter the code of the same mail" in page.text
    assert refused.status == 422
    assert await status_of(flow) == "awaiting_activation"


@pytest.mark.parametrize("token", ["x" * 43, "y" * 129, "ü€\x00"])
async def test_a_wrong_token_is_told_and_not_kept(flow: Flow, olivia: Reader, token: str) -> None:
    refused = await olivia.send(await form_of(olivia, flow), token=token, fragment=True)

    assert refused.status == 422
    assert "not valid" in refused.text
    assert refused.form_to(f"/activate/{flow.id}").fields["token"] == ""
    assert f"/settings/requests/{flow.id}" in refused.links
    assert await status_of(flow) == "awaiting_activation"


async def test_a_link_of_another_request_is_not_valid(cast: Cast, flow: Flow) -> None:
    other = await key_at_code(cast)

    refused = await (await Reader.signed_in(cast.owner)).send(
        await form_of(await Reader.signed_in(cast.owner), flow), token=await token_of(other), fragment=True
    )

    assert (refused.status, await status_of(flow)) == (422, "awaiting_activation")


async def test_a_used_link_says_so(flow: Flow, olivia: Reader) -> None:
    form, token = await form_of(olivia, flow), await token_of(flow)
    await flow.enter_activation_code()

    pages = [await olivia.get(f"/activate/{flow.id}"), await olivia.send(form, token=token, fragment=True)]

    assert all("This link has been used" in page.text and "is active" in page.text for page in pages)


async def test_an_expired_link_says_so_whoever_sleeps(flow: Flow, olivia: Reader) -> None:
    await change(flow.person.core, "UPDATE requests SET deadline = now() - interval '1 s' WHERE id = %s", flow.id)

    page = await olivia.get(f"/activate/{flow.id}")

    assert all(part in page.text for part in ("This link has expired", "not confirmed in time"))
    assert f"/activate/{flow.id}" not in [form.action for form in page.forms]


async def test_a_cancelled_request_says_so(flow: Flow, olivia: Reader) -> None:
    await flow.cancel()

    page = await olivia.get(f"/activate/{flow.id}")

    assert all(part in page.text for part in ("This link has expired", "was cancelled"))


async def test_a_request_that_waits_for_something_else_says_so(cast: Cast, olivia: Reader) -> None:
    for opened in (key_at_choice, fix_at_manager):
        waiting = await opened(cast)
        page = await olivia.get(f"/activate/{waiting.id}")
        assert "does not wait for this link now" in page.text
        refused = await olivia.post(f"/activate/{waiting.id}", {"token": "x" * 43}, fragment=True)
        assert refused.status == 409


async def test_another_owner_of_the_account_is_told_whose_link_it_is(cast: Cast, flow: Flow) -> None:
    reader = await Reader.signed_in(cast.second_owner)
    token = await token_of(flow)

    pages = [
        await reader.get(f"/activate/{flow.id}"),
        await reader.post(f"/activate/{flow.id}", {"token": token}, fragment=True),
    ]

    assert [page.status for page in pages] == [200, 403]
    assert all("Only owner can confirm it" in page.text for page in pages)
    assert await status_of(flow) == "awaiting_activation"


@pytest.mark.parametrize("who", ["member", "outsider", "account_manager", "ops"])
async def test_people_who_do_not_own_the_account_learn_nothing(cast: Cast, flow: Flow, who: str) -> None:
    reader = await Reader.signed_in(getattr(cast, who))

    pages = [
        await reader.get(f"/activate/{flow.id}"),
        await reader.post(f"/activate/{flow.id}", {"token": await token_of(flow)}, fragment=True),
        await reader.get("/activate/00000000-0000-0000-0000-000000000000"),
    ]

    assert [page.status for page in pages] == [404, 404, 404]
    assert not [page for page in pages if "Market maker" in page.response.text]
    assert await status_of(flow) == "awaiting_activation"


async def test_an_account_that_is_no_prime_liquidity_account_any_more_shows_nothing(
    cast: Cast, flow: Flow, olivia: Reader
) -> None:
    await change(cast.core, "UPDATE accounts SET prime_liquidity = false WHERE id = %s", cast.owner.account_id)

    page = await olivia.get(f"/activate/{flow.id}")

    assert page.status == 404
    assert "Market maker" not in page.response.text


async def test_an_owner_who_looks_at_another_account_just_now_may_still_follow_it(cast: Cast, flow: Flow) -> None:
    cast.owner.account_id, home = cast.outsider.account_id, cast.owner.account_id
    reader = await Reader.signed_in(cast.owner)
    cast.owner.account_id = home

    assert "Choose the account Home first" in (await reader.get(f"/activate/{flow.id}")).text
    assert (await press(reader, flow)).status == 200


async def test_a_form_of_another_site_activates_nothing(flow: Flow, olivia: Reader) -> None:
    form = await form_of(olivia, flow)

    refused = await olivia.post(form.action, {**form.fields, "token": await token_of(flow)}, site="cross-site")

    assert (refused.status, await status_of(flow)) == (403, "awaiting_activation")


async def test_a_session_that_ended_meanwhile_loses_nothing(
    flow: Flow, olivia: Reader, http: httpx.AsyncClient
) -> None:
    form, token = await form_of(olivia, flow), await token_of(flow)

    ended = await Reader(http).send(form, token=token)
    again = await olivia.send(ended.form_to(f"/activate/{flow.id}"))

    assert ended.status == 401
    assert (again.status, await status_of(flow)) == (200, "active")
