"""An upgrade as ops carry it out: two builds beside each other, and requests that are open at every step."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import httpx

from countersign.dispatch.version_changes import VersionChanges
from countersign.dispatch.versions import Build
from countersign.domain.requests import Journey, Step
from countersign.local.issuer import Issuer
from countersign.wiring import Parts, version_changes
from tests.support.cast import Cast, Flow, Person, Providers
from tests.support.fix import ask_for_activation, decide, name_of
from tests.support.patience import eventually
from tests.support.security import begin_change, new_code
from tests.support.stage import Stage, ended, set_stage, without_caps
from tests.support.workers import working
from workflows.journeys import WORKFLOWS
from workflows.versions import MOVE_ON

Opener = Callable[[Cast], Awaitable[Flow]]


@dataclass(frozen=True)
class Rehearsal:
    """A task queue and a deployment of its own."""

    stage: Stage

    @property
    def cast(self) -> Cast:
        return self.stage.cast

    @property
    def changes(self) -> VersionChanges:
        return version_changes(self.stage.core.client, self.stage.core.settings, identity="rehearsal")

    def working(self, build_id: str, workflows: Sequence[type] = WORKFLOWS) -> AbstractAsyncContextManager[None]:
        settings = self.stage.core.settings.model_copy(update={"build_id": build_id})
        return working(replace(self.stage.core, settings=settings), chores=False, workflows=workflows)

    async def arrived(self, build_id: str) -> None:
        """Return once Temporal knows the build."""

        async def look() -> bool:
            return await self.find(build_id) is not None

        await eventually(look)

    async def find(self, build_id: str) -> Build | None:
        seen = await self.changes.versions.read()
        return seen.find(build_id) if seen else None


@asynccontextmanager
async def rehearsing(core: Parts, *, issuer: Issuer, providers: Providers) -> AsyncIterator[Rehearsal]:
    rules = without_caps(core.settings.rules)
    changes = {"rules": rules, "deployment": f"rehearsal-{uuid4()}", "message_timeout_seconds": 2}
    async with set_stage(core, issuer=issuer, providers=providers, **changes) as stage:
        yield Rehearsal(stage)


def moves_on(flow: Flow) -> bool:
    """Tell whether the request's workflow follows the current build."""
    return flow.workflow_id.partition("/")[0] in MOVE_ON


async def builds_of(flows: Iterable[Flow]) -> set[str]:
    """Return the builds that did the last tasks of the workflows."""
    return {await build_of(flow) for flow in flows}


async def build_of(flow: Flow) -> str:
    described = (await flow.handle.describe()).raw_description
    return str(described.workflow_execution_info.versioning_info.deployment_version.build_id)


async def finish(cast: Cast, flow: Flow) -> str:
    """Go through what is left of a request; return its outcome, which its workflow has ended with."""
    while (shown := await flow.shown())["outcome"] is None:
        await _go_on(cast, flow, Step(shown["step"]))
    assert await ended(flow) == shown["outcome"]
    return str(shown["outcome"])


async def _go_on(cast: Cast, flow: Flow, step: Step) -> None:
    response = await _say(cast, flow, step)
    # What was answered 503 had its effect later, or will have: then it is not at this step any more.
    assert response.status_code in {200, 409, 503}, response.text


async def _say(cast: Cast, flow: Flow, step: Step) -> httpx.Response:
    if step is Step.TWO_FACTOR_CODE:
        return await flow.enter_code()
    if step is Step.NEW_FACTOR_CODE:
        return await flow.enter_code(await new_code(flow))
    if step is Step.SECRET_SAVED:
        assert (await flow.reveal()).status_code == 200
        return await flow.save()
    if step is Step.ACTIVATION_CHOICE:
        return await flow.choose("now")
    if step is Step.ACTIVATION_CODE:
        return await flow.enter_activation_code()
    return await decide(cast.account_manager, await name_of(flow))


async def open_at(cast: Cast, journey: Journey, step: Step) -> Flow:
    """Return a request that waits at the step."""
    flow = await _OPENERS[journey](cast)
    while (shown := await flow.shown())["step"] != step:
        await _go_on(cast, flow, Step(shown["step"]))
    return flow


async def _create_api_key(cast: Cast) -> Flow:
    return await cast.owner.create_api_key(f"bot {uuid4().hex[:8]}")


async def _create_fix(cast: Cast) -> Flow:
    return await cast.owner.create_fix()


async def _edit_api_key(cast: Cast) -> Flow:
    key = await cast.owner.active_api_key(f"bot {uuid4().hex[:8]}")
    form = {"permissions": ["trade"], "ip_whitelist": "203.0.113.7", "acknowledge_deactivation": True}
    return await cast.owner.begin(f"/api-keys/{key}/edits", form)


async def _activate_api_key(cast: Cast) -> Flow:
    key = await cast.owner.inactive_api_key(f"bot {uuid4().hex[:8]}")
    return await cast.owner.begin(f"/api-keys/{key}/activations")


async def _activate_fix(cast: Cast) -> Flow:
    return await ask_for_activation(cast.owner, await cast.owner.inactive_fix())


async def _change_two_factor(cast: Cast) -> Flow:
    # A change ends what else its person has open, and each has one at a time.
    person: Person = cast.second_owner if await _is_free(cast.second_owner) else cast.bare_owner
    return await begin_change(person, "authenticator")


async def _is_free(person: Person) -> bool:
    return (await person.get("/security")).json()["open_change"] is None


_OPENERS: dict[Journey, Opener] = {
    Journey.CREATE_API_KEY: _create_api_key,
    Journey.CREATE_FIX: _create_fix,
    Journey.EDIT_API_KEY: _edit_api_key,
    Journey.ACTIVATE_API_KEY: _activate_api_key,
    Journey.ACTIVATE_FIX: _activate_fix,
    Journey.CHANGE_TWO_FACTOR: _change_two_factor,
}
EVERYWHERE = [
    (Journey.CREATE_API_KEY, Step.TWO_FACTOR_CODE),
    (Journey.CREATE_API_KEY, Step.SECRET_SAVED),
    (Journey.CREATE_API_KEY, Step.ACTIVATION_CHOICE),
    (Journey.CREATE_API_KEY, Step.ACTIVATION_CODE),
    (Journey.CREATE_FIX, Step.TWO_FACTOR_CODE),
    (Journey.CREATE_FIX, Step.SECRET_SAVED),
    (Journey.CREATE_FIX, Step.ACTIVATION_CHOICE),
    (Journey.CREATE_FIX, Step.ACCOUNT_MANAGER),
    (Journey.EDIT_API_KEY, Step.TWO_FACTOR_CODE),
    (Journey.EDIT_API_KEY, Step.ACTIVATION_CHOICE),
    (Journey.EDIT_API_KEY, Step.ACTIVATION_CODE),
    (Journey.ACTIVATE_API_KEY, Step.TWO_FACTOR_CODE),
    (Journey.ACTIVATE_FIX, Step.ACCOUNT_MANAGER),
    (Journey.CHANGE_TWO_FACTOR, Step.TWO_FACTOR_CODE),
    (Journey.CHANGE_TWO_FACTOR, Step.NEW_FACTOR_CODE),
]
SOME = [
    (Journey.CREATE_API_KEY, Step.TWO_FACTOR_CODE),
    (Journey.CREATE_API_KEY, Step.ACTIVATION_CODE),
    (Journey.CREATE_FIX, Step.SECRET_SAVED),
    (Journey.CREATE_FIX, Step.ACCOUNT_MANAGER),
]
FEW = [(Journey.CREATE_API_KEY, Step.SECRET_SAVED), (Journey.CREATE_FIX, Step.TWO_FACTOR_CODE)]
WAITING = [(Journey.CREATE_FIX, Step.ACCOUNT_MANAGER)]
