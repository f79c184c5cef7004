"""What time does to a request: it begins, reminds and runs out."""

from countersign.domain.audit import AuditTag
from countersign.domain.errors import DomainError
from countersign.domain.messages import SYSTEM, RequestAt, RequestState, StepDue
from countersign.domain.people import TwoFactorMethod
from countersign.domain.requests import Channel, Outcome, Step
from countersign.effects.activation import ask_account_managers
from countersign.effects.authority import require_owned, require_thawed
from countersign.effects.changing import ask_for_new_factor
from countersign.effects.codes import TWO_FACTOR_CHANNELS, open_challenge
from countersign.effects.ending import credential_of, end_overdue, end_request
from countersign.effects.notices import as_requester, tell_managers
from countersign.effects.sms import hold_sms
from countersign.effects.state import state_of
from countersign.effects.work import Desk, Work, found
from countersign.storage import requests
from countersign.storage.requests import Request


async def begin(desk: Desk, start: RequestAt) -> RequestState:
    """Take a starting request to its first step; one that has begun stays where it is."""
    async with desk.on_request(start.request_id, at=start.at, actor=SYSTEM) as (work, request):
        if request.step is Step.STARTING:
            await _first_step(work, request)
        return state_of(await work.reload(request), rules=work.rules)


async def read(desk: Desk, request_at: RequestAt) -> RequestState:
    """Return the request as it stands."""
    async with desk.database.connection() as connection:
        return state_of(found(await requests.get(connection, request_at.request_id)), rules=desk.rules)


async def expire_step(desk: Desk, due: StepDue) -> RequestState:
    """End the request if it still is at the step and its deadline has come."""
    async with desk.on_request(due.request_id, at=due.at, actor=SYSTEM) as (work, request):
        if request.step is due.step:
            await end_overdue(work, request)
        return state_of(await work.reload(request), rules=work.rules)


async def remind(desk: Desk, due: StepDue) -> RequestState:
    """Remind the account managers if the reminder is still due."""
    async with desk.on_request(due.request_id, at=due.at, actor=SYSTEM) as (work, request):
        before = state_of(request, rules=work.rules)
        if request.step is due.step and before.remind_at is not None and work.at >= before.remind_at:
            await _remind(work, request)
        return state_of(await work.reload(request), rules=work.rules)


async def _first_step(work: Work, request: Request) -> None:
    try:
        _require_still_allowed(work, request)
        await _require_sms_for_it(work, request)
    except DomainError as error:
        await end_request(work, request, Outcome.CANCELLED, reason=error.slug)
        return
    if not request.journey.needs_two_factor:
        await ask_account_managers(work, request)
    elif request.two_factor_method is TwoFactorMethod.NONE:
        await ask_for_new_factor(work, request)
    else:
        await open_challenge(work, request, step=Step.TWO_FACTOR_CODE, channel=_first_channel(request))


def _require_still_allowed(work: Work, request: Request) -> None:
    # An account manager may begin an activation by name; the owner's rights matter to all others.
    if request.journey.needs_two_factor:
        require_owned(work, request)
        require_thawed(work)


async def _require_sms_for_it(work: Work, request: Request) -> None:
    # The account's own caps counted it when it was accepted; the cap of all accounts may have been reached since.
    if request.journey.needs_two_factor and _first_channel(request) is Channel.SMS:
        await hold_sms(work)


def _first_channel(request: Request) -> Channel:
    return TWO_FACTOR_CHANNELS.get(request.two_factor_method) or Channel(found(request.change_to))


async def _remind(work: Work, request: Request) -> None:
    await requests.update(work.connection, request.id, reminders=request.reminders + 1)
    work.audit_request(AuditTag.MANAGER_REMINDED, request, reminder=request.reminders + 1)
    credential = found(await credential_of(work, request))
    asked = as_requester(work, request, at=found(request.asked_at))
    await tell_managers(asked, "activation_reminder", credential, request_id=request.id)
