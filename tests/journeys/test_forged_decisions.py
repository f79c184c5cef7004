"""Decisions that are none: dropped, on the record, before the eyes of ops, and no way to fill the trail."""

import asyncio
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue

from tests.journeys.test_garbage_messages import plain_handle
from tests.support.cast import Cast, Flow, Person
from tests.support.fix import audit, credential_of, signal_decision, statement_for, waiting_for_manager
from tests.support.pages import Reader
from tests.support.patience import eventually
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


GARBAGE = (of_nothing, of_null, of_no_statement, of_text, too_long, in_plain_text, undecipherable)


async def test_garbage_of_every_kind_is_refused_on_the_record_and_the_request_waits_on(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    plain = await plain_handle(flow)

    for number, send in enumerate(GARBAGE, start=1):
        await send(flow.handle, plain)
        told = await refusals(flow, cast.ops, count=number)
        assert [each["detail"] for each in told] == ["The statement is malformed."] * number, send.__name__

    await signal_decision(flow, await statement_for(flow, cast.account_manager))
    assert await flow.outcome() == "activated"


async def test_a_genuine_decision_before_anything_waits_is_on_the_record_too(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    await signal_decision(flow, await statement_for(flow, cast.account_manager))

    [details] = await refusals(flow, cast.ops)
    assert details["problem"] == "nothing-waiting"


LOST = {
    "the assignment": (
        "DELETE FROM account_manager_assignments WHERE user_id = %(manager)s",
        "INSERT INTO account_manager_assignments (account_id, user_id) VALUES (%(account)s, %(manager)s)",
    ),
    "the role": (
        "UPDATE users SET staff_role = NULL WHERE id = %(manager)s",
        "UPDATE users SET staff_role = 'account_manager' WHERE id = %(manager)s",
    ),
    "the distance": (
        "INSERT INTO memberships (account_id, user_id, role) VALUES (%(account)s, %(manager)s, 'member')",
        "DELETE FROM memberships WHERE user_id = %(manager)s",
    ),
}


async def test_what_a_manager_may_is_asked_when_the_statement_arrives_and_not_when_it_was_signed(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    people = {"manager": cast.account_manager.id, "account": cast.owner.account_id}

    for number, (lose, regain) in enumerate(LOST.values(), start=1):
        statement = await statement_for(flow, cast.account_manager)
        async with cast.core.database.connection() as connection:
            await connection.execute(lose, people)
            await signal_decision(flow, statement)
            told = await refusals(flow, cast.ops, count=number)
            await connection.execute(regain, people)
        assert [each["problem"] for each in told] == ["forbidden"] * number

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
