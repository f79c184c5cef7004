"""Credentials in memory: those used lately; apart from them, and briefly, names that are none's."""

from collections import OrderedDict
from uuid import UUID

from countersign.verification.known import Known, Lookup

_UNKNOWN_AT_MOST = 10_000
_UNKNOWN_SECONDS = 10.0


class Cache:
    """At most ``size`` credentials, and apart from them what was looked for in vain; times are monotonic seconds."""

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._known: OrderedDict[Lookup, Known] = OrderedDict()
        self._unknown: OrderedDict[Lookup, float] = OrderedDict()
        self._by_id: dict[UUID, set[Lookup]] = {}

    def __len__(self) -> int:
        """Return how many credentials there are."""
        return len(self._known)

    def find(self, lookup: Lookup, *, read_since: float, now: float) -> tuple[bool, Known | None]:
        """Return whether it is known what this leads to, by what was read since then, and what it is."""
        known = self._known.get(lookup)
        if known is not None:
            if known.read_at < read_since:
                return False, None
            self._known.move_to_end(lookup)
            return True, known
        looked_at = self._unknown.get(lookup)
        return looked_at is not None and looked_at >= max(read_since, now - _UNKNOWN_SECONDS), None

    def keep(self, lookup: Lookup, known: Known | None, *, read_at: float) -> None:
        """Keep what was read, begun at ``read_at``; the one that was not used for longest gives way."""
        if known is None:
            self._unknown[lookup] = read_at
            self._unknown.move_to_end(lookup)
            if len(self._unknown) > _UNKNOWN_AT_MOST:
                self._unknown.popitem(last=False)
            return
        self._unknown.pop(lookup, None)
        self._known[lookup] = known
        self._known.move_to_end(lookup)
        self._by_id.setdefault(known.id, set()).add(lookup)
        if len(self._known) > self._size:
            oldest, gone = self._known.popitem(last=False)
            self._let_go(oldest, gone.id)

    def drop(self, credential_id: UUID) -> None:
        """Forget a credential; and if it was not here, whatever was looked for in vain: it may be new."""
        lookups = self._by_id.pop(credential_id, set())
        for lookup in lookups:
            self._known.pop(lookup, None)
        if not lookups:
            self._unknown.clear()

    def drop_account(self, account_id: UUID) -> None:
        """Forget the credentials of an account."""
        for credential_id in {each.id for each in self._known.values() if each.account_id == account_id}:
            self.drop(credential_id)

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._unknown.clear()
        self._by_id.clear()

    def _let_go(self, lookup: Lookup, credential_id: UUID) -> None:
        lookups = self._by_id.get(credential_id, set())
        lookups.discard(lookup)
        if not lookups:
            self._by_id.pop(credential_id, None)
