"""A backup of a local stack: a folder with the database, Temporal's state, the key ring and the audit checkpoints.

Whoever has it has every key: it is as secret as the data folder itself. Without the key ring in it, neither secrets nor
histories could ever be read again.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from countersign.local.errors import StackError
from countersign.local.files import PRIVATE_FOLDER, write_private

DATABASE = "database.dump"
TEMPORAL = "temporal.db"
KEY_RING = "key-ring.json"
CHECKPOINTS = "audit-checkpoints.jsonl"
_LIST = "backup.json"
_FORM = "countersign/backup/1"


@dataclass(frozen=True)
class BackupFolder:
    """The files of one backup, each as it was listed."""

    folder: Path

    @classmethod
    @contextmanager
    def new(cls, folder: Path) -> Iterator["BackupFolder"]:
        """Yield a folder to fill; it gets its name once the block ends well, else nothing of it stays.

        StackError when there is one already, or when something cannot be written.
        """
        making = folder.with_name(f".{folder.name}.making")
        if folder.exists() or making.exists():
            raise StackError(f"{folder} (or {making}) is there already: name a new folder")
        try:
            making.mkdir(mode=PRIVATE_FOLDER, parents=True)
        except OSError as error:
            raise StackError(f"{folder} cannot be made: {error.strerror}") from error
        try:
            yield cls(making)
            cls(making).seal()
            making.rename(folder)
        except (OSError, sqlite3.Error) as error:
            raise StackError(f"{folder} cannot be written ({type(error).__name__}): is the disk full?") from error
        finally:
            # It holds keys.
            shutil.rmtree(making, ignore_errors=True)

    @classmethod
    def open(cls, folder: Path) -> "BackupFolder":
        """Return the backup; StackError when it is none, or when a file of it is not what it was."""
        try:
            listed = json.loads((folder / _LIST).read_text(encoding="utf-8"))
            whole = listed["form"] == _FORM and listed["sha256"] == _digests(folder)
        except (OSError, ValueError, KeyError, TypeError):
            raise StackError(f"{folder} is no backup of a local stack") from None
        if not whole:
            raise StackError(f"{folder} was changed since it was made, or is not whole: take another backup")
        return cls(folder)

    def seal(self) -> None:
        """List the files with their digests."""
        for path in self.folder.iterdir():
            path.chmod(0o600)
        write_private(self.folder / _LIST, json.dumps({"form": _FORM, "sha256": _digests(self.folder)}, indent=2))

    def path(self, name: str) -> Path:
        """Return where the file of that name lies."""
        return self.folder / name


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name != _LIST}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
