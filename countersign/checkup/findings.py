"""What was found, and how bad it is."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from ipaddress import ip_address

from pydantic import BaseModel

from countersign.redaction import redact
from countersign.settings import Settings


class Level(StrEnum):
    """How bad it is; a production service does not start, or does not work, with a fault."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Finding(BaseModel, frozen=True):
    """One line: what was looked at, and what was seen or is to be done."""

    level: Level
    what: str
    told: str


Check = Callable[[Settings], Awaitable[list[Finding]]]


def ok(what: str, told: str) -> Finding:
    """Return that it is as it should be."""
    return Finding(level=Level.OK, what=what, told=redact(told))


def warning(what: str, told: str) -> Finding:
    """Return that it works, but not as well or as safely as it could."""
    return Finding(level=Level.WARNING, what=what, told=redact(told))


def fault(what: str, told: str) -> Finding:
    """Return that it does not work, or is unsafe."""
    return Finding(level=Level.FAULT, what=what, told=redact(told))


def locally_allowed(settings: Settings, what: str, told: str) -> Finding:
    """Return a fault, or on the local stack, where it is allowed, a warning that says so."""
    if settings.mode == "local":
        return warning(what, f"{told} Allowed on the local stack only.")
    return fault(what, told)


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine; a socket in the file system is, too."""
    if host in {"", "localhost"} or host.startswith("/"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
