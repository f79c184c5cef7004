"""Which Chromium the browser tests drive, and how it is started."""

import os
import shutil
from pathlib import Path

MISSING = "No Chromium found: run `make browser`, or install chromium, or set COUNTERSIGN_CHROMIUM to its path."
ARGUMENTS = (
    "--no-sandbox",  # as root, and in most containers, there is none to be had
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # containers have 64 MB of it
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no test depends on another machine
)
_COMMANDS = ("chromium", "chromium-browser", "google-chrome")


def find_chromium(playwrights_own: str = "") -> str | None:
    """Return the path of a Chromium: the one named in the environment, on the PATH, or else Playwright's own."""
    named = os.environ.get("COUNTERSIGN_CHROMIUM")
    if named:
        return shutil.which(named)
    found = next(filter(None, map(shutil.which, _COMMANDS)), None)
    return found or (playwrights_own if Path(playwrights_own).is_file() else None)
