"""Changing how a person confirms: another authenticator or phone, none at all, or new recovery codes."""

from temporalio import workflow

from countersign.domain.messages import StartRequest
from countersign.domain.requests import Journey
from workflows.approval import Approval
from workflows.versions import ENDS_SOON


@workflow.defn(name=Journey.CHANGE_TWO_FACTOR, versioning_behavior=ENDS_SOON)
class ChangeTwoFactor(Approval):
    """A code of the present method, or a recovery code; then a code of the new one. Each only where there is one."""

    @workflow.init
    def __init__(self, start: StartRequest) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: StartRequest) -> str:  # noqa: ARG002 - the same parameters as __init__
        """Return the outcome."""
        await self.begin()
        await self.two_factor_code()
        await self.new_factor_code()
        return await self.end()
