"""Limits of failures: whoever fails too often is denied without being looked at, and nobody else is.

Counted by what was named *and* where the call came from, so that a stranger's failures lock no owner out; unknown keys
by address alone. Where an entry of the credential's own whitelist holds the address nothing is limited: it is the
owner's.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable
from ipaddress import IPv6Address

from countersign.domain.verification import Outcome
from countersign.verification.known import Ip, Known, Lookup, unmapped

_WINDOW_SECONDS = 60.0
_SUBSCRIBER_BITS = 64
_AT_MOST = 100_000
_FAILURES = frozenset({Outcome.BAD_SIGNATURE, Outcome.UNKNOWN_KEY})


class Failures:
    """Counts within a minute; ``of_pair`` failures of one name at one address, ``unknown`` names at one address."""

    def __init__(self, *, of_pair: int, unknown: int) -> None:
        self._of_pair = of_pair
        self._unknown = unknown
        self._pairs = _Counts()
        self._strangers = _Counts()

    def are_too_many(self, lookup: Lookup, known: Known | None, ip: Ip) -> bool:
        """Tell whether a call is to be denied unseen."""
        if self._pairs.of((lookup, neighbourhood(ip))) < self._of_pair:
            return False
        return known is None or not known.whitelist.names(ip)

    def is_stranger(self, ip: Ip) -> bool:
        """Tell whether so many unknown keys came from there that another one is not looked for."""
        return self._strangers.of(neighbourhood(ip)) >= self._unknown

    def note(self, lookup: Lookup, outcome: Outcome, ip: Ip) -> None:
        """Count a failure."""
        if outcome not in _FAILURES:
            return
        self._pairs.add((lookup, neighbourhood(ip)))
        if outcome is Outcome.UNKNOWN_KEY:
            self._strangers.add(neighbourhood(ip))


class _Counts:
    """Counts by name, each begun anew after a minute; the one that was touched longest ago gives way."""

    def __init__(self) -> None:
        self._counts: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def of(self, name: Hashable) -> int:
        found = self._counts.get(name)
        if found is None:
            return 0
        begun_at, count = found
        return count if time.monotonic() - begun_at < _WINDOW_SECONDS else 0

    def add(self, name: Hashable) -> None:
        count = self.of(name)
        begun_at = self._counts[name][0] if count else time.monotonic()
        self._counts[name] = (begun_at, count + 1)
        self._counts.move_to_end(name)
        if len(self._counts) > _AT_MOST:
            self._counts.popitem(last=False)


def neighbourhood(ip: Ip) -> int:
    """Return what counts as one address: an IPv4 address, or the /64 that one IPv6 subscriber has (RFC 6177)."""
    plain = unmapped(ip)
    return int(plain) >> _SUBSCRIBER_BITS << _SUBSCRIBER_BITS if isinstance(plain, IPv6Address) else int(plain)
