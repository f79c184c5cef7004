"""The verifier: answers calls, a list at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from countersign.adapters.keyring import KeyRing
from countersign.domain.verification import Allowed, Call, Denied, Outcome, RestCall
from countersign.storage.database import Database
from countersign.verification.activity import Activity
from countersign.verification.credentials import Credentials
from countersign.verification.failures import Failures
from countersign.verification.following import Follower
from countersign.verification.judging import Judgement, judge
from countersign.verification.known import Known, Lookup
from countersign.verification.replays import Replays, Signed
from countersign.verification.subscribing import Subscribers

_DENIED = Denied()
_UNSEEN = Judgement(Outcome.TOO_MANY_FAILURES)


class Verifier:
    """Everything that one verifier process knows."""

    def __init__(self, database: Database, url: str, keys: KeyRing, *, size: int, failures: Failures) -> None:
        self.subscribers = Subscribers()
        self.outcomes: Counter[tuple[str, Outcome]] = Counter()
        self.credentials = Credentials(database, keys, size=size)
        self.follower = Follower(url, self.credentials, self.subscribers)
        self._failures = failures
        self._replays = Replays(database)
        self._activity = Activity(database)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Verifier"]:
        """Follow changes and write activity for the length of the block, and what is left of it at its end."""
        chores = [asyncio.create_task(each) for each in (self._activity.keep_writing(), self._replays.keep_tidy())]
        try:
            async with self.follower.running():
                yield self
        finally:
            for chore in chores:
                chore.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*chores)
            await self._activity.write()

    async def verify(self, calls: Sequence[Call]) -> list[Allowed | Denied]:
        """Return what each call is answered, in their order; raises ``Unavailable``, and then none was carried out."""
        lookups = [Lookup.of(call) for call in calls]
        known = self._in_memory(lookups)
        if known is None:
            known = await self._known(calls, lookups)
        at = time.time()
        judged = [self._judge(call, known.get(lookup), lookup, at) for call, lookup in zip(calls, lookups, strict=True)]
        if any(each.mac is not None for each in judged):
            judged = await self._without_replays(calls, judged, known, lookups)
        return [
            self._answer(call, known.get(lookup), each.outcome, lookup, at)
            for call, lookup, each in zip(calls, lookups, judged, strict=True)
        ]

    def _in_memory(self, lookups: list[Lookup]) -> dict[Lookup, Known | None] | None:
        """Return what is known if memory knows it all."""
        good_since = self.follower.good_since()
        found: dict[Lookup, Known | None] = {}
        for lookup in lookups:
            is_known, known = self.credentials.in_memory(lookup, read_since=good_since)
            if not is_known:
                return None
            found[lookup] = known
        return found

    async def _known(self, calls: Sequence[Call], lookups: list[Lookup]) -> dict[Lookup, Known | None]:
        good_since = self.follower.good_since()
        found: dict[Lookup, Known | None] = {}
        missing: set[Lookup] = set()
        for call, lookup in zip(calls, lookups, strict=True):
            is_known, known = self.credentials.in_memory(lookup, read_since=good_since)
            if is_known:
                found[lookup] = known
            elif not self._failures.is_stranger(call.ip):
                missing.add(lookup)
        return {**found, **await self.credentials.read(missing)}

    def _judge(self, call: Call, known: Known | None, lookup: Lookup, at: float) -> Judgement:
        if self._failures.are_too_many(lookup, known, call.ip):
            return _UNSEEN
        return judge(call, known, at=at, password_mac=self.credentials.password_mac)

    async def _without_replays(
        self, calls: Sequence[Call], judged: list[Judgement], known: dict[Lookup, Known | None], lookups: list[Lookup]
    ) -> list[Judgement]:
        once: dict[int, Signed] = {}
        for number, (call, judgement) in enumerate(zip(calls, judged, strict=True)):
            credential = known.get(lookups[number])
            if judgement.mac is not None and credential is not None and isinstance(call, RestCall):
                once[number] = Signed.of(credential.id, call.timestamp, judgement.mac)
        firsts = dict(zip(once, await self._replays.first_comers(list(once.values())), strict=True))
        return [each if firsts.get(number, True) else Judgement(Outcome.REPLAYED) for number, each in enumerate(judged)]

    def _answer(self, call: Call, known: Known | None, outcome: Outcome, lookup: Lookup, at: float) -> Allowed | Denied:
        self.outcomes[call.kind, outcome] += 1
        if known is not None:
            self._activity.note(known.id, outcome, at=at, ip=call.ip)
        if known is not None and outcome is Outcome.ALLOWED:
            return known.allowed(at)
        self._failures.note(lookup, outcome, call.ip)
        return _DENIED
