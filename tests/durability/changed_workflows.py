"""The creation of an API key as somebody might change it: it pauses before it begins. For the replay tests alone."""

from datetime import timedelta

from temporalio import workflow

from countersign.domain.messages import StartRequest
from countersign.domain.requests import Journey
from workflows.create_api_key import CreateApiKey
from workflows.versions import ENDS_SOON

_PATCH = "pause-before-it-begins"
_PAUSE = timedelta(milliseconds=1)


@workflow.defn(name=Journey.CREATE_API_KEY, versioning_behavior=ENDS_SOON)
class Careless(CreateApiKey):
    """Changed as if nothing ran."""

    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        await workflow.sleep(_PAUSE)
        return await super().run(start)


@workflow.defn(name=Journey.CREATE_API_KEY, versioning_behavior=ENDS_SOON)
class Patched(CreateApiKey):
    """What began before the change goes on without it."""

    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        if workflow.patched(_PATCH):
            await workflow.sleep(_PAUSE)
        return await super().run(start)


@workflow.defn(name=Journey.CREATE_API_KEY, versioning_behavior=ENDS_SOON)
class Deprecated(CreateApiKey):
    """The branch of before is gone: only where nothing from before the change is open any more."""

    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:
        workflow.deprecate_patch(_PATCH)
        await workflow.sleep(_PAUSE)
        return await super().run(start)
