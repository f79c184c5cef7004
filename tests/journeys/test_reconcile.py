"""Requests and workflows that differ: found, healed, and told to those it concerns.

On a database of its own: a reconcile looks at all there is, and would begin what other tests left without workflows.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import WorkflowIDReusePolicy

from countersign.dispatch.reconcile import Difference, Kind
from countersign.domain.messages import StartRequest
from countersign.domain.requests import Journey
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from countersign.wiring import Parts, reconciler
from tests.support.cast import Cast, Flow, Person, Providers
from tests.support.databases import OwnDatabase
from tests.support.fix import (
    audit,
    credential_of,
    decide,
    decided,
    execute,
    mails,
    name_of,
    problem,
    result_of,
    waiting_for_manager,
)
from tests.support.opened import (
    BEFORE_SAVED,
    BEFORE_THE_CODE,
    ONE_OF_EACH_STEP,
    Opened,
    activation,
    edit,
    edit_at_code,
    fix_asked,
    fix_at_choice,
    fix_at_manager,
    fix_at_two_factor,
    key_at_choice,
    key_at_code,
    key_at_secret,
)
from tests.support.patience import eventually
from tests.support.rows import let_deadline_pass
from tests.support.security import begin_change
from tests.support.stage import Stage, ended, set_stage, stage_of

MORE = [fix_at_two_factor, key_at_secret, key_at_choice, fix_at_choice, edit_at_code, fix_asked]


@pytest.fixture(scope="module")
async def apart(
    postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers
) -> AsyncIterator[Stage]:
    own = settings.model_copy(update={"database_url": SecretStr(OwnDatabase.make_migrated(postgres).app_url)})
    async with (
        stage_of(own, issuer=issuer, providers=providers) as stage,
        stage.at_work(chores=True),
    ):
        yield stage


@pytest.fixture
async def cast(apart: Stage, issuer: Issuer, providers: Providers) -> Cast:
    return await Cast.enter(apart.core, http=apart.cast.owner.http, issuer=issuer, providers=providers)


async def difference(flow: Flow) -> Kind | None:
    found = [each for each in await reconciler(flow.person.core).find() if each.workflow_id == flow.workflow_id]
    return found[0].kind if found else None


async def healed(core: Parts) -> list[Difference]:
    return await reconciler(core).heal_all()


async def heal(flow: Flow) -> None:
    """Reconcile until nothing differs: Temporal's list of workflows lags a little."""

    async def at_one() -> bool:
        await healed(flow.person.core)
        return await difference(flow) is None

    await eventually(at_one)


async def terminate(flow: Flow) -> None:
    await flow.handle.terminate("a test")
    await eventually(lambda: difference(flow), lambda kind: kind is Kind.ENDED)


@dataclass(frozen=True)
class Elsewhere:
    """A Temporal that knows of nothing, as one does that was restored to a moment before all that is; same database."""

    stage: Stage

    async def lose(self, flow: Flow) -> Flow:
        """Return the flow as it goes on with this Temporal alone."""
        await flow.handle.terminate("it is lost")
        moved = replace(flow, person=self.knows(flow.person))
        assert await difference(moved) is Kind.LOST
        return moved

    def knows(self, person: Person) -> Person:
        return replace(person, core=self.stage.core, http=self.stage.cast.owner.http)


@pytest.fixture(scope="module")
def other_temporal() -> Iterator[EmbeddedTemporal]:
    with EmbeddedTemporal(port=free_port()).running() as server:
        yield server


@pytest.fixture(scope="module")
async def elsewhere(
    apart: Stage, other_temporal: EmbeddedTemporal, issuer: Issuer, providers: Providers
) -> AsyncIterator[Elsewhere]:
    own = apart.core.settings.model_copy(update={"temporal_address": other_temporal.address})
    async with (
        stage_of(own, issuer=issuer, providers=providers) as stage,
        # Its chores would take requests of the other one: both see the same database.
        stage.at_work(chores=False),
    ):
        yield Elsewhere(stage)


async def test_a_terminated_workflow_does_not_leave_its_request_open(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    await terminate(flow)
    assert problem(await flow.enter_code("123456")) == (503, "temporarily-unavailable")

    await heal(flow)

    shown = await flow.shown()
    assert (shown["outcome"], shown["reason"]) == ("cancelled", "its workflow was ended in Temporal")
    assert problem(await flow.enter_code("123456")) == (409, "request-closed")
    last = (await audit(cast.owner, flow.id))[-1]
    assert (last["event"], last["actor_kind"]) == ("request:ended", "system")


async def test_looking_alone_changes_nothing(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    await terminate(flow)

    assert await difference(flow) is Kind.ENDED

    assert (await flow.shown())["outcome"] is None


async def test_every_owner_is_told_of_a_request_that_was_closed(cast: Cast) -> None:
    flow = await cast.owner.create_api_key("lost and closed")
    await terminate(flow)

    await heal(flow)

    for owner in (cast.owner, cast.second_owner):
        [told] = await mails(owner, "Request closed: lost and closed")
        assert "begin again" in told


async def test_the_person_alone_is_told_of_a_closed_change_of_two_factor_authentication(cast: Cast) -> None:
    flow = await begin_change(cast.owner, "authenticator")
    await terminate(flow)

    await heal(flow)

    subject = "Change of two-factor authentication closed"
    assert len(await mails(cast.owner, subject)) == 1
    assert await mails(cast.second_owner, subject, count=0) == []


@pytest.mark.parametrize("opened", [*BEFORE_THE_CODE, *BEFORE_SAVED])
async def test_a_creation_terminated_before_saved_leaves_no_credential(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)
    await terminate(flow)

    await heal(flow)

    assert (await cast.owner.get("/api-keys")).json() == (await cast.owner.get("/fix-credentials")).json() == []


@pytest.mark.parametrize("opened", [edit, activation, key_at_code, fix_at_choice, fix_at_manager])
async def test_a_request_terminated_later_leaves_its_credential_as_a_cancel_would(cast: Cast, opened: Opened) -> None:
    flow = await opened(cast)
    await terminate(flow)

    await heal(flow)

    assert (await credential_of(flow))["status"] == ("active" if opened.__name__ == "edit" else "inactive")


async def test_after_the_reconcile_the_next_request_can_begin(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await terminate(flow)
    path = f"/fix-credentials/{(await credential_of(flow))['id']}/activations"
    assert problem(await cast.owner.post(path)) == (409, "request-open")

    await heal(flow)

    assert (await cast.owner.post(path)).status_code == 202


async def test_a_healthy_request_is_left_alone(cast: Cast) -> None:
    flow, terminated = await waiting_for_manager(cast.owner), await cast.second_owner.create_fix()
    await terminate(terminated)

    await heal(terminated)

    assert await flow.step() == "account_manager"


async def test_a_request_that_ended_well_keeps_its_outcome(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    await flow.cancel()
    await ended(flow)
    before = await flow.shown()

    await heal(flow)

    assert await flow.shown() == before


@pytest.mark.parametrize("opened", [*ONE_OF_EACH_STEP, *(pytest.param(each, marks=pytest.mark.prove) for each in MORE)])
async def test_a_lost_workflow_goes_on_at_the_step_where_its_request_stands(
    cast: Cast, elsewhere: Elsewhere, opened: Opened
) -> None:
    flow = await opened(cast)
    before = await flow.shown()
    moved = await elsewhere.lose(flow)

    await heal(moved)

    assert (await moved.shown())["step"] == before["step"]
    assert await to_the_end(moved, elsewhere.knows(cast.account_manager)) == "activated"
    assert [event["event"] for event in await audit(cast.owner, flow.id)].count("request:ended") == 1


async def to_the_end(flow: Flow, manager: Person) -> str:
    """Carry the request on from whichever step it is at; return the workflow's result."""
    await flow.to_choice()
    if await flow.step() == "activation_choice":
        await flow.choose("now")
    if await flow.step() == "activation_code":
        await flow.enter_activation_code()
    else:
        decided(await decide(manager, await name_of(flow)))
    return await result_of(flow)


async def test_a_secret_seen_before_its_workflow_was_lost_is_shown_to_nobody_else_and_never_again_once_saved(
    cast: Cast, elsewhere: Elsewhere
) -> None:
    flow = await key_at_secret(cast)
    secret = (await flow.reveal()).json()
    moved = await elsewhere.lose(flow)

    await heal(moved)

    assert (await moved.reveal()).json() == secret
    assert problem(await moved.reveal("x" * 43)) == (403, "reveal-refused")
    await moved.save()
    assert (await moved.reveal()).status_code == 410


async def test_a_request_whose_time_ran_out_while_its_workflow_was_lost_expires(
    cast: Cast, elsewhere: Elsewhere
) -> None:
    moved = await elsewhere.lose(await cast.owner.create_api_key())
    await let_deadline_pass(cast.core, moved.id)

    await heal(moved)

    assert await result_of(moved) == "expired"


async def test_a_workflow_that_runs_on_after_its_request_ended_is_told_and_ends(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await execute(
        cast.core,
        """UPDATE requests SET outcome = 'cancelled', step = 'closed', closed_at = now(), deadline = NULL
           WHERE id = %s""",
        flow.id,
    )
    await eventually(lambda: difference(flow), lambda kind: kind is Kind.BEHIND)

    await heal(flow)

    assert await result_of(flow) == "cancelled"


async def test_a_workflow_ahead_of_a_restored_request_goes_back_to_where_that_stands(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await execute(cast.core, "UPDATE requests SET step = 'activation_choice', asked_at = NULL WHERE id = %s", flow.id)
    await execute(
        cast.core, "UPDATE credentials SET status = 'inactive' WHERE id = %s", (await credential_of(flow))["id"]
    )
    run_before = (await flow.handle.describe()).run_id

    await flow.handle.signal("look_again")
    await eventually(lambda: run_of(flow), lambda run: run != run_before)
    await flow.choose("now")

    decided(await decide(cast.account_manager, await name_of(flow)))
    assert await result_of(flow) == "activated"


async def run_of(flow: Flow) -> str | None:
    return (await flow.handle.describe()).run_id


async def test_a_workflow_that_waits_without_end_for_a_restored_request_whose_time_ran_out_is_told(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await execute(
        cast.core,
        """UPDATE requests SET step = 'activation_choice', asked_at = NULL, reminders = 2,
               deadline = now() - interval '1 hour' WHERE id = %s""",
        flow.id,
    )
    await eventually(lambda: difference(flow), lambda kind: kind is Kind.BEHIND)

    await heal(flow)

    assert await result_of(flow) == "left_inactive"


async def test_a_workflow_without_a_request_is_reported_by_the_schedule_and_ended_by_the_command_alone(
    cast: Cast,
) -> None:
    workflow_id = f"{Journey.ACTIVATE_FIX}/{uuid4()}"
    handle = await cast.core.client.start_workflow(
        Journey.ACTIVATE_FIX,
        StartRequest(request_id=UUID(workflow_id.rpartition("/")[2])),
        id=workflow_id,
        task_queue=cast.core.settings.task_queue,
        start_delay=timedelta(hours=1),
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
    )
    orphan = Difference(kind=Kind.ORPHAN, workflow_id=workflow_id, request_id=None)

    async def found() -> bool:
        return orphan in await healed(cast.core)

    await eventually(found)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING

    assert await reconciler(cast.core).heal(orphan)

    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_a_workflow_terminated_before_it_began_does_not_leave_its_request_open(
    apart: Stage, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(apart.core, issuer=issuer, providers=providers) as stage:
        started = (await stage.cast.owner.post("/fix-credentials", {"session_type": "trade"})).json()
        flow = Flow(stage.cast.owner, started["id"], started["workflow_id"])
        await terminate(flow)

        await heal(flow)

        assert await flow.outcome() == "cancelled"


async def test_a_workflow_cancelled_in_temporal_before_it_began_does_not_leave_its_request_open(
    apart: Stage, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(apart.core, issuer=issuer, providers=providers) as stage:
        started = (await stage.cast.owner.post("/fix-credentials", {"session_type": "trade"})).json()
        flow = Flow(stage.cast.owner, started["id"], started["workflow_id"])
        await flow.handle.cancel()

        async with stage.at_work():
            await eventually(lambda: difference(flow), lambda kind: kind is Kind.ENDED)
            await heal(flow)

        assert await flow.outcome() == "cancelled"


async def test_a_request_that_is_about_to_start_is_left_alone(
    apart: Stage, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(apart.core, issuer=issuer, providers=providers, temporal_address="127.0.0.1:1") as stage:
        started = (await stage.cast.owner.post("/fix-credentials", {"session_type": "trade"})).json()

    assert UUID(started["id"]) not in {each.request_id for each in await reconciler(apart.core).find()}


async def test_foreign_workflows_in_the_namespace_do_not_stop_the_reconcile(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    queue = cast.core.settings.task_queue
    foreign = [(f"somebody/else-{uuid4()}", "nobody"), (f"somebody/{uuid4()}", queue), (f"mine/{flow.id}", queue)]
    for workflow_id, task_queue in foreign:
        await cast.core.client.start_workflow(
            "create-api-key", id=workflow_id, task_queue=task_queue, start_delay=timedelta(hours=1)
        )
    await terminate(flow)

    await heal(flow)

    assert await flow.outcome() == "cancelled"
    assert {each.workflow_id for each in await healed(cast.core)}.isdisjoint({each for each, _ in foreign})


async def test_a_start_that_temporal_did_not_hear_is_accepted_and_made_up_for_by_the_dispatcher(
    cast: Cast, apart: Stage, issuer: Issuer, providers: Providers
) -> None:
    async with set_stage(apart.core, issuer=issuer, providers=providers, temporal_address="127.0.0.1:1") as stage:
        response = await stage.cast.owner.post("/fix-credentials", {"session_type": "trade"})
        started = response.json()
        assert (response.status_code, started["step"], started["waiting_for"]) == (202, "starting", "system")
        aged = "UPDATE requests SET created_at = now() - interval '1 minute' WHERE id = %s"
        await execute(apart.core, aged, started["id"])

        stage.cast.owner.http = cast.owner.http
        flow = Flow(stage.cast.owner, started["id"], started["workflow_id"])
        await flow.until(lambda shown: shown["step"] == "two_factor_code")
        stage.cast.owner.core = apart.core
        assert (await flow.handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await flow.to_secret()
