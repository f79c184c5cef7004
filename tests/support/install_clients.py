"""``make clients``: virtual environments for trading clients by others, whose pins would bind ours.

ccxt names exact versions of what we use ourselves, and quickfix brings its own OpenSSL: neither belongs into `.venv`.
"""

import shutil
import subprocess
import sys
import venv
import zlib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PINS = _ROOT / "tests" / "examples" / "clients"
_HOME = _ROOT / ".venv" / "clients"


def python_of(client: str) -> Path:
    """Return the interpreter that can import the client, which is installed first where that was not done yet."""
    pins = _PINS / f"{client}.txt"
    home = _HOME / f"{client}-{zlib.crc32(pins.read_bytes()):08x}"
    done = home / "installed"
    if not done.exists():
        _install(home, pins)
        done.touch()
    return home / "bin" / "python"


def _install(home: Path, pins: Path) -> None:
    print(f"Installing {pins.stem} for the tests …", flush=True)  # noqa: T201
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "--quiet", "--no-input"]
    install = ["install", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(pins)]
    subprocess.run([*pip, "--disable-pip-version-check", *install], check=True)


if __name__ == "__main__":
    for each in sys.argv[1:]:
        python_of(each)
