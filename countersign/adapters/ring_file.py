"""The file that a key ring lies in: private, and replaced whole or not at all."""

import os
import secrets
import stat
from pathlib import Path

from countersign.adapters.ring_text import KeyRingInvalid

_PRIVATE = 0o600
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_ring_file(file: Path) -> str:
    """Return the text of ``file``; raises ``KeyRingInvalid`` when it is missing or open to other users."""
    try:
        with file.open(encoding="utf-8") as handle:
            # The handle is asked, not the path, so that the file that is checked is the file that is read.
            if os.fstat(handle.fileno()).st_mode & _OPEN_TO_OTHERS:
                raise KeyRingInvalid(f"The key ring file {file} is open to other users: run chmod 600 {file}")
            return handle.read()
    except OSError as error:
        raise KeyRingInvalid(f"The key ring file {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise KeyRingInvalid(f"The key ring file {file} is not text.") from None


def replace_ring_file(file: Path, text: str) -> None:
    """Put ``text`` in the place of ``file``, mode 0600, with its owner; at every moment one of the two can be read.

    Raises ``KeyRingInvalid`` when it cannot be written.
    """
    file = file.resolve()  # a link stays a link
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        _write(temporary, text, owner=file)
        temporary.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise KeyRingInvalid(f"The key ring file {file} cannot be written: {error.strerror}.") from None


def _write(temporary: Path, text: str, *, owner: Path) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        if owner.exists():
            # Whoever rotates as root must not take the file away from the user whom the services run as.
            os.fchown(handle.fileno(), owner.stat().st_uid, owner.stat().st_gid)
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Return once the names in the folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
