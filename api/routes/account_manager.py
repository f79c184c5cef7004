"""What account managers see and decide."""

from datetime import timedelta
from functools import partial
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query

from api.addressing import deliver, message_key
from api.opening import IdempotencyKey, open_and_start
from api.problems import documented
from api.schemas import DecisionIn, QueueEntry, RequestOut, StatementOut
from api.services import Caller, Services, UsedManager, UsedServices, now
from countersign.adapters.statements import Statement, sign
from countersign.domain.credentials import CredentialStatus
from countersign.domain.errors import Forbidden, NotFound, NothingWaiting, NotSignedIn, Unavailable, VersionChanged
from countersign.domain.messages import AccountManagerDecision
from countersign.domain.requests import Step
from countersign.domain.secrets import normalize_session_name
from countersign.effects import opening
from countersign.effects.authority import require_manager
from countersign.effects.work import Work, found
from countersign.storage import accounts, credentials, requests, verdicts
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request

router = APIRouter(prefix="/v1/account-manager", tags=["Account managers"])

SessionName = Annotated[
    str, Path(max_length=64, description="As read out: case, spaces, O for 0, I for 1 don't matter.")
]
_ERRORS = (NotSignedIn, Forbidden, NotFound, Unavailable)


@router.get("/queue", responses=documented(NotSignedIn, Forbidden, Unavailable))
async def queue(
    manager: UsedManager, services: UsedServices, limit: Annotated[int, Query(ge=1, le=500)] = 200
) -> list[QueueEntry]:
    """Return what waits for this account manager, oldest first."""
    async with services.core.database.connection() as connection:
        waiting = await requests.waiting_for_manager(connection, manager.user_id, limit=limit)
    return [await _entry(services, await _credential(services, manager, each.name)) for each in waiting]


@router.get("/fix-credentials/{session_name}", responses=documented(*_ERRORS))
async def find_by_name(session_name: SessionName, manager: UsedManager, services: UsedServices) -> QueueEntry:
    """Return the FIX credentials of that Session Name, with the version to decide on."""
    return await _entry(services, await _credential(services, manager, session_name))


@router.post("/fix-credentials/{session_name}/decision", responses=documented(*_ERRORS, NothingWaiting, VersionChanged))
async def decide(
    session_name: SessionName,
    body: DecisionIn,
    manager: UsedManager,
    services: UsedServices,
    idempotency_key: IdempotencyKey = None,
) -> RequestOut:
    """Activate or reject: answers the request that waits, or starts an activation where none does."""
    credential = await _credential(services, manager, session_name)
    key = message_key(
        services.core.keys, manager.actor, idempotency_key, said=f"{credential.id}\n{body.model_dump_json()}"
    )
    request = await _answered_before(services, credential, key)
    if request is None:
        request = await _request_to_answer(services, manager, credential, body)
    statement = _signed(services, manager, request, body)
    message = AccountManagerDecision(actor=manager.actor, statement=sign(services.core.keys, statement))
    return await deliver(services, request, message, key=key)


@router.post(
    "/fix-credentials/{session_name}/statement", responses=documented(*_ERRORS, NothingWaiting, VersionChanged)
)
async def sign_statement(
    session_name: SessionName, body: DecisionIn, manager: UsedManager, services: UsedServices
) -> StatementOut:
    """Sign a decision about the request that waits, to be sent with ``temporal workflow signal``."""
    credential = await _credential(services, manager, session_name)
    request = await _waiting(services, credential)
    if request is None:
        raise NothingWaiting
    if credential.version != body.version:
        raise VersionChanged(version=credential.version)
    statement = _signed(services, manager, request, body)
    return StatementOut(
        statement=sign(services.core.keys, statement),
        workflow_id=request.workflow_id,
        expires_at=statement.expires_at,
    )


async def _credential(services: Services, manager: Caller, session_name: str) -> Credential:
    name = normalize_session_name(session_name)
    async with services.core.database.connection() as connection:
        credential = found(await credentials.by_session_name(connection, name))
        if not await accounts.is_assigned(connection, account_id=credential.account_id, user_id=manager.user_id):
            raise NotFound
    return credential


async def _waiting(services: Services, credential: Credential) -> Request | None:
    async with services.core.database.connection() as connection:
        return await requests.open_of_credential(connection, credential.id)


async def _answered_before(services: Services, credential: Credential, key: str) -> Request | None:
    # A repeated decision gets its first answer, although nothing waits any more and the version has moved on.
    async with services.core.database.connection() as connection:
        latest = await requests.latest_of_credential(connection, credential.id)
        if latest is None or await verdicts.find(connection, request_id=latest.id, key=key) is None:
            return None
    return latest


async def _request_to_answer(services: Services, manager: Caller, credential: Credential, body: DecisionIn) -> Request:
    if credential.version != body.version:
        raise VersionChanged(version=credential.version)
    request = await _waiting(services, credential)
    if request is not None:
        _require_waiting(request, manager)
        return request
    if body.decision == "reject" or credential.status is not CredentialStatus.INACTIVE:
        raise NothingWaiting
    return await open_and_start(
        services,
        manager,
        partial(_activation_by_manager, credential_id=credential.id),
        account_id=credential.account_id,
        replay=None,
    )


def _require_waiting(request: Request, manager: Caller) -> None:
    # What a manager began by name may be starting still, if the first answer was lost.
    begun_by_manager = request.step is Step.STARTING and request.user_id == manager.user_id
    if request.step is not Step.ACCOUNT_MANAGER and not begun_by_manager:
        raise NothingWaiting(f"The request is at the step {request.step}.", step=request.step)


async def _activation_by_manager(work: Work, manager: UUID, *, credential_id: UUID) -> Request:
    await require_manager(work, manager)
    return await opening.activate_fix_credentials(work, manager, credential_id)


def _signed(services: Services, manager: Caller, request: Request, body: DecisionIn) -> Statement:
    lifetime: timedelta = services.settings.rules.statement_lifetime
    return Statement(
        manager=manager.user_id,
        decision=body.decision,
        request_id=request.id,
        credential_version=body.version,
        reason=body.reason,
        id=str(uuid4()),
        expires_at=now() + lifetime,
    )


async def _entry(services: Services, credential: Credential) -> QueueEntry:
    request = await _waiting(services, credential)
    async with services.core.database.connection() as connection:
        account = found(await accounts.get(connection, credential.account_id))
    return QueueEntry(
        session_name=credential.name,
        session_type=credential.session_type,
        account_id=account.id,
        account_name=account.name,
        status=credential.status,
        version=credential.version,
        request_id=request.id if request else None,
        workflow_id=request.workflow_id if request else None,
        step=request.step if request else None,
        asked_at=request.asked_at if request else None,
    )
