"""``make browser``: see that there is a Chromium for the browser tests, and note its path in the file named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.browser import MISSING, find_chromium

_PACKAGES = ("chromium", "fonts-noto-cjk")  # the fonts are for the Japanese names of the tests


def main(note: Path) -> str | None:
    """Return what is wrong, if anything is."""
    found = _find() or next(filter(None, _attempts()), None)
    if found is None:
        return MISSING
    note.write_text(found)
    return None


def _find() -> str | None:
    found = find_chromium()
    if found or os.environ.get("COUNTERSIGN_CHROMIUM"):
        return found
    with sync_playwright() as playwright:
        return find_chromium(playwright.chromium.executable_path)


def _attempts() -> Iterator[str | None]:
    """Yield the browser, or None, after each way to install one has been tried."""
    if os.environ.get("COUNTERSIGN_CHROMIUM"):
        return
    print("Installing Chromium for the browser tests …", flush=True)  # noqa: T201
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _run("apt-get", "-qq", "update")
        _run("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *_PACKAGES)
        yield _find()
    _run(sys.executable, "-m", "playwright", "install", "chromium")
    yield _find()


def _run(*command: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
