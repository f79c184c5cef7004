"""The file of checkpoints: one JSON line each, only ever appended to, for storage that can be written once."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from countersign.domain.checkpoints import Checkpoint, Signed

# Longer than the longest line, so that the last one is found without reading the file.
_TAIL_BYTES = 4 * 2**20
_MODE = 0o640


class CheckpointFile:
    """Several processes may append to one file; each line is written whole and brought to the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last_number(self) -> int:
        """Return the number of the last checkpoint in the file, 0 if there is none."""
        with self._locked() as descriptor:
            return _last_number(_tail(descriptor))

    def append(self, checkpoints: Iterable[Signed]) -> int:
        """Append those that come after the file's last; return the number of what is the last then."""
        with self._locked() as descriptor:
            tail = _tail(descriptor)
            last = _last_number(tail)
            if tail and not tail.endswith(b"\n"):
                os.write(descriptor, b"\n")
            for signed in checkpoints:
                number = Checkpoint.parse(signed.document).number
                if number > last:
                    os.write(descriptor, _line_of(signed))
                    last = number
            os.fsync(descriptor)
        return last

    def read(self) -> Iterator[Signed]:
        """Yield the checkpoints of the file, in its order.

        A line that is none is passed over: a crash may have left it, and what hides a checkpoint leaves a gap in their
        numbers.
        """
        with self._path.open("rb") as file:
            yield from filter(None, map(_signed_of, file))

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def _line_of(signed: Signed) -> bytes:
    return json.dumps({"document": signed.document, "signature": signed.signature.hex()}).encode() + b"\n"


def _signed_of(line: bytes) -> Signed | None:
    try:
        members = json.loads(line)
        return Signed(str(members["document"]), bytes.fromhex(members["signature"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _tail(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))


def _last_number(tail: bytes) -> int:
    newest = next(filter(None, map(_signed_of, reversed(tail.splitlines()))), None)
    return Checkpoint.parse(newest.document).number if newest else 0
