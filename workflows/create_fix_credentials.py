"""Creating FIX credentials."""

from temporalio import workflow

from countersign.domain.messages import StartRequest
from countersign.domain.requests import Journey
from workflows.approval import Approval
from workflows.versions import MAY_WAIT_FOR_YEARS


@workflow.defn(name=Journey.CREATE_FIX, versioning_behavior=MAY_WAIT_FOR_YEARS)
class CreateFixCredentials(Approval):
    """Two-factor code, password shown once and saved, activation by the account manager, or later."""

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
        await self.account_manager()
        return await self.end()
