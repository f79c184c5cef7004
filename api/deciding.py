"""An account manager's decision: about which credential, on which request, and signed."""

from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

from api.addressing import deliver, message_key
from api.opening import open_and_start
from api.schemas import DecisionIn, RequestOut
from api.services import Caller, Services, now
from countersign.adapters.statements import Statement, sign
from countersign.domain.credentials import CredentialStatus
from countersign.domain.errors import NotFound, NothingWaiting, VersionChanged
from countersign.domain.messages import AccountManagerDecision
from countersign.domain.requests import Step
from countersign.domain.secrets import normalize_session_name
from countersign.effects import opening
from countersign.effects.authority import require_manager
from countersign.effects.work import Work, found
from countersign.storage import accounts, credentials, requests, verdicts
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request
from countersign.telemetry.calls import note_request


async def credential_called(services: Services, manager: Caller, session_name: str) -> Credential:
    """Return the FIX credentials of an account that the manager looks after; raises ``NotFound``, for others too."""
    name = normalize_session_name(session_name)
    async with services.core.database.connection() as connection:
        credential = found(await credentials.by_session_name(connection, name))
        if not await accounts.is_assigned(connection, account_id=credential.account_id, user_id=manager.user_id):
            raise NotFound
    return credential


async def waiting_about(services: Services, credential: Credential) -> Request | None:
    """Return the request that is open about the credential."""
    async with services.core.database.connection() as connection:
        return await requests.open_of_credential(connection, credential.id)


async def decide(
    services: Services, manager: Caller, credential: Credential, body: DecisionIn, *, idempotency_key: str | None
) -> RequestOut:
    """Activate or reject: answer the request that waits, or start an activation where none does.

    Raises ``NothingWaiting``, ``VersionChanged``, ``Forbidden``, ``Unavailable`` and what stops an activation.
    """
    key = message_key(
        services.core.keys, manager.actor, idempotency_key, said=f"{credential.id}\n{body.model_dump_json()}"
    )
    request = await _answered_before(services, credential, key)
    if request is None:
        request = await _request_to_answer(services, manager, credential, body)
    note_request(request.id)
    statement = signed(services, manager, request, body)
    message = AccountManagerDecision(actor=manager.actor, statement=sign(services.core.keys, statement))
    return await deliver(services, request, message, key=key)


def signed(services: Services, manager: Caller, request: Request, body: DecisionIn) -> Statement:
    """Return the statement about the decision, good for ten minutes from now."""
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
    request = await waiting_about(services, credential)
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
