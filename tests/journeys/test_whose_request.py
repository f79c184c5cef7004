"""Who may do what to a request about an API key, and how it is found again."""

import httpx
import pytest

from countersign.domain.messages import ActivationCode, SecretSaved, TwoFactorCode
from tests.support.answers import as_seen_by, problem
from tests.support.cast import Cast, Flow, Person
from tests.support.rows import change, take_ownership

_STEPS = ["two_factor_code", "secret_saved", "activation_choice", "activation_code"]


async def _creation_at(person: Person, step: str) -> Flow:
    flow = await person.create_api_key()
    way = {
        "two_factor_code": flow.shown,
        "secret_saved": flow.to_secret,
        "activation_choice": flow.to_choice,
        "activation_code": flow.to_activation_code,
    }
    await way[step]()
    return flow


async def _messages(flow: Flow, step: str) -> list[httpx.Response]:
    if step == "two_factor_code":
        await flow.skip(minutes=2)
        return [await flow.enter_code("123456"), await flow.post("/two-factor-code/resend")]
    if step == "secret_saved":
        return [await flow.reveal(), await flow.save()]
    if step == "activation_choice":
        return [await flow.choose("now"), await flow.choose("later")]
    await flow.skip(minutes=2)
    return [
        await flow.enter_activation_code("123456"),
        await flow.post("/activation-code/resend"),
        await flow.choose("later"),
    ]


@pytest.mark.parametrize("step", _STEPS)
async def test_another_owner_sees_the_request_and_may_not_carry_it_on(cast: Cast, step: str) -> None:
    flow = await _creation_at(cast.owner, step)
    colleague = as_seen_by(cast.second_owner, flow)

    answers = await _messages(colleague, step)

    assert {problem(answer) for answer in answers} == {(403, "not-the-requester")}
    assert await colleague.shown() == await flow.shown()
    assert (await flow.shown())["step"] == step
    assert (await flow.shown())["attempts_left"] in {5, None}


@pytest.mark.parametrize("step", _STEPS)
async def test_another_owner_may_cancel_the_request(cast: Cast, step: str) -> None:
    flow = await _creation_at(cast.owner, step)

    response = await as_seen_by(cast.second_owner, flow).cancel()

    assert response.json()["outcome"] == "cancelled"


@pytest.mark.parametrize("step", _STEPS)
async def test_another_device_finds_the_request_at_its_step_with_the_time_left(cast: Cast, step: str) -> None:
    flow = await _creation_at(cast.owner, step)
    await flow.until(lambda shown: shown["delivery"] != "sending")

    [found] = (await cast.owner.get("/requests?open=true")).json()

    assert (found["id"], found["step"], found["outcome"]) == (flow.id, step, None)
    assert found["expires_at"] is not None
    assert found == await flow.shown()


async def test_another_device_carries_the_request_on_but_sees_the_secret_only_with_the_verifier(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()
    device = Flow(cast.owner, flow.id, flow.workflow_id)
    assert problem(await device.reveal()) == (403, "reveal-refused")

    await flow.reveal()
    await device.save()
    await device.choose("now")

    assert (await device.enter_activation_code()).json()["outcome"] == "activated"


async def test_who_is_no_owner_any_more_cannot_carry_the_request_on(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_secret()
    await flow.reveal()
    await take_ownership(cast.core, cast.owner)

    answers = [await flow.save(), await flow.reveal(), await cast.owner.get(f"/requests/{flow.id}")]

    assert {problem(answer) for answer in answers} == {(403, "prime-liquidity-owner-required")}
    assert (await as_seen_by(cast.second_owner, flow).cancel()).json()["outcome"] == "cancelled"


async def test_a_signal_does_not_carry_on_the_request_of_who_is_no_owner_any_more(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    code = await flow.code()
    await take_ownership(cast.core, cast.sms_owner)

    await flow.handle.signal("two_factor_code", TwoFactorCode(code=code, reveal_challenge=flow.challenge))
    await flow.handle.signal("secret_saved", SecretSaved())
    await flow.handle.signal("activation_code", ActivationCode(code=code))

    seen = as_seen_by(cast.second_owner, flow)
    await seen.skip(seconds=1)
    assert await seen.step() == "two_factor_code"
    assert (await cast.second_owner.get("/api-keys")).json() == []


async def test_when_the_account_is_no_prime_liquidity_account_any_more_the_code_creates_nothing(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    code = await flow.code()
    await change(cast.core, "UPDATE accounts SET prime_liquidity = false WHERE id = %s", cast.owner.account_id)

    assert problem(await flow.enter_code(code)) == (403, "prime-liquidity-owner-required")


async def test_the_two_factor_method_is_fixed_when_the_request_starts(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await flow.code()
    await change(cast.core, "UPDATE users SET two_factor_method = 'none' WHERE id = %s", cast.sms_owner.id)

    assert (await flow.shown())["channel"] == "sms"


async def test_a_request_that_has_ended_is_still_there_to_look_at(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.cancel()

    shown = await flow.shown()

    assert (shown["step"], shown["outcome"], shown["waiting_for"]) == ("closed", "cancelled", "nobody")
    assert shown["expires_at"] is None
    assert shown["closed_at"] is not None
