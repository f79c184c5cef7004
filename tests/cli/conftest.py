"""One whole local stack, as `countersign up` starts it, and a terminal beside it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from countersign.local.tcp_ports import free_port
from tests.cli.terminal import Terminal

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    found = Terminal(tmp_path_factory.mktemp("stack"))
    ports = [f"--{name}-port={free_port()}" for name in ("api", "temporal", "ui", "postgres", "verifier")]
    # Many tests ask for codes of one account within the hour.
    environment = {**found.environment, "PYTHONUNBUFFERED": "1", "COUNTERSIGN_RULES__CODE_SENDS_PER_HOUR": "1000"}
    stack = subprocess.Popen(
        [sys.executable, "-m", "countersign", "up", *ports],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert stack.stdout
        said = []
        for line in stack.stdout:
            said.append(line)
            if "Countersign is ready" in line:
                break
        else:
            pytest.fail("".join(said))
        yield found
    finally:
        stack.terminate()
        stack.communicate(timeout=30)


@pytest.fixture(scope="session")
def waiting(terminal: Terminal) -> dict[str, Any]:
    """FIX credentials that wait for the account manager all the time: look, and don't touch."""
    return terminal.asked_for_activation()
