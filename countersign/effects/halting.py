"""Stopping by ops: a key, an account, everything. At once, account after account, and safe to repeat.

Who is interrupted leaves accounts that are stopped and accounts that are not, and none that is half.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

from countersign.domain.audit import AuditTag
from countersign.domain.errors import NotConfirmed
from countersign.domain.freezing import HouseFreeze
from countersign.effects.deactivation import deactivate_found, switch_off_all
from countersign.effects.ending import end_all_from_outside
from countersign.effects.issuance import freeze_house, freeze_quietly
from countersign.effects.notices import tell_owners_of_stop
from countersign.effects.orders import Order
from countersign.effects.work import Desk, Work
from countersign.storage import halting, requests
from countersign.storage.credentials import Credential
from countersign.storage.halting import Counts

_REASON = "stopped by the exchange's operations team"
_EVERY = 10_000
_BEFORE_ALL = UUID(int=0)
# As many connections at most: the rest of the pool is for everybody else.
_AT_ONCE = 4
_LOOKED_UP = 500


@dataclass(frozen=True)
class Halted:
    """What was active or open in an account, and is not any more."""

    account_id: UUID
    credentials: int = 0
    requests: int = 0
    froze: bool = False

    @property
    def anything(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.credentials or self.requests or self.froze)


async def halt_credential(desk: Desk, credential: Credential, order: Order) -> Halted:
    """Switch the credential off and end what is open about it; its owners are told. Repeating it changes nothing."""
    async with desk.on_account(credential.account_id, at=order.at, actor=order.actor) as work:
        counts = await halting.of_credential(work.connection, credential.id)
        done = Halted(credential.account_id, credentials=counts.active, requests=counts.open_requests)
        if done.anything:
            _note(work, done, order, credential_id=credential.id)
            await deactivate_found(work, credential)
    return done


async def halt_account(desk: Desk, account_id: UUID, order: Order) -> Halted:
    """Freeze issuing, end what is open about credentials, switch off all that is active; owners get one mail.

    Nothing of it becomes active again before ops thaw it. Repeating it changes nothing. Raises ``NotFound``.
    """
    async with desk.on_account(account_id, at=order.at, actor=order.actor) as work:
        return await _halt(work, order, froze=await freeze_quietly(work, order))


async def halt_everything(desk: Desk, order: Order) -> AsyncGenerator[Halted]:
    """Freeze issuing for the whole exchange, then stop account after account; yield what was done in each.

    Accounts themselves are not frozen: one thaw lets all go on that were not.
    """
    await freeze_house(desk, HouseFreeze.ALL, order)
    # Twice: who had asked what is frozen a moment before may have begun something behind the first round.
    for _ in range(2):
        async for done in _halt_all(desk, order):
            yield done


def require_confirmed(counts: Counts, typed: int) -> None:
    """Raise ``NotConfirmed`` unless the number typed is that of the active credentials, give or take a tenth.

    It keeps a slip from stopping everything; what is activated or deactivated meanwhile must not keep a person from it.
    """
    if abs(counts.active - typed) * 10 > counts.active:
        raise NotConfirmed(f"{counts.active} credentials are active now: confirm with that number.")


async def _halt_all(desk: Desk, order: Order) -> AsyncGenerator[Halted]:
    after = _BEFORE_ALL
    while batch := await _concerned(desk, after):
        for first in range(0, len(batch), _AT_ONCE):
            some = batch[first : first + _AT_ONCE]
            for done in await asyncio.gather(*(_halt_one(desk, account_id, order) for account_id in some)):
                yield done
        after = batch[-1]


async def _concerned(desk: Desk, after: UUID) -> list[UUID]:
    async with desk.database.connection() as connection:
        return await halting.accounts_concerned(connection, after=after, limit=_LOOKED_UP)


async def _halt_one(desk: Desk, account_id: UUID, order: Order) -> Halted:
    async with desk.on_account(account_id, at=order.at, actor=order.actor) as work:
        return await _halt(work, order, froze=False)


async def _halt(work: Work, order: Order, *, froze: bool) -> Halted:
    # Before anything goes off: an edit that is ended leaves its key as it was, and then that is switched off.
    opened = await requests.of_account(work.connection, work.account.id, only_open=True, limit=_EVERY)
    under_way = [each for each in opened if each.journey.kind is not None]
    await end_all_from_outside(work, under_way, reason=_REASON)
    off = await switch_off_all(work)
    done = Halted(work.account.id, credentials=len(off), requests=len(under_way), froze=froze)
    if done.anything:
        _note(work, done, order)
        await tell_owners_of_stop(work, names=[each.name for each in off], ended=len(under_way))
    return done


def _note(work: Work, done: Halted, order: Order, *, credential_id: UUID | None = None) -> None:
    work.audit(
        AuditTag.STOPPED_BY_OPS,
        credential_id=credential_id,
        credentials=done.credentials,
        requests=done.requests,
        **order.told,
    )
