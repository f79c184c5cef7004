"""Who may do what: asked anew by every effect."""

from uuid import uuid4

import pytest

from countersign.domain.errors import NotFound
from countersign.domain.messages import (
    Activate,
    ActivateLater,
    ActivationCode,
    Actor,
    ActorKind,
    Cancel,
    ResendCode,
    SecretSaved,
    TwoFactorCode,
)
from countersign.domain.requests import Outcome
from tests.support.cast import challenge_of
from tests.support.house import NOW, VERIFIER, Case, House, by, minutes

EACH = pytest.mark.parametrize(
    "message",
    [
        TwoFactorCode(code="000000", reveal_challenge=challenge_of(VERIFIER)),
        ResendCode(),
        SecretSaved(),
        Activate(),
        ActivateLater(),
        ActivationCode(code="000000"),
    ],
    ids=lambda message: message.kind,
)


async def fallen(house: House, what: str) -> None:
    """Let the owner be an owner of a Prime Liquidity account no more."""
    if what == "no owner":
        await house.change("UPDATE memberships SET role = 'member' WHERE user_id = %s", house.owner)
    elif what == "no member":
        await house.change("DELETE FROM memberships WHERE user_id = %s", house.owner)
    else:
        await house.change("UPDATE accounts SET prime_liquidity = false WHERE id = %s", house.account_id)


@EACH
async def test_another_owner_may_not_answer_for_the_requester(house: House, message: ResendCode) -> None:
    case = await house.create_key()
    assert await case.problem(message, actor=by(house.sms_owner)) == "not-the-requester"


@EACH
@pytest.mark.parametrize("what", ["no owner", "no member", "no prime liquidity"])
async def test_who_is_an_owner_no_more_may_not_go_on(house: House, message: ResendCode, what: str) -> None:
    case = await house.create_key()
    await fallen(house, what)
    assert await case.problem(message) == "prime-liquidity-owner-required"


@pytest.mark.parametrize("kind", [ActorKind.SIGNAL, ActorKind.OPS])
async def test_whoever_may_signal_the_workflow_speaks_for_its_requester(house: House, kind: ActorKind) -> None:
    case = await house.create_key()
    await house.change("UPDATE code_sends SET opened_at = opened_at - interval '2 minutes'")
    assert await case.problem(ResendCode(), actor=Actor(kind=kind)) is None


async def test_any_owner_may_cancel_with_a_reason(house: House) -> None:
    case = await house.create_key()
    assert await case.problem(Cancel(reason="a slip"), actor=by(house.sms_owner)) is None
    request = await case.request()
    assert (request.outcome, request.reason) == (Outcome.CANCELLED, "a slip")
    told = {"outcome": "cancelled", "step": "two_factor_code", "reason": "a slip"}
    assert await house.last_event() == ("request:ended", told)


@pytest.mark.parametrize("who", ["member", "stranger", "manager"])
async def test_nobody_else_may_cancel(house: House, who: str) -> None:
    case = await house.create_key()
    assert await case.problem(Cancel(), actor=by(getattr(house, who))) == "prime-liquidity-owner-required"
    assert (await case.request()).outcome is None


@pytest.mark.parametrize(
    "actor",
    [
        Actor(kind=ActorKind.OPS),
        Actor(kind=ActorKind.SIGNAL),
        Actor(kind=ActorKind.SIGNAL, user_id=uuid4()),
        Actor(kind=ActorKind.USER),
    ],
)
async def test_ops_and_the_gateway_may_cancel(house: House, actor: Actor) -> None:
    case = await house.create_key()
    assert await case.problem(Cancel(), actor=actor) is None


async def test_what_has_ended_takes_no_message(house: House) -> None:
    case = await house.create_key()
    await case.cancel()
    for message in (Cancel(), ResendCode(), Activate()):
        answer = await case.send(message)
        assert (answer.problem, answer.extra) == ("request-closed", {"outcome": "cancelled"})
        assert answer.detail == "This request has ended: cancelled."


async def test_a_message_for_another_step_says_where_the_request_is(house: House) -> None:
    case = await house.create_key()
    for message in (Activate(), ActivateLater(), ActivationCode(code="000000"), SecretSaved()):
        answer = await case.send(message)
        assert (answer.problem, answer.extra) == ("not-at-this-step", {"step": "two_factor_code"})
    await case.to_secret()
    answer = await case.enter(case.authenticator(steps=1))
    assert (answer.problem, answer.extra) == ("not-at-this-step", {"step": "secret_saved"})


async def test_what_is_not_there_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        await Case(house, uuid4(), house.owner).send(Cancel())
    with pytest.raises(NotFound):
        async with house.desk.on_account(uuid4(), at=NOW + minutes(1), actor=by(house.owner)):
            pass
