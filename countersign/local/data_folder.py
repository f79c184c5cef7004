"""The data folder of a local stack: who may use it, and what it means to begin anew."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from countersign.local.errors import StackError
from countersign.local.files import PRIVATE_FILE, PRIVATE_FOLDER

LOCK_NAME = "stack.lock"


@contextmanager
def hold_data_folder(folder: Path) -> Iterator[Path]:
    """Make ``folder`` if need be and keep other stacks out of it meanwhile; yields its absolute path.

    Raises StackError when another stack runs on it, or when it holds what is not a stack's data.
    """
    folder = folder.absolute()
    _make(folder)
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        _lock(descriptor, folder)
        yield folder
    finally:
        os.close(descriptor)


def wipe(folder: Path) -> None:
    """Remove everything in the held ``folder`` but its lock."""
    for entry in folder.iterdir():
        if entry.name == LOCK_NAME:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        # --fresh empties the folder: it must never be given someone's documents.
        if any(folder.iterdir()) and not (folder / LOCK_NAME).exists():
            raise StackError(f"{folder} holds other files: give --data an empty or new folder")
        folder.chmod(PRIVATE_FOLDER)
    except OSError as error:
        raise StackError(f"the data folder {folder} cannot be used: {error.strerror}") from error


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        raise StackError(f"a stack runs on {folder} already (process {holder}): stop it first") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
