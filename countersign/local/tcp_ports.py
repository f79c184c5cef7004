"""Ports on loopback."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from countersign.local.errors import StackError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Where a local stack listens; a ``worker`` of 0 opens no port."""

    api: int
    temporal: int
    temporal_ui: int
    postgres: int
    verifier: int
    worker: int = 0


def require_free(wanted: Mapping[str, tuple[int, str]]) -> None:
    """Check that each port in ``wanted`` (what for: port, option) is free; StackError names the first that is not."""
    seen: dict[int, str] = {}
    for purpose, (port, option) in wanted.items():
        if port in seen:
            raise StackError(f"{seen[port]} and {purpose} cannot both listen on port {port}: change one with {option}")
        seen[port] = purpose
        if not _is_free(port):
            raise StackError(f"port {port} for {purpose} is taken: choose another with {option}")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Tell whether something accepts connections on ``port``."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _is_free(port: int) -> bool:
    # Some systems let a second socket bind to loopback beside one that listens on every address.
    if is_listening(port):
        return False
    try:
        with socket.create_server((LOOPBACK, port)):
            return True
    except OSError:
        return False
