"""Gateways that follow revocations, so that they end sessions which are open."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from countersign.domain.verification import Lost, Revoked

_MOST_WAITING = 10_000


class Subscription:
    """What one gateway was not told yet; one that does not keep up is told that it has missed something."""

    def __init__(self) -> None:
        self._waiting: list[Revoked | Lost] = []
        self._told = asyncio.Event()
        self.is_over = False

    def end(self) -> None:
        """Tell nothing more."""
        self.is_over = True
        self._told.set()

    def add(self, news: Revoked | Lost) -> None:
        """Add what is to be told."""
        if isinstance(news, Lost) or len(self._waiting) >= _MOST_WAITING:
            # Whoever verifies all sessions anew needs no list.
            self._waiting = [Lost()]
        elif self._waiting != [Lost()]:
            self._waiting.append(news)
        self._told.set()

    async def next(self, *, seconds: float) -> list[Revoked | Lost]:
        """Return what there is to tell, or nothing after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return []
        self._told.clear()
        waiting, self._waiting = self._waiting, []
        return waiting


class Subscribers:
    """All of them."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._subscriptions)

    def tell(self, news: Revoked | Lost) -> None:
        """Tell everyone."""
        for subscription in self._subscriptions:
            subscription.add(news)

    def end(self) -> None:
        """End all of them: this verifier stops."""
        for subscription in self._subscriptions:
            subscription.end()

    @contextmanager
    def subscribed(self) -> Iterator[Subscription]:
        """Be told of what happens from the beginning of the block on."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
