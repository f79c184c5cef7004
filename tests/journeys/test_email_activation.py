from typing import Any

import pytest

from tests.support.answers import as_seen_by, enter_wrong_codes, problem, retry_after
from tests.support.cast import Cast, Flow


@pytest.fixture
async def flow(cast: Cast) -> Flow:
    """A creation that waits for the code or link from the mail."""
    return await (await cast.owner.create_api_key("bot", permissions=["funds_wallet"])).to_activation_code()


async def _status(flow: Flow) -> str:
    [key] = (await flow.person.get("/api-keys")).json()
    return str(key["status"])


async def _code_mail(flow: Flow) -> dict[str, Any]:
    await flow.code()
    mails = flow.person.providers.mails_to(flow.person.email)
    [mail] = [mail for mail in mails if mail["subject"].startswith("Your code")]
    return mail


async def _link(flow: Flow, token: str) -> tuple[int, str | None]:
    response = await flow.post("/activation-link", {"token": token})
    return response.status_code, response.json().get("outcome") or problem(response)[1]


async def test_the_key_awaits_activation_while_the_mail_code_waits(flow: Flow) -> None:
    assert await _status(flow) == "awaiting_activation"


async def test_the_mail_goes_to_the_registered_address_and_says_what_is_activated(flow: Flow) -> None:
    mail = await _code_mail(flow)

    text = mail["content"][0]["value"]
    assert mail["subject"] == "Your code to activate “bot”"
    assert all(part in text for part in ("To activate API key “bot”", "Funds Wallet", "any IP address", "5 minutes"))


async def test_the_link_opens_a_page_and_carries_its_token_in_the_fragment(flow: Flow) -> None:
    mail = await _code_mail(flow)

    [token] = await flow.link_tokens()
    page = f"{flow.person.core.settings.public_url}/activate/{flow.id}"
    assert f"\n{page}#{token}\n" in mail["content"][0]["value"]


async def test_following_the_link_with_a_get_activates_nothing(flow: Flow) -> None:
    [token] = await flow.link_tokens()

    for path in (f"/activate/{flow.id}", f"/v1/requests/{flow.id}/activation-link?token={token}"):
        await flow.person.http.get(path, headers={"Authorization": f"Bearer {flow.person.token}"})

    assert await _status(flow) == "awaiting_activation"


async def test_the_link_is_single_use(flow: Flow) -> None:
    [token] = await flow.link_tokens()

    assert [await _link(flow, token) for _ in range(2)] == [(200, "activated"), (409, "activated")]


async def test_the_link_lives_as_long_as_the_step_and_longer_than_the_code(flow: Flow) -> None:
    [token] = await flow.link_tokens()
    await flow.skip(hours=23)

    assert problem(await flow.enter_activation_code()) == (422, "code-expired")
    assert await _link(flow, token) == (200, "activated")


async def test_the_link_is_dead_when_the_step_has_ended(flow: Flow) -> None:
    [token] = await flow.link_tokens()
    await flow.skip(hours=24)

    assert await _link(flow, token) == (409, "left_inactive")
    assert await _status(flow) == "inactive"


async def test_a_wrong_link_is_refused_and_not_counted(flow: Flow) -> None:
    for _ in range(6):
        assert await _link(flow, "A" * 43) == (422, "invalid-link")

    assert (await flow.shown())["attempts_left"] == 5


async def test_the_link_of_another_request_is_refused(flow: Flow, cast: Cast) -> None:
    other = await (await cast.second_owner.create_api_key("other")).to_activation_code()
    [token] = await other.link_tokens()

    assert await _link(flow, token) == (422, "invalid-link")


async def test_only_who_began_the_request_confirms_with_code_or_link(flow: Flow, cast: Cast) -> None:
    code, [token] = await flow.code(), await flow.link_tokens()
    colleague = as_seen_by(cast.second_owner, flow)

    assert problem(await colleague.enter_activation_code(code)) == (403, "not-the-requester")
    assert await _link(colleague, token) == (403, "not-the-requester")
    assert (await flow.enter_activation_code(code)).json()["outcome"] == "activated"


async def test_the_fifth_wrong_mail_code_leaves_the_key_inactive(flow: Flow) -> None:
    responses = await enter_wrong_codes(flow, 5)

    assert [response.json()["attempts_left"] for response in responses] == [4, 3, 2, 1, 0]
    assert await flow.outcome() == "left_inactive"
    assert await _status(flow) == "inactive"


async def test_wrong_two_factor_codes_do_not_count_at_the_email_step(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await enter_wrong_codes(flow, 4)

    await flow.to_activation_code()

    assert (await flow.shown())["attempts_left"] == 5


async def test_the_two_factor_code_is_no_mail_code(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    sms = await flow.code()
    await flow.to_activation_code()

    assert problem(await flow.enter_activation_code(sms)) == (422, "wrong-code")


async def test_the_mail_code_runs_out_after_5_minutes_and_a_new_one_can_be_had(flow: Flow) -> None:
    await flow.skip(minutes=5)
    assert problem(await flow.enter_activation_code()) == (422, "code-expired")

    assert (await flow.post("/activation-code/resend")).json()["attempts_left"] == 5

    assert (await flow.enter_activation_code()).json()["outcome"] == "activated"


async def test_the_mail_code_can_be_sent_again_after_two_minutes_and_not_before(flow: Flow) -> None:
    await flow.skip(minutes=1, seconds=50)
    early = await flow.post("/activation-code/resend")
    await flow.skip(seconds=10)

    assert problem(early) == (429, "resend-too-early")
    assert 1 <= retry_after(early) <= 10
    assert (await flow.post("/activation-code/resend")).status_code == 200


async def test_after_a_resend_the_older_mail_code_and_the_older_link_are_still_good(flow: Flow, cast: Cast) -> None:
    other = await (await cast.second_owner.create_api_key("other")).to_activation_code()
    for each in (flow, other):
        await each.skip(minutes=2)
        await each.post("/activation-code/resend")
    older, newer = await flow.sent_codes("email")
    tokens = await other.link_tokens()

    assert older != newer
    assert (await flow.enter_activation_code(older)).json()["outcome"] == "activated"
    assert await _link(other, tokens[0]) == (200, "activated")


async def test_a_resend_does_not_prolong_the_24_hours(flow: Flow) -> None:
    before = (await flow.shown())["expires_at"]
    await flow.skip(minutes=2)

    assert (await flow.post("/activation-code/resend")).json()["expires_at"] == before


async def test_the_person_may_still_choose_activate_later_while_the_mail_code_waits(flow: Flow) -> None:
    assert (await flow.choose("later")).json()["outcome"] == "left_inactive"
    assert await _status(flow) == "inactive"


async def test_a_mail_code_is_refused_before_activate_was_chosen(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_choice()

    assert problem(await flow.enter_activation_code("123456")) == (409, "not-at-this-step")
    assert await _link(flow, "A" * 43) == (409, "not-at-this-step")
