"""Telemetry harms nothing: what it sends to may be gone, or hang, and what it asks may hang, too."""

import asyncio
import socket
import subprocess
import sys
import time

import pytest

from countersign.health import health, promptly

SCRIPT = """
import sys
from countersign import logs
from countersign.telemetry import spans, tracing
logs.install()
with tracing.sending(sys.argv[1], service="x"):
    for _ in range(3000):
        with spans.span("x"):
            pass
sys.stdout.write("done")
"""


def test_a_collector_that_hangs_keeps_no_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = (sys.executable, "-c", SCRIPT, f"http://127.0.0.1:{server.getsockname()[1]}")
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert (ended.returncode, ended.stdout) == (0, "done")


async def test_what_hangs_is_given_up_in_time_even_if_it_takes_long_to_be_cancelled() -> None:
    given_up = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.wait_for(given_up.wait(), 60)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await promptly(hang(), seconds=0.05)
    assert await health(hang(), seconds=0.05) == "down"
    assert time.monotonic() - began < 10
    given_up.set()


async def test_what_answers_is_up_and_what_raises_is_down() -> None:
    async def answer() -> int:
        return 1

    async def fail() -> None:
        raise OSError

    assert await promptly(answer()) == 1
    assert (await health(answer()), await health(fail())) == ("up", "down")
