"""Files with secrets: who may read them."""

import stat
from pathlib import Path

from countersign.checkup.findings import Finding, ok, warning
from countersign.settings import Settings

_WHAT = "secret files"


async def check_files(settings: Settings) -> list[Finding]:
    """Return which files with settings, and keys of TLS, every user of this machine can read."""
    files = [*secret_files(settings), *([settings.temporal_tls_key_file] if settings.temporal_tls_key_file else [])]
    open_to_all = [file for file in files if file.is_file() and _is_open_to_all(file)]
    found = [
        warning(_WHAT, f"Every user can read {file}: take that right away (chmod o-r, defaultMode: 0440).")
        for file in open_to_all
    ]
    return found or [ok(_WHAT, f"{len(files)} files, none of which every user can read")]


def secret_files(settings: Settings) -> list[Path]:
    """Return the files in the folder of secrets that are settings."""
    names = Settings.variables()
    if not settings.secrets.is_dir():
        return []
    return sorted(file for file in settings.secrets.iterdir() if file.name.upper() in names)


def is_in_a_file(settings: Settings, variable: str) -> bool:
    """Tell whether the setting has a file in the folder of secrets."""
    return any(file.name.upper() == variable for file in secret_files(settings))


def _is_open_to_all(file: Path) -> bool:
    # A file that is mounted alone, as Compose does it, has the mode of the host, where its folder says who reaches it.
    return not file.is_mount() and bool(file.stat().st_mode & stat.S_IROTH)
