"""What SMS may cost: a cap for each account within a day, and one for all accounts together on a day (UTC)."""

import logging
from datetime import datetime, timedelta
from math import ceil

from countersign.domain.codes import retry_after
from countersign.domain.errors import SmsSuspended, TooManySms
from countersign.effects.work import Work
from countersign.storage import sms_days
from countersign.storage.challenges import Spent

_LOG = logging.getLogger(__name__)
_DAY = timedelta(days=1)
_WARN_AT = 0.8


def require_sms_left(work: Work, spent: Spent) -> None:
    """Raise ``TooManySms`` or ``SmsSuspended``."""
    if spent.starting >= work.rules.sms_per_account_and_day:
        raise TooManySms(retry_after=60)
    if spent.sms_at is not None:
        raise TooManySms(retry_after=retry_after(spent.sms_at + _DAY, at=work.at))
    if work.rules.sms_per_day:
        _require_below_cap(work, spent.sms_today)


async def hold_sms(work: Work) -> None:
    """Raise ``SmsSuspended``, or keep the next SMS of the day for this transaction.

    For where the send must not fail after what comes before it. Nothing may be locked after it.
    """
    if work.rules.sms_per_day:
        _require_below_cap(work, await sms_days.hold(work.connection, work.at.date()))


async def count_sms(work: Work) -> None:
    """Count an SMS that is made in this transaction; the log tells once that four fifths, and that all, are made."""
    made, cap = await sms_days.add(work.connection, work.at.date()), work.rules.sms_per_day
    if made == cap:
        _LOG.error("All %d SMS of the day are made: no more are sent until midnight UTC", cap)
    elif made == ceil(_WARN_AT * cap):
        _LOG.warning("%d of the day's %d SMS are made", made, cap)


def _require_below_cap(work: Work, made: int) -> None:
    if made >= work.rules.sms_per_day:
        raise SmsSuspended(retry_after=retry_after(_midnight_after(work.at), at=work.at))


def _midnight_after(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
