"""What an attacker, or a mistaken operator, tried once with success."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from countersign.dispatch.reconcile import Reconciler
from countersign.domain.messages import Actor, ActorKind, Cancel, ResendCode
from tests.support.answers import problem
from tests.support.cast import Cast, Flow
from tests.support.fix import audit, decide, decided, name_of, waiting_for_manager
from tests.support.patience import eventually
from tests.support.rows import change, let_deadline_pass
from tests.support.stage import settle

_HOUR = timedelta(hours=1)


async def reconcile(cast: Cast) -> list[UUID]:
    return await Reconciler(client=cast.core.client, desk=cast.core.desk).close_recently_ended(within=_HOUR)


async def listed_as_ended(cast: Cast, workflow_id: str) -> bool:
    query = f"ExecutionStatus = 'Terminated' AND WorkflowId = '{workflow_id}'"
    return bool([each async for each in cast.core.client.list_workflows(query)])


async def test_a_workflow_that_ops_reset_keeps_its_request(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await settle(flow)
    events = [event async for event in flow.handle.fetch_history_events()]
    done = [event.event_id for event in events if event.HasField("workflow_task_completed_event_attributes")]
    execution = WorkflowExecution(workflow_id=flow.workflow_id, run_id=(await flow.handle.describe()).run_id)
    await cast.core.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=execution,
            reason="repair",
            workflow_task_finish_event_id=done[-1],
            request_id=str(uuid4()),
        )
    )
    await eventually(lambda: listed_as_ended(cast, flow.workflow_id))

    assert UUID(flow.id) not in await reconcile(cast)

    decided(await decide(cast.account_manager, await name_of(flow)))
    assert await flow.outcome() == "activated"


async def test_a_terminated_workflow_of_somebody_else_closes_no_request(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    foreign = await cast.core.client.start_workflow("foreign", id=f"foreign/{flow.id}", task_queue=f"no-{uuid4()}")
    await foreign.terminate()
    await eventually(lambda: listed_as_ended(cast, foreign.id))

    assert UUID(flow.id) not in await reconcile(cast)
    assert await flow.step() == "account_manager"


@pytest.mark.parametrize("update_id", ["x" * 201, "line\nbreak", "signal:mine", "~again:mine"])
async def test_an_update_id_that_cannot_be_kept_is_refused_and_wedges_nothing(cast: Cast, update_id: str) -> None:
    flow = await cast.owner.create_fix()

    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await flow.handle.execute_update("resend_code", ResendCode(), id=update_id)

    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "invalid-input"
    assert (await flow.cancel()).status_code == 200


async def test_a_message_that_can_never_be_applied_does_not_hold_up_the_others(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await change(cast.core, "UPDATE challenges SET key_id = 'retired' WHERE request_id = %s", flow.id)

    answer = await flow.enter_code("123456")

    assert problem(answer) == (503, "temporarily-unavailable")
    await eventually(lambda: _cancelled(flow))


async def _cancelled(flow: Flow) -> bool:
    return (await flow.cancel()).status_code in {200, 409}


async def test_a_link_pressed_after_the_deadline_is_refused_although_the_request_was_not_closed_yet(
    cast: Cast,
) -> None:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    [token] = await flow.link_tokens()
    await let_deadline_pass(cast.core, flow.id)

    answer = await flow.post("/activation-link", {"token": token})

    assert problem(answer) == (409, "request-closed")
    assert answer.json()["outcome"] == (await flow.shown())["outcome"] == "left_inactive"


async def test_an_outcome_that_was_shown_stays_although_the_key_is_deactivated_later(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    await let_deadline_pass(cast.core, flow.id)
    shown = await flow.shown()

    await cast.owner.post(f"/api-keys/{shown['credential_id']}/deactivations")

    assert (shown["outcome"], (await flow.shown())["outcome"]) == ("left_inactive", "left_inactive")


async def test_the_right_code_under_the_key_of_a_wrong_one_is_another_message(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    code = await flow.code()
    wrong = f"{(int(code) + 1) % 1_000_000:06}"

    first = await flow.enter_code(wrong, key="mine")
    second = await flow.enter_code(code, key="mine")

    assert (problem(first), second.status_code) == ((422, "wrong-code"), 200)


@pytest.mark.parametrize("kind", [ActorKind.SYSTEM, ActorKind.USER, ActorKind.OPS])
async def test_a_signal_is_never_audited_as_the_one_it_names(cast: Cast, kind: ActorKind) -> None:
    flow = await cast.owner.create_fix()

    forged = Actor.model_validate({"kind": kind, "user_id": cast.second_owner.id, "ip": "203.0.113.9"})
    await flow.handle.signal("cancel", Cancel(actor=forged))

    await flow.outcome()
    event = (await audit(cast.owner, flow.id))[-1]
    assert (event["actor_kind"], event["actor_id"], event["ip"]) == ("signal", None, None)


async def test_an_update_cannot_speak_for_the_system(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await flow.handle.execute_update("cancel", Cancel(actor=Actor(kind=ActorKind.SYSTEM)), id=str(uuid4()))

    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "forbidden"
    assert await flow.step() == "two_factor_code"


async def test_a_frozen_account_gets_no_more_codes(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await change(cast.core, "UPDATE accounts SET frozen_at = now() WHERE id = %s", str(cast.owner.account_id))
    await flow.skip(minutes=3)

    assert problem(await flow.post("/two-factor-code/resend")) == (403, "issuing-frozen")


async def test_fifty_clicks_at_once_start_nothing_twice(cast: Cast) -> None:
    form = {"name": "bot", "permissions": ["trade"]}

    answers = await asyncio.gather(*(cast.owner.post("/api-keys", form, key="click") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
