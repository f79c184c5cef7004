"""Pressing "This wasn't me": it needs the mail and nothing else, and can only make things safer."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from countersign.adapters.keyring import KeyNotHeld, KeyRing
from countersign.domain.audit import AuditTag
from countersign.domain.credentials import CredentialStatus
from countersign.domain.errors import InvalidLink, LinkExpired
from countersign.domain.messages import Actor, ActorKind
from countersign.domain.people import Role
from countersign.domain.requests import Outcome
from countersign.domain.stops import StopEffect, StopKind
from countersign.effects.deactivation import switch_off
from countersign.effects.ending import end_from_outside, end_overdue_from_outside
from countersign.effects.notices import tell, tell_owners
from countersign.effects.people import cancel_what_is_under_way
from countersign.effects.stop_links import stop_token
from countersign.effects.work import Desk, Work, found
from countersign.storage import accounts, credentials, oversight, requests, sessions, stops, users
from countersign.storage.credentials import Credential
from countersign.storage.stops import Stop

_REASON = "stopped by the link in a mail"


@dataclass(frozen=True)
class Stopped:
    """What the first press of a link did, and when."""

    effect: StopEffect
    at: datetime


async def press(desk: Desk, stop_id: UUID, *, token: str, at: datetime, ip: str | None) -> Stopped:
    """Stop what the link's mail told of; pressed again, it does nothing and tells the same.

    Raises ``InvalidLink`` for a wrong token, for an id that is none, and where the mail's reader owns the account no
    more; ``LinkExpired`` for a right one that is too old.
    """
    async with desk.database.connection() as connection:
        stop = await stops.get(connection, stop_id)
    if stop is None or not _is_right(desk.keys, stop, token):
        raise InvalidLink
    if at >= stop.expires_at:
        raise LinkExpired
    actor = Actor.model_validate({"kind": ActorKind.MAIL_LINK, "user_id": stop.user_id, "ip": ip})
    if stop.kind is StopKind.CREDENTIAL:
        return await _stop_credential(desk, stop, at=at, actor=actor)
    return await _stop_change(desk, stop, at=at, actor=actor)


def _is_right(keys: KeyRing, stop: Stop, token: str) -> bool:
    try:
        return hmac.compare_digest(token.encode(), stop_token(keys, stop).encode())
    except (KeyNotHeld, UnicodeEncodeError):
        return False


async def _stop_credential(desk: Desk, stop: Stop, *, at: datetime, actor: Actor) -> Stopped:
    async with desk.on_account(stop.account_id, at=at, actor=actor) as work:
        role = await accounts.role_of(work.connection, account_id=stop.account_id, user_id=stop.user_id)
        if role is not Role.OWNER:
            raise InvalidLink
        before = await _stopped_before(work, stop)
        return before or await _noted(work, stop, await _end_and_switch_off(work, stop))


async def _end_and_switch_off(work: Work, stop: Stop) -> StopEffect:
    credential_id = found(stop.credential_id)
    before = await credentials.get(work.connection, account_id=work.account.id, credential_id=credential_id)
    touched = before is not None and before.version > found(stop.from_version)
    request = await requests.open_of_credential(work.connection, credential_id)
    ended = request is not None and not await end_overdue_from_outside(work, request)
    if request is not None and ended:
        await end_from_outside(work, request, Outcome.CANCELLED, reason=_REASON)
    effect = StopEffect.CANCELLED if ended else StopEffect.NOTHING_LEFT
    # An edit that was not confirmed has changed nothing: the key that it was about goes on as it was.
    if before is not None and before.status is CredentialStatus.ACTIVE and touched:
        await switch_off(work, before)
        effect = StopEffect.DEACTIVATED
    work.audit(AuditTag.CREDENTIAL_STOPPED, request_id=stop.request_id, credential_id=credential_id, effect=effect)
    # Where the request was all there was, the mail tells of what it asked for.
    about = await credentials.get(work.connection, account_id=work.account.id, credential_id=credential_id) or request
    if about is not None and effect is not StopEffect.NOTHING_LEFT:
        await tell_owners(work, "credential_stopped", about, request_id=stop.request_id, effect=effect)
    return effect


async def _stop_change(desk: Desk, stop: Stop, *, at: datetime, actor: Actor) -> Stopped:
    async with desk.transaction() as trail:
        trails = [
            await desk.work_on(trail, account_id, at=at, actor=actor)
            for account_id in await oversight.accounts_concerning(trail.connection, stop.user_id)
        ]
        if not trails:
            raise InvalidLink
        before = await _stopped_before(trails[0], stop)
        if before is not None:
            return before
        await sessions.delete_of_user(trail.connection, stop.user_id, kept=None)
        # The factor that was set stays until ops have looked: what a thaw allows again moves no funds for a day.
        await users.renew_hold(trail.connection, stop.user_id, at=at)
        for work in trails:
            await _shut(work, stop)
        return await _noted(trails[0], stop, StopEffect.FROZEN)


async def _shut(work: Work, stop: Stop) -> None:
    work.audit(AuditTag.USER_CHANGE_STOPPED, request_id=stop.request_id, user_id=str(stop.user_id))
    await cancel_what_is_under_way(work, stop.user_id, reason=_REASON)
    # Whoever brought the change about may have activated keys with the new factor.
    for credential in await _activated_since(work, stop):
        await switch_off(work, credential)
        off = found(await credentials.get(work.connection, account_id=work.account.id, credential_id=credential.id))
        await tell_owners(work, "credential_stopped", off, effect=StopEffect.DEACTIVATED)
    role = await accounts.role_of(work.connection, account_id=work.account.id, user_id=stop.user_id)
    owns = role is Role.OWNER
    if owns and work.account.frozen_at is None:
        await accounts.set_frozen(work.connection, work.account.id, work.at)
        work.audit(AuditTag.ISSUING_FROZEN, reason="a change of account security was stopped")
    if owns:
        owners = await accounts.owners(work.connection, work.account.id)
        await tell(work, owners, "change_stopped")


async def _activated_since(work: Work, stop: Stop) -> list[Credential]:
    return await credentials.activated_by(
        work.connection, account_id=work.account.id, user_id=stop.user_id, since=stop.created_at
    )


async def _stopped_before(work: Work, stop: Stop) -> Stopped | None:
    # Read again under the lock: the link may be pressed twice at once.
    now = found(await stops.get(work.connection, stop.id))
    return None if now.effect is None or now.pressed_at is None else Stopped(now.effect, now.pressed_at)


async def _noted(work: Work, stop: Stop, effect: StopEffect) -> Stopped:
    await stops.note_press(work.connection, stop.id, at=work.at, effect=effect)
    return Stopped(effect, work.at)
