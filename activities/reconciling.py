"""Comparing all requests with their workflows, as an activity."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from temporalio import activity

from activities.names import RECONCILE
from countersign.telemetry.metrics import DIFFERENCES

_LOG = logging.getLogger(__name__)


class Differing(Protocol):
    """One workflow that was not where its request is."""

    @property
    def kind(self) -> StrEnum:
        """How they differed."""


@dataclass(frozen=True)
class ReconcilingActivities:
    """``heal_all`` mends what it can and returns all that differed."""

    heal_all: Callable[[], Awaitable[Sequence[Differing]]]

    @activity.defn(name=RECONCILE)
    async def reconcile(self) -> dict[str, int]:
        """Heal what differs; return how much did, by how. Safe to run again."""
        found = Counter(str(each.kind) for each in await self.heal_all())
        for kind, count in found.items():
            DIFFERENCES.labels(kind).inc(count)
        if found:
            _LOG.warning("Requests and workflows differed: %s", dict(found))
        return dict(found)
