"""Freezing and thawing what is issued: for one account, or for the whole exchange."""

from countersign.domain.audit import AuditTag
from countersign.domain.errors import Conflict
from countersign.domain.freezing import HouseFreeze
from countersign.effects.notices import tell_owners_of_ops_freeze
from countersign.effects.orders import Order
from countersign.effects.thawing import thaw
from countersign.effects.work import Desk, Work
from countersign.storage import accounts, house_freezes
from countersign.storage.house_freezes import NewFreeze, StoredFreeze


async def freeze_account(work: Work, order: Order) -> bool:
    """Freeze all issuing of the account, what is open included, and tell its owners; False where it was frozen."""
    if not await freeze_quietly(work, order):
        return False
    await tell_owners_of_ops_freeze(work)
    return True


async def freeze_quietly(work: Work, order: Order) -> bool:
    """Do the same where another mail tells of it."""
    if work.account.frozen_at is not None:
        return False
    await accounts.set_frozen(work.connection, work.account.id, work.at)
    work.audit(AuditTag.ISSUING_FROZEN, **order.told)
    return True


async def thaw_account(work: Work, order: Order) -> None:
    """Let the account issue again; raises ``Conflict`` if it may."""
    await thaw(work, **order.told)


async def freeze_house(desk: Desk, wanted: HouseFreeze, order: Order) -> bool:
    """Freeze issuing for all accounts; False where as much, or more, is frozen already: that stays."""
    async with desk.database.transaction() as connection:
        now = await house_freezes.newest(connection)
        if now is not None and now.frozen in {wanted, HouseFreeze.ALL}:
            return False
        await house_freezes.insert(connection, _row(wanted, order))
    return True


async def thaw_house(desk: Desk, order: Order) -> None:
    """Let all accounts issue again that are not frozen themselves; raises ``Conflict`` if nothing is frozen."""
    async with desk.database.transaction() as connection:
        now = await house_freezes.newest(connection)
        if now is None or now.frozen is HouseFreeze.NONE:
            raise Conflict("Issuing is not frozen for the whole exchange.")
        await house_freezes.insert(connection, _row(HouseFreeze.NONE, order))


async def frozen_house(desk: Desk) -> StoredFreeze | None:
    """Return what is frozen for all accounts, since when, by whom and why; None where nothing is."""
    async with desk.database.connection() as connection:
        now = await house_freezes.newest(connection)
    return None if now is None or now.frozen is HouseFreeze.NONE else now


def _row(frozen: HouseFreeze, order: Order) -> NewFreeze:
    return NewFreeze(frozen=frozen, done_by=order.by, user_id=order.actor.user_id, reason=order.reason)
