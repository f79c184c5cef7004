"""Activating inactive FIX credentials."""

from temporalio import workflow

from countersign.domain.messages import StartRequest
from countersign.domain.requests import Journey
from workflows.approval import Approval
from workflows.versions import MAY_WAIT_FOR_YEARS


@workflow.defn(name=Journey.ACTIVATE_FIX, versioning_behavior=MAY_WAIT_FOR_YEARS)
class ActivateFixCredentials(Approval):
    """The account manager activates or rejects."""

    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:  # noqa: ARG002 - the same parameters as __init__
        """Return the outcome."""
        await self.begin()
        await self.account_manager()
        return await self.end()
