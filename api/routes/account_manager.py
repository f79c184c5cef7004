"""What account managers see and decide."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api import deciding
from api.deciding import credential_called, signed, waiting_about
from api.opening import IdempotencyKey
from api.problems import documented
from api.quotas import Quota
from api.schemas import DecisionIn, QueueEntry, RequestOut, StatementOut
from api.services import UsedManager, UsedServices, limited
from countersign.adapters.statements import sign
from countersign.domain.errors import Forbidden, NotFound, NothingWaiting, NotSignedIn, Unavailable, VersionChanged
from countersign.domain.secrets import normalize_session_name
from countersign.effects.work import found
from countersign.storage import managing

router = APIRouter(prefix="/v1/account-manager", tags=["Account managers"])

SessionName = Annotated[
    str, Path(max_length=64, description="As read out: case, spaces, O for 0, I for 1 don't matter.")
]
_ERRORS = (NotSignedIn, Forbidden, NotFound, Unavailable)
_STARTS = [limited(Quota.STARTS)]


@router.get("/queue", responses=documented(NotSignedIn, Forbidden, Unavailable))
async def queue(
    manager: UsedManager, services: UsedServices, limit: Annotated[int, Query(ge=1, le=500)] = 200
) -> list[QueueEntry]:
    """Return what waits for this account manager, oldest first."""
    async with services.core.database.connection() as connection:
        return [QueueEntry.of(each) for each in await managing.queue(connection, manager.user_id, limit=limit)]


@router.get("/fix-credentials/{session_name}", responses=documented(*_ERRORS))
async def find_by_name(session_name: SessionName, manager: UsedManager, services: UsedServices) -> QueueEntry:
    """Return the FIX credentials of that Session Name, with the version to decide on."""
    name = normalize_session_name(session_name)
    async with services.core.database.connection() as connection:
        return QueueEntry.of(found(await managing.entry(connection, manager.user_id, session_name=name)))


@router.post(
    "/fix-credentials/{session_name}/decision",
    dependencies=_STARTS,
    responses=documented(*_ERRORS, NothingWaiting, VersionChanged),
)
async def decide(
    session_name: SessionName,
    body: DecisionIn,
    manager: UsedManager,
    services: UsedServices,
    idempotency_key: IdempotencyKey = None,
) -> RequestOut:
    """Activate or reject: answers the request that waits, or starts an activation where none does."""
    credential = await credential_called(services, manager, session_name)
    return await deciding.decide(services, manager, credential, body, idempotency_key=idempotency_key)


@router.post(
    "/fix-credentials/{session_name}/statement",
    dependencies=_STARTS,
    responses=documented(*_ERRORS, NothingWaiting, VersionChanged),
)
async def sign_statement(
    session_name: SessionName, body: DecisionIn, manager: UsedManager, services: UsedServices
) -> StatementOut:
    """Sign a decision about the request that waits, to be sent with ``temporal workflow signal``."""
    credential = await credential_called(services, manager, session_name)
    request = await waiting_about(services, credential)
    if request is None:
        raise NothingWaiting
    if credential.version != body.version:
        raise VersionChanged(version=credential.version)
    statement = signed(services, manager, request, body)
    return StatementOut(
        statement=sign(services.core.keys, statement),
        workflow_id=request.workflow_id,
        expires_at=statement.expires_at,
    )
