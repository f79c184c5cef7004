"""An upgrade as ops carry it out: worker processes of two builds, and the command ``countersign versions``."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from countersign.local.issuer import Issuer
from countersign.wiring import Parts
from tests.durability.rehearsing import FEW, SOME, Rehearsal, builds_of, finish, moves_on, open_at, rehearsing
from tests.support.cast import Providers
from tests.support.production import ROOT, Service


class Ops:
    """Starts processes and types commands, with the environment of a production service."""

    def __init__(self, rehearsal: Rehearsal, providers: Providers, folder: Path) -> None:
        settings = rehearsal.stage.core.settings
        ring = folder / "key-ring.json"
        ring.touch(mode=0o600)
        ring.write_text(settings.key_ring.get_secret_value())
        assert settings.jwt_key_file
        service = Service(
            database_url=settings.database_url.get_secret_value(),
            temporal_address=settings.temporal_address,
            key_ring_file=ring,
            jwks_file=settings.jwt_key_file,
            twilio_url=providers.twilio.url,
            sendgrid_url=providers.sendgrid.url,
            rules={},
        )
        named = {"TASK_QUEUE": settings.task_queue, "DEPLOYMENT": settings.deployment, "DATA": str(folder)}
        self._environment = service.environment() | {f"COUNTERSIGN_{name}": value for name, value in named.items()}

    @asynccontextmanager
    async def worker(self, build_id: str) -> AsyncIterator[None]:
        """Run ``python worker.py`` until the block ends, as a process manager stops it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "worker.py"), cwd=ROOT, env=self._environment | {"COUNTERSIGN_BUILD_ID": build_id}
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0

    async def type(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Return what ``countersign versions`` answers."""
        return await asyncio.to_thread(
            subprocess.run,
            (sys.executable, "-m", "countersign", "versions", *words),
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
        )


@pytest.mark.prove
async def test_ops_bring_a_release_take_it_back_and_every_request_finishes(
    core: Parts, issuer: Issuer, providers: Providers, tmp_path: Path
) -> None:
    async with rehearsing(core, issuer=issuer, providers=providers) as rehearsal:
        ops = Ops(rehearsal, providers, tmp_path)
        assert "No worker with a build was ever seen" in (await ops.type("show")).stdout
        async with ops.worker("1.0"):
            await rehearsal.arrived("1.0")
            assert (await ops.type("promote", "1.0")).returncode == 0
            before = [await open_at(rehearsal.cast, *place) for place in SOME]
            async with ops.worker("1.1"):
                await rehearsal.arrived("1.1")
                promoted = await ops.type("promote", "1.1")
                assert promoted.stdout.startswith("New requests begin on 1.1;"), promoted.stderr
                begun = [await open_at(rehearsal.cast, *place) for place in SOME]

                still_needed = await ops.type("drained", "1.0")
                assert (still_needed.returncode, "1.0 is draining" in still_needed.stdout) == (1, True)
                refused = await ops.type("promote", "1.0")
                assert refused.stderr.startswith("countersign: 1.0 is older than 1.1, which is current; to go back:")
                taken_back = await ops.type("back", "1.0")
                assert "are held with the build that ran them" in taken_back.stdout, taken_back.stderr
                after = [await open_at(rehearsal.cast, *place) for place in FEW]
                shown = (await ops.type("show")).stdout

                outcomes = {await finish(rehearsal.cast, flow) for flow in [*before, *begun, *after]}

        assert outcomes == {"activated"}
        assert await builds_of([*(flow for flow in before if not moves_on(flow)), *after]) == {"1.0"}
        assert await builds_of(begun) == {"1.1"}
        assert "current" in shown
        assert "draining" in shown


@pytest.mark.prove
async def test_a_command_without_temporal_says_so_in_one_line(
    core: Parts, issuer: Issuer, providers: Providers, tmp_path: Path
) -> None:
    async with rehearsing(core, issuer=issuer, providers=providers) as rehearsal:
        ops = Ops(rehearsal, providers, tmp_path)
        ops._environment["TEMPORAL_ADDRESS"] = "127.0.0.1:9"
        told = await ops.type("show")

    assert (told.returncode, told.stderr) == (1, "countersign: Temporal does not answer at 127.0.0.1:9.\n")
