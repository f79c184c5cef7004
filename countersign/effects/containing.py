"""Containing an account whose past was lost: what a restored database says of it may have been undone since.

A credential may stand there as active that was deactivated after the backup was made, a recovery code as unused, a
browser as signed in. Nobody can tell which, so nothing of it works until ops have looked.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from countersign.domain.audit import AuditTag
from countersign.domain.messages import Actor
from countersign.effects.deactivation import switch_off_all
from countersign.effects.ending import end_all_from_outside
from countersign.effects.notices import tell_owners
from countersign.effects.work import Desk, Work
from countersign.storage import accounts, recovery_codes, requests, sessions

_REASON = "the account's record of the time since was lost"
_EVERY = 10_000


@dataclass(frozen=True)
class Contained:
    """What was open or active in the account, and is not any more."""

    account_id: UUID
    requests: int
    credentials: int


async def contain(desk: Desk, account_id: UUID, *, at: datetime, actor: Actor) -> Contained:
    """Freeze issuing, end open requests, switch off active credentials, sign out the members, delete their codes.

    The codes are recovery codes; owners are told of each credential. Repeating it changes nothing. Raises ``NotFound``.
    """
    async with desk.on_account(account_id, at=at, actor=actor) as work:
        ended = await _end_requests(work)
        switched_off = await _switch_off(work)
        if work.account.frozen_at is None:
            await accounts.set_frozen(work.connection, account_id, at)
            work.audit(AuditTag.ISSUING_FROZEN, reason=_REASON, signed_out=True, recovery_codes_deleted=True)
        for user_id in await accounts.members(work.connection, account_id):
            await sessions.delete_of_user(work.connection, user_id, kept=None)
            await recovery_codes.delete(work.connection, user_id)
    return Contained(account_id, requests=ended, credentials=switched_off)


async def _end_requests(work: Work) -> int:
    under_way = await requests.of_account(work.connection, work.account.id, only_open=True, limit=_EVERY)
    await end_all_from_outside(work, under_way, reason=_REASON)
    return len(under_way)


async def _switch_off(work: Work) -> int:
    off = await switch_off_all(work)
    for credential in off:
        await tell_owners(work, "credential_deactivated", credential, reason=_REASON)
    return len(off)
