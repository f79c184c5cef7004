"""Opening requests: everything that stops a journey before it starts."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from countersign.domain.audit import AuditTag
from countersign.domain.codes import retry_after
from countersign.domain.credentials import CredentialKind, CredentialStatus, SessionType
from countersign.domain.errors import (
    AcknowledgementMissing,
    IdempotencyKeyReused,
    NameTaken,
    NothingChanged,
    RequestOpen,
    TooManyCredentials,
    TooManyRequests,
    TwoFactorNotEnabled,
    WrongStatus,
)
from countersign.domain.names import fold_name, parse_name
from countersign.domain.people import TwoFactorMethod
from countersign.domain.permissions import funds_permissions, parse_permissions
from countersign.domain.requests import Journey
from countersign.domain.secrets import new_session_name
from countersign.domain.trading_limits import parse_trading_limits
from countersign.domain.whitelist import parse_whitelist
from countersign.effects.authority import require_asker, require_beginning, require_role
from countersign.effects.codes import TWO_FACTOR_CHANNELS, require_sends_left
from countersign.effects.ending import end_overdue_from_outside
from countersign.effects.granting import SaidLimits, granted, is_changed, lets_do_more, limits_after
from countersign.effects.notices import warn_owners
from countersign.effects.work import Work, found
from countersign.storage import credentials, ledger, requests, users
from countersign.storage.credentials import Credential
from countersign.storage.ledger import IdempotencyRecord
from countersign.storage.requests import NewRequest, Request
from countersign.telemetry.calls import name_request, note_request

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Replay:
    """An Idempotency-Key with what it stands for: the same again gives the same request."""

    route: str
    key: str
    body: bytes


async def create_api_key(
    work: Work,
    user_id: UUID,
    *,
    name: str,
    permissions: list[str],
    ip_whitelist: str,
    trading_limits: SaidLimits = "",
) -> Request:
    """Open the creation of an API key."""
    name = parse_name(name, limit=work.rules.name_length)
    levels = parse_permissions(permissions)
    whitelist = parse_whitelist(ip_whitelist, limit=work.rules.whitelist_entries)
    limits = parse_trading_limits(trading_limits, permissions=levels)
    method = await _require_ready(work, user_id)
    await _require_free_name(work, fold_name(name))
    await _require_room(work)
    new = NewRequest(
        id=name_request(),
        account_id=work.account.id,
        user_id=user_id,
        credential_id=uuid4(),
        credential_version=1,
        journey=Journey.CREATE_API_KEY,
        name=name,
        name_key=fold_name(name),
        permissions=list(levels),
        ip_whitelist=list(whitelist),
        trading_limits=limits,
        two_factor_method=method,
    )
    request = await open_request(work, new)
    if funds_permissions(levels):
        await warn_owners(work, request)
    return request


async def create_fix_credentials(work: Work, user_id: UUID, *, session_type: SessionType) -> Request:
    """Open the creation of FIX credentials; their Session Name is made here."""
    method = await _require_ready(work, user_id)
    await _require_room(work)
    name = new_session_name(session_type)
    new = NewRequest(
        id=name_request(),
        account_id=work.account.id,
        user_id=user_id,
        credential_id=uuid4(),
        credential_version=1,
        journey=Journey.CREATE_FIX,
        name=name,
        name_key=name,
        session_type=session_type,
        two_factor_method=method,
    )
    return await open_request(work, new)


async def edit_api_key(
    work: Work,
    user_id: UUID,
    credential_id: UUID,
    *,
    permissions: list[str],
    ip_whitelist: str,
    acknowledged: bool,
    trading_limits: SaidLimits | None = None,
) -> Request:
    """Open an edit of an API key; raises ``NothingChanged`` when it would change nothing.

    Trading limits that are not said stay as they are, and go with the permission to trade.
    """
    credential = await find_credential(work, credential_id, kind=CredentialKind.API_KEY)
    levels = parse_permissions(permissions)
    whitelist = parse_whitelist(ip_whitelist, limit=work.rules.whitelist_entries)
    limits = limits_after(credential, levels, trading_limits)
    if not acknowledged:
        raise AcknowledgementMissing
    method = await _require_ready(work, user_id)
    credential = await _with_none_open(work, credential)
    new = _about(credential, user_id=user_id, journey=Journey.EDIT_API_KEY, method=method)
    changes = {"permissions": list(levels), "ip_whitelist": list(whitelist), "trading_limits": limits}
    edited = new.model_copy(update=changes)
    if not is_changed(credential, edited):
        raise NothingChanged
    request = await open_request(work, edited)
    if lets_do_more(credential, request):
        await warn_owners(work, request, before=credential)
    return request


async def activate_api_key(work: Work, user_id: UUID, credential_id: UUID) -> Request:
    """Open the activation of an inactive API key."""
    credential = await find_credential(work, credential_id, kind=CredentialKind.API_KEY)
    method = await _require_ready(work, user_id)
    credential = await _with_none_open(work, credential)
    _require_inactive(credential)
    new = _about(credential, user_id=user_id, journey=Journey.ACTIVATE_API_KEY, method=method)
    return await open_request(work, new)


async def activate_fix_credentials(work: Work, user_id: UUID, credential_id: UUID) -> Request:
    """Open the wait for an account manager who activates inactive FIX credentials."""
    credential = await find_credential(work, credential_id, kind=CredentialKind.FIX)
    await require_asker(work, user_id)
    require_beginning(work)
    credential = await _with_none_open(work, credential)
    _require_inactive(credential)
    new = _about(credential, user_id=user_id, journey=Journey.ACTIVATE_FIX, method=TwoFactorMethod.NONE)
    return await open_request(work, new)


async def find_credential(work: Work, credential_id: UUID, *, kind: CredentialKind) -> Credential:
    """Return the account's credential of that kind, or raise ``NotFound``."""
    return found(
        await credentials.get(work.connection, account_id=work.account.id, credential_id=credential_id, kind=kind)
    )


async def replayed(work: Work, user_id: UUID, replay: Replay | None) -> Request | None:
    """Return the request this Idempotency-Key made before, if any; ``IdempotencyKeyReused`` for another body."""
    if replay is None:
        return None
    record = await ledger.find_idempotency(
        work.connection, account_id=work.account.id, user_id=user_id, route=replay.route, key=replay.key
    )
    if record is None:
        return None
    if record.body_hash != hashlib.sha256(replay.body).digest():
        raise IdempotencyKeyReused
    return await requests.get(work.connection, record.request_id)


async def remember(work: Work, user_id: UUID, replay: Replay | None, request: Request) -> None:
    """Keep the Idempotency-Key with the request it made."""
    if replay is None:
        return
    await ledger.insert_idempotency(
        work.connection,
        account_id=work.account.id,
        user_id=user_id,
        route=replay.route,
        key=replay.key,
        record=IdempotencyRecord(body_hash=hashlib.sha256(replay.body).digest(), request_id=request.id),
    )


def _about(credential: Credential, *, user_id: UUID, journey: Journey, method: TwoFactorMethod) -> NewRequest:
    return NewRequest(
        id=name_request(),
        account_id=credential.account_id,
        user_id=user_id,
        credential_id=credential.id,
        credential_version=credential.version,
        journey=journey,
        name=credential.name,
        name_key=fold_name(credential.name),
        session_type=credential.session_type,
        permissions=list(credential.permissions),
        ip_whitelist=list(credential.ip_whitelist),
        trading_limits=credential.trading_limits,
        two_factor_method=method,
    )


async def open_request(work: Work, new: NewRequest) -> Request:
    """Store the request and the audit event that it was opened; raises ``RequestOpen`` or ``TooManyRequests``."""
    await _require_requests_left(work)
    request = await requests.insert(work.connection, new)
    note_request(request.id)
    work.audit_request(
        AuditTag.REQUEST_OPENED,
        request,
        journey=request.journey,
        name=request.name,
        **granted(request),
    )
    return request


async def _require_ready(work: Work, user_id: UUID) -> TwoFactorMethod:
    user = found(await users.caller(work.connection, user_id, account_id=work.account.id))
    require_role(work, user.role)
    require_beginning(work)
    if user.two_factor_method is TwoFactorMethod.NONE:
        raise TwoFactorNotEnabled
    await require_sends_left(work, TWO_FACTOR_CHANNELS[user.two_factor_method])
    return user.two_factor_method


async def _require_requests_left(work: Work) -> None:
    allowed = work.rules.requests_per_hour
    newest = await requests.nth_newest(work.connection, work.account.id, since=work.at - _HOUR, n=allowed)
    if newest is not None:
        raise TooManyRequests(retry_after=retry_after(newest + _HOUR, at=work.at))


async def _with_none_open(work: Work, credential: Credential) -> Credential:
    """Return the credential with no request open about it; raises ``RequestOpen``.

    One whose time ran out unnoticed is ended first, which changes the credential, or discards it: ``NotFound``.
    """
    request = await requests.open_of_credential(work.connection, credential.id)
    if request is None:
        return credential
    if not await end_overdue_from_outside(work, request):
        raise RequestOpen(request_id=str(request.id))
    return await find_credential(work, credential.id, kind=credential.kind)


async def _require_free_name(work: Work, name_key: str) -> None:
    use = await credentials.name_use(work.connection, account_id=work.account.id, name_key=name_key)
    if use.reserved_by is not None:
        request = found(await requests.get(work.connection, use.reserved_by))
        if not await end_overdue_from_outside(work, request):
            raise NameTaken("An open creation has that name; resume or cancel it.", request_id=str(request.id))
        # A key whose secret was lost is discarded with its creation.
        use = await credentials.name_use(work.connection, account_id=work.account.id, name_key=name_key)
    if use.taken:
        raise NameTaken


async def _require_room(work: Work) -> None:
    limit = work.rules.credentials_per_account
    if await credentials.count(work.connection, work.account.id) < limit:
        return
    for request in await requests.of_account(work.connection, work.account.id, only_open=True, limit=limit):
        await end_overdue_from_outside(work, request)
    if await credentials.count(work.connection, work.account.id) >= limit:
        raise TooManyCredentials(f"An account has at most {limit} credentials.", limit=limit)


def _require_inactive(credential: Credential) -> None:
    if credential.status is not CredentialStatus.INACTIVE:
        raise WrongStatus(f"It is {credential.status}, not inactive.", credential_status=credential.status)
