"""Workflows on a worker without a build."""

from dataclasses import replace

from temporalio.common import VersioningBehavior
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails


class WithoutVersions(UnsandboxedWorkflowRunner):
    """Runs workflows as if they said nothing of builds: from a worker without one, Temporal takes no task that does."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return the workflow of these details."""
        silent = replace(det.defn, versioning_behavior=VersioningBehavior.UNSPECIFIED)
        return super().create_instance(replace(det, defn=silent))
