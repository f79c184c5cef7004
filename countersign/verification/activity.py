"""What came of calls, gathered in memory and written once a second, in one statement."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import psycopg

from countersign.domain.errors import Unavailable
from countersign.domain.verification import Outcome
from countersign.storage import activity
from countersign.storage.activity import Counted
from countersign.storage.database import Database
from countersign.verification.known import Ip

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_AT_MOST = 100_000


@dataclass
class _Count:
    count: int
    at: float
    ip: Ip


class Activity:
    """Counts calls by credential, outcome and day. A process that is killed takes the counts of a second with it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts: dict[tuple[UUID, Outcome, date], _Count] = {}

    def note(self, credential_id: UUID, outcome: Outcome, *, at: float, ip: Ip) -> None:
        """Count a call of a known credential at the Unix time ``at``."""
        key = (credential_id, outcome, _day(at))
        count = self._counts.get(key)
        if count is not None:
            count.count, count.at, count.ip = count.count + 1, at, ip
        elif len(self._counts) < _AT_MOST:
            self._counts[key] = _Count(1, at, ip)

    async def keep_writing(self) -> None:
        """Write again and again; what cannot be written now is written later."""
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write what was counted since the last time."""
        if not self._counts:
            return
        taken, self._counts = self._counts, {}
        try:
            async with self._database.connection() as connection:
                await activity.add(connection, [_row(key, count) for key, count in taken.items()])
        except (Unavailable, psycopg.Error) as error:
            _LOG.warning("Activity could not be written yet: %s", type(error).__name__)
            self._take_back(taken)

    def _take_back(self, taken: dict[tuple[UUID, Outcome, date], _Count]) -> None:
        for key, before in taken.items():
            since = self._counts.get(key)
            if since is not None:
                since.count += before.count
            elif len(self._counts) < _AT_MOST:
                self._counts[key] = before


def _row(key: tuple[UUID, Outcome, date], count: _Count) -> Counted:
    credential_id, outcome, day = key
    at = datetime.fromtimestamp(count.at, UTC)
    # Nothing in it comes from outside; with many keys at work, checking it again would be half of the work.
    return Counted.model_construct(
        credential_id=credential_id, outcome=outcome, day=day, count=count.count, last_at=at, last_ip=count.ip
    )


def _day(at: float) -> date:
    return date.fromordinal(int(at) // 86_400 + _EPOCH)


_EPOCH = date(1970, 1, 1).toordinal()
