"""What arrives while no worker runs is judged by the clock of the moment it is taken up."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from countersign.domain.messages import (
    Activate,
    ActivateLater,
    ActivationCode,
    Actor,
    ActorKind,
    AnyMessage,
    Cancel,
    ResendCode,
    SecretSaved,
    TwoFactorCode,
    Verdict,
)
from tests.support.cast import Flow, Person
from tests.support.stage import Stage, ended, settle

_MOMENT = timedelta(seconds=0.3)
_MARGIN = timedelta(seconds=0.1)
_WAYS = [
    ("authenticator", "update"),
    ("sms", "signal"),
    *(pytest.param(*way, marks=pytest.mark.prove) for way in [("sms", "update"), ("authenticator", "signal")]),
]
_KINDS = ["api-key", pytest.param("fix", marks=pytest.mark.prove)]


def _actor(person: Person) -> Actor:
    return Actor(kind=ActorKind.USER, user_id=person.id)


async def _begin(stage: Stage, kind: str, method: str) -> Flow:
    person = stage.cast.owner if method == "authenticator" else stage.cast.sms_owner
    return await (person.create_api_key() if kind == "api-key" else person.create_fix())


def _two_factor(flow: Flow, code: str) -> TwoFactorCode:
    return TwoFactorCode(actor=_actor(flow.person), code=code, reveal_challenge=flow.challenge)


async def _asked_without_worker(flow: Flow, message: AnyMessage) -> "asyncio.Task[Any]":
    """Send an update that Temporal has taken in, but that nobody answers yet."""
    call = flow.handle.execute_update(message.kind, message, result_type=Verdict)
    task = asyncio.create_task(call)
    await asyncio.sleep(0.1)
    assert not task.done()
    return task


async def _problem(task: "asyncio.Task[Any]") -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await task
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.type


@pytest.mark.parametrize(("method", "sent_as"), _WAYS)
async def test_a_code_for_an_api_key_in_a_window_that_passed_is_refused_uncounted_and_a_new_one_is_good(
    stage: Stage, method: str, sent_as: str
) -> None:
    async with stage.at_work():
        flow = await _begin(stage, "api-key", method)
        await flow.code()
        await settle(flow)
    await flow.skip(minutes=5, seconds=20)
    message = _two_factor(flow, await flow.code())

    if sent_as == "update":
        asked = await _asked_without_worker(flow, message)
        async with stage.at_work():
            assert await _problem(asked) == "code-expired"
    else:
        await flow.handle.signal(message.kind, message)

    async with stage.at_work():
        await flow.post("/two-factor-code/resend")
        shown = await flow.shown()
        assert (shown["step"], shown["outcome"], shown["attempts_left"]) == ("two_factor_code", None, 5)
        await flow.to_secret()


@pytest.mark.parametrize(("method", "sent_as"), _WAYS)
async def test_a_code_for_fix_credentials_in_a_window_that_passed_is_refused_uncounted_and_the_creation_interrupted(
    stage: Stage, method: str, sent_as: str
) -> None:
    async with stage.at_work():
        flow = await _begin(stage, "fix", method)
        code = await flow.code()
        await settle(flow)
    await _skip_past(await _code_expires(flow), flow)
    message = _two_factor(flow, code if method == "sms" else flow.person.authenticator_code(skew=flow.skew))

    asked = await _asked_without_worker(flow, message) if sent_as == "update" else None
    if asked is None:
        await flow.handle.signal(message.kind, message)

    async with stage.at_work():
        if asked is not None:
            assert await _problem(asked) == "code-expired"
        assert await ended(flow) == "expired"
    assert await flow.outcome() == "expired"
    assert (await flow.person.get("/fix-credentials")).json() == []
    assert await _events(flow) == ["request:opened", "request:ended"]


@pytest.mark.parametrize("kind", _KINDS)
async def test_a_code_sent_in_time_but_taken_up_after_its_five_minutes_is_refused(stage: Stage, kind: str) -> None:
    async with stage.at_work():
        flow = await _begin(stage, kind, "sms")
        code = await flow.code()
        await settle(flow)
    await _signal_just_before(await _code_expires(flow), flow, _two_factor(flow, code))

    async with stage.at_work():
        await flow.handle.signal("look_again")
        await flow.until(lambda shown: shown["outcome"] == ("expired" if kind == "fix" else None))
        resent = await flow.post("/two-factor-code/resend")

    assert resent.status_code == (200 if kind == "api-key" else 409)
    assert "two-factor:passed" not in await _events(flow)


@pytest.mark.parametrize("kind", _KINDS)
async def test_a_code_sent_and_taken_up_within_its_five_minutes_is_good_though_the_worker_was_away(
    stage: Stage, kind: str
) -> None:
    async with stage.at_work():
        flow = await _begin(stage, kind, "sms")
        code = await flow.code()
        await settle(flow)
    await flow.skip(minutes=4, seconds=50)
    message = _two_factor(flow, code)
    await flow.handle.signal(message.kind, message)

    async with stage.at_work():
        assert (await flow.until(lambda shown: shown["step"] != "two_factor_code"))["step"] == "secret_saved"


async def test_a_new_code_asked_for_after_the_newest_ran_out_does_not_revive_a_creation_of_fix_credentials(
    stage: Stage,
) -> None:
    async with stage.at_work():
        flow = await _begin(stage, "fix", "sms")
        await flow.code()
        await settle(flow)
    await _skip_past(await _code_expires(flow), flow)
    message = ResendCode(actor=_actor(flow.person))
    await flow.handle.signal(message.kind, message)

    async with stage.at_work():
        assert await ended(flow) == "expired"
    assert len(stage.cast.providers.texts_to(flow.person.phone)) == 1


async def test_the_mailed_code_is_refused_and_the_key_left_inactive_when_24_hours_ended_without_a_worker(
    stage: Stage,
) -> None:
    async with stage.at_work():
        flow = await (await _begin(stage, "api-key", "authenticator")).to_activation_code()
        code = await flow.code()
        await _earlier_timers_ring(flow)
    await _signal_just_before(await _step_expires(flow), flow, ActivationCode(actor=_actor(flow.person), code=code))

    async with stage.at_work():
        assert await ended(flow) == "left_inactive"
    assert "code:wrong" not in await _events(flow)


async def test_the_mailed_link_is_refused_when_it_is_taken_up_after_24_hours_since_it_lives_as_long_as_the_step(
    stage: Stage,
) -> None:
    async with stage.at_work():
        flow = await (await _begin(stage, "api-key", "authenticator")).to_activation_code()
        [token] = await flow.link_tokens()
        await _earlier_timers_ring(flow)
    pressed = ActivationCode(actor=_actor(flow.person), link_token=token)
    await _signal_just_before(await _step_expires(flow), flow, pressed)

    async with stage.at_work():
        assert await ended(flow) == "left_inactive"


@pytest.mark.parametrize(
    ("step", "message", "ends"),
    [
        ("secret_saved", SecretSaved(), None),
        ("activation_choice", Activate(), None),
        ("activation_choice", ActivateLater(), "activate later"),
        ("activation_choice", Cancel(reason="changed my mind"), "changed my mind"),
        ("activation_code", ActivateLater(), "activate later"),
        ("activation_code", Cancel(reason="changed my mind"), "changed my mind"),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else None,
)
async def test_a_message_that_is_in_the_history_wins_over_a_deadline_that_only_tidies_up(
    stage: Stage, step: str, message: AnyMessage, ends: str | None
) -> None:
    async with stage.at_work():
        flow = await _begin(stage, "api-key", "authenticator")
        await flow.to_secret()
        await flow.reveal()
        if step != "secret_saved":
            await flow.save()
        if step == "activation_code":
            await flow.choose("now")
            await flow.link_tokens()
        await settle(flow)
        if step != "secret_saved":
            await _earlier_timers_ring(flow)
    signed = message.model_copy(update={"actor": _actor(flow.person)})
    await _signal_just_before(await _step_expires(flow), flow, signed)

    async with stage.at_work():
        if ends is None:
            await flow.until(lambda shown: shown["step"] not in {step, "closed"})
        else:
            await ended(flow)
            assert (await flow.shown())["reason"] == ends
    assert (await flow.shown())["reason"] == ends


async def _earlier_timers_ring(flow: Flow) -> None:
    """Let the timers of the steps before ring: no time can be skipped past a timer while nobody works."""
    await settle(flow)
    await flow.skip(minutes=31)
    await settle(flow)


async def _code_expires(flow: Flow) -> datetime:
    return datetime.fromisoformat((await flow.shown())["code_expires_at"])


async def _step_expires(flow: Flow) -> datetime:
    return datetime.fromisoformat((await flow.shown())["expires_at"])


async def _signal_just_before(moment: datetime, flow: Flow, message: AnyMessage) -> None:
    """Signal it a moment before, and return a moment after."""
    await _skip_to_just_before(moment, flow)
    await flow.handle.signal(message.kind, message)
    await _let_pass(moment, flow)


async def _skip_past(moment: datetime, flow: Flow) -> None:
    await _skip_to_just_before(moment, flow)
    await _let_pass(moment, flow)


async def _skip_to_just_before(moment: datetime, flow: Flow) -> None:
    ahead = moment - datetime.now(UTC) - flow.skew
    await flow.skip(seconds=(ahead - _MOMENT).total_seconds())


async def _let_pass(moment: datetime, flow: Flow) -> None:
    """Wait by the workflow's own clock: no time can be skipped while a timer of its waits for a worker."""
    now = await TimeSkipper(flow.person.core.client).get_current_time(flow.handle)
    await asyncio.sleep((moment + _MARGIN - now).total_seconds())


async def _events(flow: Flow) -> list[str]:
    rows = (await flow.person.get("/audit-events?limit=500")).json()
    return [row["event"] for row in reversed(rows) if row["request_id"] == flow.id]
