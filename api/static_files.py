"""Static files, and the addresses under which browsers may keep them for ever: each holds a hash of its file."""

import hashlib
from functools import lru_cache
from pathlib import Path

STATIC = Path(__file__).resolve().parent / "static"
_PREFIX = "/static/"


def address(name: str) -> str:
    """Return the address of a file, as it was when this process started; raises ``KeyError`` for any other."""
    return f"{_PREFIX}{name}?v={_AT_START[name]}"


def is_lasting(path: str, query: bytes) -> bool:
    """Tell whether the address holds the hash of the file as it is now: a deployment may have replaced it."""
    name = path.removeprefix(_PREFIX)
    if not path.startswith(_PREFIX) or name not in _AT_START:
        return False
    try:
        return query == f"v={_digest(name)}".encode()
    except OSError:
        return False


def _digest(name: str) -> str:
    found = (STATIC / name).stat()
    return _digest_of(name, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=256)
def _digest_of(name: str, _changed_at: int, _size: int) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


_NAMES = [each.relative_to(STATIC).as_posix() for each in STATIC.rglob("*") if each.is_file()]
_AT_START = {name: _digest(name) for name in _NAMES}
