"""What is being done now: which call of the API it belongs to, and which request it is about.

A request is named after the call that opens it. So the call's log lines and spans bear the request's id before there
is a request, and nothing has to be stored for what comes later to join them.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID, uuid4

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_WORKFLOW_ID = re.compile(rf"[a-z-]{{1,40}}/({_UUID})")
_TRACE_ID_BYTES = 16


@dataclass
class Call:
    """One call of the API, or one piece of a worker's work; ``request_id`` is of the request it is about, if any."""

    id: UUID = field(default_factory=uuid4)
    request_id: UUID | None = None
    has_opened: bool = False

    @property
    def trace_id(self) -> int:
        """The id of the trace it belongs to: that of the request it is about, or would open."""
        return trace_id_of(self.request_id or self.id)


_PRESENT: ContextVar[Call | None] = ContextVar("call", default=None)


def present() -> Call | None:
    """Return the present call."""
    return _PRESENT.get()


@contextmanager
def begun(request_id: UUID | None = None) -> Iterator[Call]:
    """Begin a call, about this request if one is given, for the length of the block."""
    call = Call(request_id=request_id)
    before = _PRESENT.set(call)
    try:
        yield call
    finally:
        _PRESENT.reset(before)


def name_request() -> UUID:
    """Return the id for a request that is about to be opened: the call's own, for the first that it opens."""
    call = _PRESENT.get()
    if call is None or call.has_opened or call.request_id is not None:
        return uuid4()
    call.has_opened = True
    return call.id


def note_request(request_id: UUID) -> None:
    """Note which request the present call turned out to be about."""
    call = _PRESENT.get()
    if call is not None:
        call.request_id = request_id


def request_of(workflow_id: str | None) -> UUID | None:
    """Return the request whose workflow that is; None for another's."""
    found = _WORKFLOW_ID.fullmatch(workflow_id or "")
    return UUID(found[1]) if found else None


def trace_id_of(request_id: UUID) -> int:
    """Return the trace of the request, from its first call to its last mail.

    A digest: samplers take a trace's last bits for random, and some of a UUID's are not.
    """
    return int.from_bytes(hashlib.blake2b(request_id.bytes, digest_size=_TRACE_ID_BYTES).digest())
