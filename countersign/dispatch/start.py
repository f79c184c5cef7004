"""Starting the workflow of a request."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from countersign.adapters.temporal import answered_within
from countersign.domain.messages import StartRequest
from countersign.domain.trading_limits import tell_permissions
from countersign.storage.requests import Request

_ACCOUNT_ID = SearchAttributeKey.for_keyword("AccountId")
_CREDENTIAL_KIND = SearchAttributeKey.for_keyword("CredentialKind")


async def start_workflow(client: Client, request: Request, *, task_queue: str, patience: timedelta) -> None:
    """Start the request's workflow; one that runs, or has run, is left alone.

    Raises ``RPCError``, also when there is no answer within ``patience``.
    """
    try:
        async with answered_within(patience):
            await client.start_workflow(
                str(request.journey),
                StartRequest(request_id=request.id),
                id=request.workflow_id,
                task_queue=task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=_summary(request),
                search_attributes=_search_attributes(request),
            )
    except WorkflowAlreadyStartedError:
        return


def _search_attributes(request: Request) -> TypedSearchAttributes:
    attributes = [SearchAttributePair(_ACCOUNT_ID, str(request.account_id))]
    if request.journey.kind is not None:
        attributes.append(SearchAttributePair(_CREDENTIAL_KIND, str(request.journey.kind)))
    return TypedSearchAttributes(attributes)


def _summary(request: Request) -> str:
    what = request.session_type or tell_permissions(request.permissions, request.trading_limits)
    return f"{request.journey}: {request.name}" + (f" ({what})" if what else "")
