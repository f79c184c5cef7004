"""The journeys as the next release might have them, for the rehearsal of an upgrade alone.

Those that end soon are changed as if nothing ran: none that began before is ever given to it. Those that move on are
changed behind a patch.
"""

from datetime import timedelta

from temporalio import workflow

from countersign.domain.messages import StartRequest
from countersign.domain.requests import Journey
from workflows.activate_api_key import ActivateApiKey
from workflows.activate_fix_credentials import ActivateFixCredentials
from workflows.change_two_factor import ChangeTwoFactor
from workflows.create_api_key import CreateApiKey
from workflows.create_fix_credentials import CreateFixCredentials
from workflows.edit_api_key import EditApiKey
from workflows.reconcile import Reconcile
from workflows.versions import ENDS_SOON, MAY_WAIT_FOR_YEARS

_PATCH = "a-breath-before-it-begins"
_BREATH = timedelta(milliseconds=1)


@workflow.defn(name=Journey.CREATE_API_KEY, versioning_behavior=ENDS_SOON)
class NextCreateApiKey(CreateApiKey):
    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        await workflow.sleep(_BREATH)
        return await super().run(start)


@workflow.defn(name=Journey.EDIT_API_KEY, versioning_behavior=ENDS_SOON)
class NextEditApiKey(EditApiKey):
    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        await workflow.sleep(_BREATH)
        return await super().run(start)


@workflow.defn(name=Journey.ACTIVATE_API_KEY, versioning_behavior=ENDS_SOON)
class NextActivateApiKey(ActivateApiKey):
    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        await workflow.sleep(_BREATH)
        return await super().run(start)


@workflow.defn(name=Journey.CHANGE_TWO_FACTOR, versioning_behavior=ENDS_SOON)
class NextChangeTwoFactor(ChangeTwoFactor):
    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        await workflow.sleep(_BREATH)
        return await super().run(start)


@workflow.defn(name=Journey.CREATE_FIX, versioning_behavior=MAY_WAIT_FOR_YEARS)
class NextCreateFixCredentials(CreateFixCredentials):
    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        if workflow.patched(_PATCH):
            await workflow.sleep(_BREATH)
        return await super().run(start)


@workflow.defn(name=Journey.ACTIVATE_FIX, versioning_behavior=MAY_WAIT_FOR_YEARS)
class NextActivateFixCredentials(ActivateFixCredentials):
    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        if workflow.patched(_PATCH):
            await workflow.sleep(_BREATH)
        return await super().run(start)


NEXT_RELEASE: list[type] = [
    NextCreateApiKey,
    NextEditApiKey,
    NextActivateApiKey,
    NextChangeTwoFactor,
    NextCreateFixCredentials,
    NextActivateFixCredentials,
    Reconcile,
]
