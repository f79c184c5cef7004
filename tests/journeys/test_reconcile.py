from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus

from countersign.dispatch.reconcile import Reconciler
from countersign.local.issuer import Issuer
from countersign.wiring import Parts
from tests.support.cast import Cast, Flow, Providers
from tests.support.fix import audit, credential_of, execute, problem, waiting_for_manager
from tests.support.opened import (
    BEFORE_SAVED,
    BEFORE_THE_CODE,
    Opened,
    activation,
    edit,
    fix_at_choice,
    fix_at_manager,
    key_at_code,
)
from tests.support.patience import eventually
from tests.support.stage import set_stage

Reconcile = Callable[[Reconciler], Awaitable[list[UUID]]]


async def recently(reconciler: Reconciler) -> list[UUID]:
    return await reconciler.close_recently_ended(within=timedelta(hours=1))


async def all_of_them(reconciler: Reconciler) -> list[UUID]:
    return await reconciler.close_all_ended()


def reconciler_of(core: Parts) -> Reconciler:
    return Reconciler(client=core.client, desk=core.desk)


async def reconcile(flow: Flow, by: Reconcile = all_of_them) -> None:
    """Reconcile until the request is closed: Temporal's list of ended workflows lags a little."""

    async def closed() -> bool:
        await by(reconciler_of(flow.person.core))
        return (await flow.shown())["outcome"] is not None

    await eventually(closed)


@pytest.mark.parametrize("by", [recently, all_of_them])
async def test_a_terminated_workflow_does_not_leave_its_request_open(cast: Cast, by: Reconcile) -> None:
    flow = await cast.owner.create_fix()
    await flow.handle.terminate("a test")
    assert problem(await flow.enter_code("123456")) == (503, "temporarily-unavailable")

    await reconcile(flow, by)

    shown = await flow.shown()
    assert (shown["outcome"], shown["reason"]) == ("cancelled", "its workflow was ended in Temporal")
    assert problem(await flow.enter_code("123456")) == (409, "request-closed")
    ended = (await audit(cast.owner, flow.id))[-1]
    assert (ended["event"], ended["actor_kind"]) == ("request:ended", "system")


@pytest.mark.parametrize("opened", [*BEFORE_THE_CODE, *BEFORE_SAVED])
async def test_a_creation_terminated_before_saved_leaves_no_credential(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)
    await flow.handle.terminate("a test")

    await reconcile(flow)

    assert (await cast.owner.get("/api-keys")).json() == (await cast.owner.get("/fix-credentials")).json() == []


@pytest.mark.parametrize("opened", [edit, activation, key_at_code, fix_at_choice, fix_at_manager])
async def test_a_request_terminated_later_leaves_its_credential_as_a_cancel_would(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)
    await flow.handle.terminate("a test")

    await reconcile(flow)

    assert (await credential_of(flow))["status"] == ("active" if opened.__name__ == "edit" else "inactive")


async def test_after_the_reconcile_the_next_request_can_begin(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await flow.handle.terminate("a test")
    path = f"/fix-credentials/{(await credential_of(flow))['id']}/activations"
    assert problem(await cast.owner.post(path)) == (409, "request-open")

    await reconcile(flow)

    assert (await cast.owner.post(path)).status_code == 202


@pytest.mark.parametrize("by", [recently, all_of_them])
async def test_a_healthy_request_is_left_alone(cast: Cast, by: Reconcile) -> None:
    flow = await waiting_for_manager(cast.owner)
    terminated = await cast.second_owner.create_fix()
    await terminated.handle.terminate("a test")

    await reconcile(terminated, by)

    assert await flow.step() == "account_manager"


async def test_a_request_that_ended_well_keeps_its_outcome(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    await flow.cancel()
    before = await flow.shown()

    assert UUID(flow.id) not in await all_of_them(reconciler_of(cast.core))

    assert await flow.shown() == before


async def test_a_workflow_that_is_gone_does_not_leave_its_request_open(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    lost = uuid4()
    await flow.handle.terminate("a test")
    await execute(
        cast.core,
        """INSERT INTO requests (id, account_id, user_id, credential_id, credential_version, journey, step, name,
               name_key, two_factor_method)
           SELECT %s, account_id, user_id, gen_random_uuid(), 1, journey, 'two_factor_code', name, name_key,
               two_factor_method FROM requests WHERE id = %s""",
        lost,
        flow.id,
    )

    assert lost in await all_of_them(reconciler_of(cast.core))

    assert (await cast.owner.get(f"/requests/{lost}")).json()["outcome"] == "cancelled"


async def test_a_workflow_terminated_before_it_began_does_not_leave_its_request_open(
    cast: Cast, core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(core, issuer=issuer, providers=providers) as stage:
        started = (await stage.cast.owner.post("/fix-credentials", {"session_type": "trade"})).json()
        await core.client.get_workflow_handle(started["workflow_id"]).terminate("a test")

        assert UUID(started["id"]) in await all_of_them(reconciler_of(core))

        assert (await stage.cast.owner.get(f"/requests/{started['id']}")).json()["outcome"] == "cancelled"


async def test_a_workflow_cancelled_in_temporal_before_it_began_does_not_leave_its_request_open(
    cast: Cast, core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(core, issuer=issuer, providers=providers) as stage:
        started = (await stage.cast.owner.post("/fix-credentials", {"session_type": "trade"})).json()
        flow = Flow(stage.cast.owner, started["id"], started["workflow_id"])
        await flow.handle.cancel()

        async with stage.at_work():
            await reconcile(flow)

        assert await flow.outcome() == "cancelled"


async def test_a_request_that_is_about_to_start_is_left_alone(
    cast: Cast, core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(core, issuer=issuer, providers=providers, temporal_address="127.0.0.1:1") as stage:
        started = (await stage.cast.owner.post("/fix-credentials", {"session_type": "trade"})).json()

    assert UUID(started["id"]) not in await all_of_them(reconciler_of(core))


async def test_foreign_workflows_in_the_namespace_do_not_stop_the_reconcile(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    for workflow_id in (f"somebody/else-{uuid4()}", f"somebody/{uuid4()}"):
        handle = await cast.core.client.start_workflow("else", id=workflow_id, task_queue="nobody")
        await handle.terminate("a test")
    await flow.handle.terminate("a test")

    await reconcile(flow, recently)

    assert await flow.outcome() == "cancelled"


async def test_a_start_that_temporal_did_not_hear_is_accepted_and_made_up_for_by_the_dispatcher(
    cast: Cast, core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(core, issuer=issuer, providers=providers, temporal_address="127.0.0.1:1") as stage:
        response = await stage.cast.owner.post("/fix-credentials", {"session_type": "trade"})
        started = response.json()
        assert (response.status_code, started["step"], started["waiting_for"]) == (202, "starting", "system")
        await execute(core, "UPDATE requests SET created_at = now() - interval '1 minute' WHERE id = %s", started["id"])

        stage.cast.owner.http = cast.owner.http
        flow = Flow(stage.cast.owner, started["id"], started["workflow_id"])
        await flow.until(lambda shown: shown["step"] == "two_factor_code")
        stage.cast.owner.core = core
        assert (await flow.handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await flow.to_secret()
