"""``make check``: hold the pinned dependencies against the advisories that are published about them."""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ACCEPTED = Path(__file__).with_name("accepted_advisories.toml")
_OPTIONS = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--timeout", "10")
Say = Callable[[str], object]


class Acceptance(BaseModel, extra="forbid", frozen=True):
    """An advisory that is let pass for a while."""

    id: str
    reason: str
    until: date


class Advisory(BaseModel, frozen=True):
    """What is known against one dependency."""

    package: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        mended = f"mended in {', '.join(self.fixed_in)}" if self.fixed_in else "not mended yet"
        return f"{self.package}: {', '.join(self.ids)}, {mended}"


def main(lock: Path, *, say: Say = print) -> int:
    """Return 0, or 1 when something is known against a dependency; not being able to ask is told, and 0."""
    with tempfile.TemporaryDirectory() as cache:
        # One is asked about first: a service that is not there takes its time over each.
        found = _ask(_first(lock), cache) and _ask(lock.read_text(encoding="utf-8"), cache)
    if not found:
        say("The dependencies were NOT audited: the advisory service cannot be reached from here.")
        return 0
    unknown = [each["name"] for each in found if "skip_reason" in each]
    if unknown:
        say(f"Not audited, because the advisory service does not know them: {', '.join(unknown)}")
    against = list(unaccepted(found, read_accepted(ACCEPTED), today=datetime.now(UTC).date()))
    for advisory in against:
        say(f"Known against a dependency: {advisory}")
    return 1 if against else 0


def read_accepted(file: Path) -> list[Acceptance]:
    """Return the advisories that are let pass."""
    return [
        Acceptance.model_validate(each) for each in tomllib.loads(file.read_text(encoding="utf-8")).get("accepted", ())
    ]


def _first(lock: Path) -> str:
    """Return the first requirement alone, with its hashes."""
    written = lock.read_text(encoding="utf-8").splitlines()
    lines = [line for line in written if line and not line.lstrip().startswith("#")]
    end = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: end + 1])


def _ask(requirements: str, cache: str) -> list[dict[str, Any]]:
    """Return what the service says of each requirement; nothing where it says nothing of any."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(requirements)
        file.flush()
        command = (sys.executable, "-m", "pip_audit", *_OPTIONS, "--cache-dir", cache, "--requirement", file.name)
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found: list[dict[str, Any]] = json.loads(said)["dependencies"] if said else []
    return found if any("vulns" in each for each in found) else []


def unaccepted(found: list[dict[str, Any]], accepted: list[Acceptance], *, today: date) -> Iterator[Advisory]:
    """Yield what is known and not let pass on that day."""
    passing = {each.id for each in accepted if today <= each.until}
    for dependency in found:
        for told in dependency.get("vulns", ()):
            ids = (told["id"], *told["aliases"])
            if not passing & set(ids):
                package = f"{dependency['name']} {dependency['version']}"
                yield Advisory(package=package, ids=ids, fixed_in=tuple(told["fix_versions"]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
