"""Creating a WebSocket/REST API key."""

from temporalio import workflow

from countersign.domain.messages import StartRequest
from countersign.domain.requests import Journey
from workflows.approval import Approval
from workflows.versions import ENDS_SOON


@workflow.defn(name=Journey.CREATE_API_KEY, versioning_behavior=ENDS_SOON)
class CreateApiKey(Approval):
    """Two-factor code, secret shown once and saved, activation by email code or link, or later."""

    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:  # noqa: ARG002 - the same parameters as __init__
        """Return the outcome."""
        await self.begin()
        await self.two_factor_code()
        await self.secret_saved()
        await self.activation_choice()
        await self.activation_code()
        return await self.end()
