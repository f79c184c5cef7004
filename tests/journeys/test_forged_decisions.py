"""Decisions that are none: dropped, on the record, before the eyes of ops, and no way to fill the trail."""

import asyncio
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue

from countersign.domain.people import Role
from countersign.storage import accounts
from tests.journeys.test_garbage_messages import plain_handle
from tests.support.cast import Cast, Flow, Person
from tests.support.fix import (
    audit,
    credential_of,
    eventually,
    execute,
    signal_decision,
    statement_for,
    waiting_for_manager,
)
from tests.support.pages import Reader
from tests.support.rows import select
from tests.support.stops import events_called

REFUSED = "account-manager:decision-refused"
NAME = "account_manager_decision"


async def refusals(flow: Flow, ops: Person, *, count: int = 1) -> list[dict[str, Any]]:
    """Return what the trail tells of the request's refused decisions, once there are ``count``."""

    async def counted() -> int:
        [[refused]] = await select(flow.person.core, "SELECT decisions_refused FROM requests WHERE id = %s", flow.id)
        return int(refused)

    await eventually(counted, lambda refused: refused >= count)
    return [event["details"] for event in events_called(await audit(flow.person, flow.id, seen_by=ops), REFUSED)]


async def of_nothing(handle: WorkflowHandle[Any, Any], _plain: WorkflowHandle[Any, Any]) -> None:
    await handle.signal(NAME)


async def of_null(handle: WorkflowHandle[Any, Any], _plain: WorkflowHandle[Any, Any]) -> None:
    await handle.signal(NAME, None)


async def of_no_statement(handle: WorkflowHandle[Any, Any], _plain: WorkflowHandle[Any, Any]) -> None:
    await handle.signal(NAME, {})


async def of_text(handle: WorkflowHandle[Any, Any], _plain: WorkflowHandle[Any, Any]) -> None:
    await handle.signal(NAME, "yes, activate it")


async def too_long(handle: WorkflowHandle[Any, Any], _plain: WorkflowHandle[Any, Any]) -> None:
    await handle.signal(NAME, {"statement": "x" * 100_000})


async def in_plain_text(_handle: WorkflowHandle[Any, Any], plain: WorkflowHandle[Any, Any]) -> None:
    await plain.signal(NAME, {"statement": "a.b.c"})


async def undecipherable(_handle: WorkflowHandle[Any, Any], plain: WorkflowHandle[Any, Any]) -> None:
    sealed = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"\x00rubbish")
    await plain.signal(NAME, RawValue(sealed))


@pytest.mark.parametrize(
    "send", [of_nothing, of_null, of_no_statement, of_text, too_long, in_plain_text, undecipherable]
)
async def test_garbage_is_refused_on_the_record_and_the_request_waits_on(cast: Cast, send: Any) -> None:
    flow = await waiting_for_manager(cast.owner)

    await send(flow.handle, await plain_handle(flow))

    [details] = await refusals(flow, cast.ops)
    assert (details["problem"], details["detail"]) == ("invalid-statement", "The statement is malformed.")
    await signal_decision(flow, await statement_for(flow, cast.account_manager))
    assert await flow.outcome() == "activated"


async def test_a_genuine_decision_before_anything_waits_is_on_the_record_too(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    await signal_decision(flow, await statement_for(flow, cast.account_manager))

    [details] = await refusals(flow, cast.ops)
    assert details["problem"] == "nothing-waiting"


async def withdraw(cast: Cast) -> None:
    statement = "DELETE FROM account_manager_assignments WHERE user_id = %s"
    await execute(cast.core, statement, cast.account_manager.id)


async def dismiss(cast: Cast) -> None:
    await execute(cast.core, "UPDATE users SET staff_role = NULL WHERE id = %s", cast.account_manager.id)


async def join(cast: Cast) -> None:
    assert cast.owner.account_id
    async with cast.core.database.connection() as connection:
        await accounts.add_member(
            connection, account_id=cast.owner.account_id, user_id=cast.account_manager.id, role=Role.MEMBER
        )


@pytest.mark.parametrize("change", [withdraw, dismiss, join])
async def test_what_a_manager_may_is_asked_when_the_statement_arrives_and_not_when_it_was_signed(
    cast: Cast, change: Any
) -> None:
    flow = await waiting_for_manager(cast.owner)
    statement = await statement_for(flow, cast.account_manager)

    await change(cast)
    await signal_decision(flow, statement)

    [details] = await refusals(flow, cast.ops)
    assert details["problem"] == "forbidden"
    assert (await credential_of(flow))["status"] == "awaiting_activation"


async def test_no_number_of_forged_decisions_fills_the_trail_and_ops_see_how_many_there_were(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    await asyncio.gather(*(signal_decision(flow, f"rubbish {number}") for number in range(25)))

    told = await refusals(flow, cast.ops, count=25)
    assert [each["refused"] for each in told] == list(range(1, 11))
    page = await (await Reader.signed_in(cast.ops)).get(f"/ops/requests/{flow.id}")
    assert "Refused decisions 25" in page.text
    assert "A decision was refused (10 by then)" in page.text
    metrics = (await cast.ops.http.get("/metrics")).text
    [line] = [line for line in metrics.splitlines() if line.startswith("countersign_decisions_refused ")]
    assert float(line.split()[1]) >= 25


async def test_owners_do_not_read_of_them(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    await signal_decision(flow, "rubbish")
    await refusals(flow, cast.ops)

    assert events_called(await audit(cast.owner), REFUSED) == []


async def test_nobody_sends_a_message_as_the_link_in_a_mail(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    with pytest.raises(WorkflowUpdateFailedError):
        await flow.handle.execute_update("cancel", {"actor": {"kind": "mail_link", "user_id": str(cast.owner.id)}})

    assert await flow.step() == "account_manager"
