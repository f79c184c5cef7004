"""A Temporal that lost the newest part of its histories counts signals anew from an earlier one."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from countersign.domain.messages import AccountManagerDecision, AnyMessage, Cancel, Envelope, TwoFactorCode
from countersign.effects.messages import apply_message
from tests.support.cast import Cast, Flow
from tests.support.fix import credential_of, result_of, signal_decision, statement_for, waiting_for_manager
from workflows.messages import signal_key

_CHALLENGE = "x" * 43


async def applied_and_forgotten(flow: Flow, message: AnyMessage) -> None:
    """Let the first signal of the workflow have had its effect, of which its history knows nothing."""
    run_id = (await flow.handle.describe()).run_id
    assert run_id
    key = signal_key(message, run_id=run_id, ordinal=1)
    envelope = {"request_id": UUID(flow.id), "key": key, "at": datetime.now(UTC), "message": message.model_dump()}
    await apply_message(flow.person.core.desk, Envelope.model_validate(envelope))


async def test_a_cancel_is_not_taken_for_a_lost_code_in_its_place(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    await applied_and_forgotten(flow, TwoFactorCode(code="000000"))

    await flow.handle.signal("cancel", Cancel(reason="as asked"))

    assert await result_of(flow) == "cancelled"


async def test_a_decision_is_not_taken_for_a_lost_one_in_its_place(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await applied_and_forgotten(flow, AccountManagerDecision(statement="rubbish"))

    await signal_decision(flow, await statement_for(flow, cast.account_manager))

    assert await result_of(flow) == "activated"
    assert (await credential_of(flow))["status"] == "active"


async def test_the_same_signal_carried_out_again_after_a_crash_has_one_effect(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    wrong = TwoFactorCode(code="000000", reveal_challenge=_CHALLENGE)
    await applied_and_forgotten(flow, wrong)

    await flow.handle.signal("two_factor_code", wrong)
    await flow.handle.signal("resend_code", {})
    await flow.handle.signal("cancel", {})

    assert await result_of(flow) == "cancelled"
    assert await wrong_codes(flow) == 1


async def wrong_codes(flow: Flow) -> int:
    events = (await flow.person.get("/audit-events?limit=500")).json()
    return sum(event["event"] == "code:wrong" and event["request_id"] == flow.id for event in events)


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        (TwoFactorCode(code="123456"), TwoFactorCode(code="654321"), True),
        (TwoFactorCode(code="123456"), TwoFactorCode(code="123456", reveal_challenge=_CHALLENGE), False),
        (AccountManagerDecision(statement="a"), AccountManagerDecision(statement="b"), False),
        (Cancel(reason="a"), Cancel(reason="b"), False),
    ],
)
def test_a_signal_is_known_by_all_it_says_but_its_code(one: AnyMessage, other: AnyMessage, are_one: bool) -> None:  # noqa: FBT001 - a table's column
    keys = {signal_key(each, run_id="run", ordinal=1) for each in (one, other)}

    assert (len(keys) == 1) is are_one
