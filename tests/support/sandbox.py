"""The workflow sandbox: tests run workflows in it, so that what is not deterministic fails them."""

from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from countersign.adapters.unversioned import WithoutVersions

PASSED_THROUGH = ("countersign.domain", "activities", "pydantic", "pydantic_core", "annotated_types")


def sandboxed(*, versioned: bool = False) -> SandboxedWorkflowRunner:
    """Return a runner in which workflows reach no clock, network or chance but Temporal's.

    PASSED_THROUGH is not imported anew for each workflow.
    """
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH),
        runner_class=UnsandboxedWorkflowRunner if versioned else WithoutVersions,
    )
