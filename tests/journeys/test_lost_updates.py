"""A workflow task that fails takes its updates with it, after the database has kept their effects."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from countersign.domain.messages import AnyMessage, Envelope
from countersign.effects.messages import apply_message
from countersign.wiring import Parts
from tests.support.cast import Cast
from tests.support.fix import problem, result_of


@pytest.fixture
def updates_are_lost(core: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(handle: WorkflowHandle[Any, Any], _name: str, message: AnyMessage, **options: Any) -> None:
        request_id = UUID(handle.id.rpartition("/")[2])
        envelope = Envelope(request_id=request_id, key=options["id"], at=datetime.now(UTC), message=message)
        await apply_message(core.desk, envelope)
        raise RPCError("unexpected workflow task failure", RPCStatusCode.FAILED_PRECONDITION, b"")

    monkeypatch.setattr(WorkflowHandle, "execute_update", lost)


async def test_a_cancel_whose_update_was_lost_is_answered_and_ends_the_workflow(
    cast: Cast, updates_are_lost: None
) -> None:
    flow = await cast.owner.create_fix()

    assert (await flow.cancel()).json()["outcome"] == "cancelled"

    assert await result_of(flow) == "cancelled"


async def test_a_wrong_code_whose_update_was_lost_is_answered_and_counted_once(
    cast: Cast, updates_are_lost: None
) -> None:
    flow = await cast.owner.create_fix()

    answer = await flow.enter_code("000000", key="mine")

    assert problem(answer) == (422, "wrong-code")
    assert (await flow.enter_code("000000", key="mine")).json() == answer.json()
    assert (await flow.shown())["attempts_left"] == 4
