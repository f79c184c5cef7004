from datetime import datetime

import pytest

from tests.support.answers import enter_wrong_codes, problem, retry_after, wrong_code
from tests.support.cast import Cast


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_wrong_code_is_told_with_the_tries_left(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()

    [response] = await enter_wrong_codes(flow, 1)

    assert problem(response) == (422, "wrong-code")
    assert response.json()["attempts_left"] == 4
    assert (await flow.shown())["attempts_left"] == 4


@pytest.mark.parametrize("who", ["owner", "sms_owner"])
async def test_the_fifth_wrong_code_ends_the_request_refused(cast: Cast, who: str) -> None:
    flow = await getattr(cast, who).create_api_key()

    responses = await enter_wrong_codes(flow, 5)

    assert [response.json()["attempts_left"] for response in responses] == [4, 3, 2, 1, 0]
    assert await flow.outcome() == "refused"
    assert await flow.handle.result() == "refused"


async def test_after_the_fifth_wrong_code_the_right_one_is_too_late(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    code = await flow.code()
    await enter_wrong_codes(flow, 5)

    assert problem(await flow.enter_code(code)) == (409, "request-closed")


async def test_the_right_code_after_four_wrong_ones_is_right(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await enter_wrong_codes(flow, 4)

    await flow.to_secret()

    assert await flow.step() == "secret_saved"


async def test_wrong_codes_are_counted_on_after_a_resend(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await enter_wrong_codes(flow, 3)
    await flow.skip(minutes=2)

    assert (await flow.post("/two-factor-code/resend")).json()["attempts_left"] == 2
    await enter_wrong_codes(flow, 2)

    assert await flow.outcome() == "refused"


@pytest.mark.parametrize("who", ["owner", "sms_owner"])
async def test_a_code_is_good_until_its_five_minutes_are_over(cast: Cast, who: str) -> None:
    flow = await getattr(cast, who).create_api_key()
    await flow.skip(minutes=4, seconds=50)

    await flow.to_secret()

    assert await flow.step() == "secret_saved"


@pytest.mark.parametrize("who", ["owner", "sms_owner"])
async def test_a_code_that_ran_out_is_dead_and_not_counted(cast: Cast, who: str) -> None:
    flow = await getattr(cast, who).create_api_key()
    await flow.skip(minutes=5)

    response = await flow.enter_code()

    assert problem(response) == (422, "code-expired")
    shown = await flow.shown()
    assert (shown["step"], shown["attempts_left"]) == ("two_factor_code", 5)


@pytest.mark.parametrize("who", ["owner", "sms_owner"])
async def test_when_the_code_ran_out_a_new_one_can_be_asked_for(cast: Cast, who: str) -> None:
    flow = await getattr(cast, who).create_api_key()
    await flow.skip(minutes=6)

    assert (await flow.post("/two-factor-code/resend")).status_code == 200
    await flow.to_secret()

    assert await flow.step() == "secret_saved"


async def test_the_request_tells_when_code_resend_and_step_run_out(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()

    shown = await flow.shown()

    code, resend, step = (_moment(shown[name]) for name in ("code_expires_at", "resend_at", "expires_at"))
    assert (code - resend).total_seconds() == 180
    assert (step - code).total_seconds() == 25 * 60


@pytest.mark.parametrize("who", ["owner", "sms_owner"])
async def test_resend_exists_two_minutes_after_the_last_send_and_not_before(cast: Cast, who: str) -> None:
    flow = await getattr(cast, who).create_api_key()
    await flow.skip(minutes=1, seconds=50)

    early = await flow.post("/two-factor-code/resend")
    await flow.skip(seconds=retry_after(early))
    in_time = await flow.post("/two-factor-code/resend")

    assert problem(early) == (429, "resend-too-early")
    assert 1 <= retry_after(early) <= 10
    assert in_time.status_code == 200


async def test_the_two_minutes_begin_anew_with_each_send(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await flow.skip(minutes=2)
    await flow.post("/two-factor-code/resend")

    response = await flow.post("/two-factor-code/resend")

    assert problem(response) == (429, "resend-too-early")
    assert 110 <= retry_after(response) <= 120


async def test_every_send_is_a_new_code(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await flow.code()

    for _ in range(2):
        await flow.skip(minutes=2)
        await flow.post("/two-factor-code/resend")
        await flow.code()

    codes = await flow.sent_codes("sms")
    assert len(codes) == len(set(codes)) == 3


async def test_an_authenticator_is_sent_nothing(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.skip(minutes=2)
    await flow.post("/two-factor-code/resend")

    assert (await flow.shown())["delivery"] == "not_needed"
    assert cast.providers.texts_to(cast.owner.phone) == []


async def test_after_a_resend_the_older_code_is_still_good(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    older = await flow.code()
    await flow.skip(minutes=2)
    await flow.post("/two-factor-code/resend")

    assert (await flow.enter_code(older)).status_code == 200


async def test_after_a_resend_the_older_code_still_ends_with_its_own_five_minutes(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    older = await flow.code()
    await flow.skip(minutes=2)
    await flow.post("/two-factor-code/resend")
    newer = await flow.code()
    await flow.skip(minutes=3)

    assert problem(await flow.enter_code(older)) == (422, "wrong-code")
    assert (await flow.enter_code(newer)).status_code == 200


async def test_the_first_success_kills_all_other_codes(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    older = await flow.code()
    await flow.skip(minutes=2)
    await flow.post("/two-factor-code/resend")
    newer = await flow.code()

    await flow.enter_code(older)

    assert problem(await flow.enter_code(newer)) == (409, "not-at-this-step")


async def test_a_used_authenticator_code_is_answered_wait_for_the_next_and_not_counted(cast: Cast) -> None:
    first = await cast.owner.create_api_key("first")
    used = await first.code()
    await first.enter_code(used)
    second = await cast.owner.create_api_key("second")

    response = await second.enter_code(used)

    assert problem(response) == (409, "code-already-used")
    assert "wait for the next code" in response.json()["detail"]
    assert (await second.shown())["attempts_left"] == 5


async def test_an_authenticator_code_older_than_a_used_one_is_used_up_too(cast: Cast) -> None:
    first = await cast.owner.create_api_key("first")
    older, newer = await first.code(), await first.code()
    await first.enter_code(newer)
    second = await cast.owner.create_api_key("second")

    assert problem(await second.enter_code(older)) == (409, "code-already-used")


async def test_the_code_of_another_request_is_wrong(cast: Cast) -> None:
    first = await cast.sms_owner.create_api_key("first")
    code = await first.code()
    second = await cast.sms_owner.create_api_key("second")

    response = await second.enter_code(code)

    assert problem(response) == (422, "wrong-code")


@pytest.mark.parametrize("separator", [" ", "-"])
async def test_a_code_may_be_typed_in_groups(cast: Cast, separator: str) -> None:
    flow = await cast.sms_owner.create_api_key()
    code = await flow.code()

    assert (await flow.enter_code(f" {code[:3]}{separator}{code[3:]} ")).status_code == 200


@pytest.mark.parametrize("text", ["12345", "1234567", "abcdef", "12 45-6"])
async def test_what_is_no_code_at_all_is_not_counted(cast: Cast, text: str) -> None:
    flow = await cast.owner.create_api_key()

    response = await flow.enter_code(text)

    assert problem(response) == (422, "invalid-input")
    assert (await flow.shown())["attempts_left"] == 5


async def test_a_creation_needs_a_reveal_challenge_with_the_code_and_does_not_use_the_code_up(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    code = await flow.code()

    response = await flow.post("/two-factor-code", {"code": code})

    assert problem(response) == (422, "reveal-challenge-missing")
    assert (await flow.enter_code(code)).status_code == 200


async def test_the_same_idempotency_key_counts_a_wrong_code_once(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    code = await wrong_code(flow)

    answers = [await flow.enter_code(code, key="one") for _ in range(3)]

    assert [problem(answer) for answer in answers] == [(422, "wrong-code")] * 3
    assert (await flow.shown())["attempts_left"] == 4


async def test_the_sms_says_which_key_is_created_and_what_it_may_do(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key("market maker", permissions=["trade", "funds_external"])
    await flow.code()

    [text] = cast.providers.texts_to(cast.sms_owner.phone)

    assert all(part in text for part in ("create API key", "market maker", "funds_external", "5 min"))


async def test_the_sms_says_which_key_is_edited_and_what_it_will_be_allowed(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key("bot")
    edit = {"permissions": ["funds_wallet"], "ip_whitelist": "", "acknowledge_deactivation": True}
    flow = await cast.sms_owner.begin(f"/api-keys/{key_id}/edits", edit)
    await flow.code()

    [text] = cast.providers.texts_to(cast.sms_owner.phone)

    assert all(part in text for part in ("edit API key", "bot", "funds_wallet"))


async def test_the_sms_says_which_key_is_activated(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key("bot", permissions=["funds_internal"])
    flow = await cast.sms_owner.begin(f"/api-keys/{key_id}/activations")
    await flow.code()

    [text] = cast.providers.texts_to(cast.sms_owner.phone)

    assert all(part in text for part in ("activate API key", "bot", "funds_internal"))


@pytest.mark.parametrize("who", ["owner", "sms_owner"])
async def test_the_step_ends_30_minutes_after_the_last_code_that_was_asked_for(cast: Cast, who: str) -> None:
    flow = await getattr(cast, who).create_api_key()

    await flow.skip(minutes=30)

    assert await flow.outcome() == "expired"
    assert await flow.handle.result() == "expired"


async def test_a_resend_prolongs_the_step(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.skip(minutes=29)
    await flow.post("/two-factor-code/resend")

    await flow.skip(minutes=29)

    assert await flow.step() == "two_factor_code"
    await flow.skip(minutes=1)
    assert await flow.outcome() == "expired"


async def test_no_code_is_taken_or_sent_at_a_step_that_asks_for_none(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.to_secret()

    assert problem(await flow.post("/two-factor-code/resend")) == (409, "not-at-this-step")
    assert problem(await flow.enter_code("123456")) == (409, "not-at-this-step")
