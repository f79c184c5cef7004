"""Files of the local stack: private to whoever runs it, and written whole or not at all."""

import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` with mode 0600; after a crash it holds the old text or the new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_environment(path: Path, variables: Mapping[str, str]) -> None:
    """Write ``variables`` so that both a shell and `read_environment` can read them."""
    write_private(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items())))


def read_environment(path: Path) -> dict[str, str]:
    """Return what `write_environment` wrote to ``path``; empty when there is no such file."""
    if not path.is_file():
        return {}
    pairs = (word.partition("=") for word in shlex.split(path.read_text(encoding="utf-8")))
    return {name: value for name, _, value in pairs}
