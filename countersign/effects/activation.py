"""Activation: now or later, by email code or link, or by an account manager."""

from dataclasses import replace

from countersign.adapters.statements import Statement, read
from countersign.domain.audit import AuditTag
from countersign.domain.credentials import CredentialKind, CredentialStatus
from countersign.domain.errors import (
    DomainError,
    Forbidden,
    InvalidInput,
    InvalidStatement,
    NothingWaiting,
    VersionChanged,
)
from countersign.domain.messages import (
    AccountManagerDecision,
    Activate,
    ActivateLater,
    ActivationCode,
    Actor,
    ActorKind,
)
from countersign.domain.permissions import funds_permissions
from countersign.domain.requests import Channel, Outcome, Step, is_told
from countersign.domain.stops import StopKind
from countersign.effects.authority import require_asker, require_manager, require_requester, require_thawed
from countersign.effects.codes import check_code, check_link, open_challenge, require_sends_left
from countersign.effects.ending import change_status, credential_of, end_overdue, end_request, is_overdue
from countersign.effects.holding import hold_funds
from countersign.effects.notices import as_requester, tell_managers, tell_owners
from countersign.effects.steps import closed, require_open, require_step
from countersign.effects.stop_links import Stoppable
from countersign.effects.work import Work, found
from countersign.storage import accounts, ledger, requests
from countersign.storage.credentials import Credential
from countersign.storage.requests import Request


async def activate_now(work: Work, request: Request, _message: Activate) -> None:
    """ACTIVATE: mail a code for an API key, ask the account managers for FIX credentials."""
    require_requester(work, request)
    require_step(request, Step.ACTIVATION_CHOICE)
    if request.journey.kind is CredentialKind.FIX:
        work.audit_request(AuditTag.ACTIVATION_CHOSEN, request, when="now")
        await ask_account_managers(work, request)
        return
    require_thawed(work)
    await require_sends_left(work, Channel.EMAIL)
    work.audit_request(AuditTag.ACTIVATION_CHOSEN, request, when="now")
    await _await_activation(work, request)
    await open_challenge(work, request, step=Step.ACTIVATION_CODE, channel=Channel.EMAIL)


async def activate_later(work: Work, request: Request, _message: ActivateLater) -> None:
    """ACTIVATE LATER: the credential stays, inactive; good while an email code is awaited, too."""
    require_requester(work, request)
    if request.step is not Step.ACTIVATION_CODE:
        require_step(request, Step.ACTIVATION_CHOICE)
    work.audit_request(AuditTag.ACTIVATION_CHOSEN, request, when="later")
    await end_request(work, request, Outcome.LEFT_INACTIVE, reason="activate later")


async def confirm(work: Work, request: Request, message: ActivationCode) -> None:
    """Activate by the code from the mail, or by the token of its link, which lives as long as the step."""
    require_requester(work, request)
    require_step(request, Step.ACTIVATION_CODE)
    if is_overdue(request, at=work.at):
        await end_overdue(work, request)
        raise closed(await work.reload(request))
    if message.link_token is not None:
        await check_link(work, request, message.link_token)
    elif message.code is not None:
        await check_code(work, request, message.code)
    else:
        raise InvalidInput("A code or a link token is needed.")
    await activate(work, request)


async def activate(work: Work, request: Request) -> None:
    """Make the request's credential active, end the request, and tell the owners."""
    before = found(await credential_of(work, request))
    active = await change_status(work, request, before, CredentialStatus.ACTIVE)
    active = await hold_funds(work, request, active)
    await end_request(work, request, Outcome.ACTIVATED)
    moves_funds = bool(funds_permissions(before.permissions))
    stop = Stoppable(StopKind.CREDENTIAL, credential_id=before.id, from_version=before.version) if moves_funds else None
    await tell_owners(work, "credential_activated", active, request_id=request.id, stop=stop)


async def ask_account_managers(work: Work, request: Request) -> None:
    """Let the request wait for an account manager, and tell those who look after the account."""
    credential = await _await_activation(work, request)
    await requests.update(work.connection, request.id, step=Step.ACCOUNT_MANAGER, deadline=None, asked_at=work.at)
    work.audit_request(AuditTag.MANAGER_ASKED, request)
    # A manager who began by name decides right away: no mail asks for what is being done.
    if request.user_id not in await accounts.managers(work.connection, work.account.id):
        await tell_managers(
            as_requester(work, request, at=work.at), "activation_requested", credential, request_id=request.id
        )


async def decide(work: Work, request: Request, message: AccountManagerDecision) -> None:
    """Carry out an account manager's signed decision; a refused one is counted, and told in the audit trail."""
    try:
        statement = await _checked(work, request, message)
    except (Forbidden, VersionChanged, NothingWaiting) as error:
        await _note_refusal(work, request, error)
        raise
    decider = replace(work, actor=Actor(kind=ActorKind.USER, user_id=statement.manager, ip=work.actor.ip))
    decider.audit_request(AuditTag.MANAGER_DECIDED, request, decision=statement.decision, reason=statement.reason)
    if statement.decision == "activate":
        await activate(decider, request)
    else:
        await _reject(decider, request, statement)


async def _note_refusal(work: Work, request: Request, error: DomainError) -> None:
    refused = await requests.count_refused_decision(work.connection, request.id)
    # Whoever may signal the workflow could fill the trail with rubbish.
    if is_told(refused):
        work.audit_request(AuditTag.DECISION_REFUSED, request, problem=error.slug, detail=error.detail, refused=refused)


async def _checked(work: Work, request: Request, message: AccountManagerDecision) -> Statement:
    statement = read(work.keys, message.statement, at=work.at)
    if statement.request_id != request.id:
        raise InvalidStatement("The statement is about another request.", fault="request")
    require_open(request)
    if request.step is not Step.ACCOUNT_MANAGER:
        raise NothingWaiting(f"The request is at the step {request.step}.", step=request.step)
    await require_manager(work, statement.manager)
    if statement.decision == "activate":
        await require_asker(work, request.user_id)
    credential = found(await credential_of(work, request))
    if statement.credential_version != credential.version:
        raise VersionChanged
    if not await ledger.use_statement(work.connection, statement.id, request_id=request.id):
        raise InvalidStatement("The statement was used before; sign a new one.", fault="used")
    return statement


async def _reject(work: Work, request: Request, statement: Statement) -> None:
    credential = found(await credential_of(work, request))
    await end_request(work, request, Outcome.REJECTED, reason=statement.reason)
    await tell_owners(work, "activation_rejected", credential, request_id=request.id, reason=statement.reason)


async def _await_activation(work: Work, request: Request) -> Credential:
    credential = found(await credential_of(work, request))
    return await change_status(work, request, credential, CredentialStatus.AWAITING_ACTIVATION)
