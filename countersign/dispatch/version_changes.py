"""Changing which build gets new requests; and what must not follow is held where it is."""

import asyncio
from dataclasses import dataclass

from countersign.dispatch.version_holding import Holding
from countersign.dispatch.version_routing import Routing, VersionRefused
from countersign.dispatch.versions import Build, Deployment, Status, Versions
from countersign.domain.errors import NotFound

_COMES_WITHIN_SECONDS = 60
_LOOK_SECONDS = 0.1
# What has just begun may be missing in Temporal's lists for that long.
_LISTS_LAG_SECONDS = 1.0


@dataclass(frozen=True)
class VersionChanges:
    """Changes what ``versions`` looks at; ``identity`` is who is told to have done it.

    ``moving`` are the workflow types that follow the current build by themselves. They cannot follow it back: what a
    newer build has added to a history, an older one cannot replay. So before a build loses requests, those that it ran
    are held with it, and a newer build lets them go on.
    """

    versions: Versions
    identity: str
    moving: tuple[str, ...]

    async def promote(self, build_id: str, *, force: bool = False) -> int:
        """Let all new requests begin on the build; what moves by itself follows, also what was held with an older one.

        Return how many were let go. ``force`` is for a build that no worker polls for. Raises ``NotFound`` and
        ``VersionRefused``.
        """
        seen, build = await self._find(build_id)
        _require_no_older(seen, build)
        newer = _if_newer(seen.ramping, build)
        await self._holding.hold(newer)
        await self._routing.make_current(seen, build_id, force=force)
        await self._hold_the_last_of(newer)
        no_newer = [each for each in seen.builds if each.first_seen <= build.first_seen]
        return len(await self._holding.let_go(no_newer))

    async def go_back(self, build_id: str, *, force: bool = False, hold: bool = True) -> int:
        """Let all new requests begin on an older build; return how many were held with the newer ones.

        Without ``hold`` those that move by themselves go back too: for builds whose workflows are the same.
        """
        seen, build = await self._find(build_id)
        if seen.current is None or seen.current.first_seen <= build.first_seen:
            raise VersionRefused(
                f"{build_id} is not older than the current build: countersign versions promote {build_id}"
            )
        newer = [*_if_newer(seen.current, build), *_if_newer(seen.ramping, build)] if hold else []
        held = await self._holding.hold(newer)
        await self._routing.make_current(seen, build_id, force=force)
        return len(held | await self._hold_the_last_of(newer))

    async def ramp(self, build_id: str, percent: float, *, force: bool = False) -> int:
        """Let a share of new requests begin on the build; return how many were held since the share became smaller."""
        seen, build = await self._find(build_id)
        if seen.current is None:
            raise VersionRefused(f"No build is current: countersign versions promote {build_id}")
        if seen.current.build_id == build_id:
            raise VersionRefused(f"{build_id} is current: all new requests begin there already.")
        _require_no_older(seen, build)
        losing = [build] if percent < build.percent else []
        if seen.ramping and seen.ramping.build_id != build_id:
            losing.append(seen.ramping)
        return await self._ramp(seen, build_id, percent, losing=losing, force=force)

    async def end_ramp(self) -> int:
        """Let all new requests begin on the current build; return how many were held with the one that ramped."""
        seen = await self.versions.read()
        if seen is None or seen.ramping is None:
            raise VersionRefused("No build is ramping.")
        return await self._ramp(seen, "", 0, losing=[seen.ramping], force=True)

    async def make_current(self, build_id: str) -> None:
        """Make a build current whose first worker has only just come, if it is not; raises ``TimeoutError``.

        For where there is one build alone: nothing is held, nothing asked.
        """
        async with asyncio.timeout(_COMES_WITHIN_SECONDS):
            seen, build = await self._await(build_id)
        if build.status is not Status.CURRENT:
            await self._routing.make_current(seen, build_id, force=True)

    async def _ramp(self, seen: Deployment, build_id: str, percent: float, *, losing: list[Build], force: bool) -> int:
        held = await self._holding.hold(losing)
        await self._routing.ramp(seen, build_id, percent, force=force)
        return len(held | await self._hold_the_last_of(losing))

    async def _hold_the_last_of(self, losing: list[Build]) -> frozenset[str]:
        # Those that began, or moved, in between.
        if not losing:
            return frozenset()
        await asyncio.sleep(_LISTS_LAG_SECONDS)
        return await self._holding.hold(losing)

    @property
    def _routing(self) -> Routing:
        return Routing(self.versions, self.identity)

    @property
    def _holding(self) -> Holding:
        return Holding(self.versions, self.identity, self.moving)

    async def _find(self, build_id: str) -> tuple[Deployment, Build]:
        seen = await self.versions.read()
        build = seen.find(build_id) if seen else None
        if seen is None or build is None:
            raise NotFound(
                f"No worker of the build {build_id} was ever seen in the deployment {self.versions.deployment}: start "
                "one with COUNTERSIGN_BUILD_ID, or look for the right name with countersign versions show."
            )
        return seen, build

    async def _await(self, build_id: str) -> tuple[Deployment, Build]:
        while True:
            try:
                return await self._find(build_id)
            except NotFound:
                await asyncio.sleep(_LOOK_SECONDS)


def _require_no_older(seen: Deployment, build: Build) -> None:
    if seen.current and seen.current.first_seen > build.first_seen:
        raise VersionRefused(
            f"{build.build_id} is older than {seen.current.build_id}, which is current; to go back: "
            f"countersign versions back {build.build_id}"
        )


def _if_newer(other: Build | None, build: Build) -> list[Build]:
    return [other] if other and other.first_seen > build.first_seen else []
