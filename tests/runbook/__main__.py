"""Carry the runbook out on a local stack: ``python -m tests.runbook [--write] [ANCHOR]...``.

Without ``--write`` it tells which commands print something else than stands in the text; exit code 1 if any does.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.runbook import scenes_of_requests, scenes_of_services
from tests.runbook.document import RUNBOOK, Entry, entries, printed, rewrite, with_outputs
from tests.runbook.masking import shape_of
from tests.runbook.playing import Player, Scene
from tests.runbook.town import town

Outputs = list[list[str]]


def scene_of(entry: Entry) -> Scene:
    """Return what brings the entry's situation about; raises ``AttributeError`` where there is none."""
    name = entry.anchor.replace("-", "_")
    place = scenes_of_requests if hasattr(scenes_of_requests, name) else scenes_of_services
    scene: Scene = getattr(place, name)
    return scene


def carry_out(wanted: set[str], folder: Path) -> Iterator[tuple[str, Outputs]]:
    """Play the wanted entries, all if none is named, on one stack; yield each with what its commands printed."""
    with town(folder) as place:
        for entry in entries(RUNBOOK.read_text(encoding="utf-8")):
            if entry.blocks and (not wanted or entry.anchor in wanted):
                sys.stderr.write(f"{entry.anchor}\n")
                yield entry.anchor, Player(place).play(entry, scene_of(entry))


def write(anchor: str, outputs: Outputs) -> None:
    """Put what an entry's commands printed into the runbook."""
    rewrite(RUNBOOK, lambda entry: with_outputs(entry, outputs) if entry.anchor == anchor else entry.text)


def differences(outputs: dict[str, Outputs]) -> list[str]:
    """Return the commands that print something else than the runbook shows."""
    found = []
    for entry in entries(RUNBOOK.read_text(encoding="utf-8")):
        for shown, now in zip(printed(entry), chain(*outputs.get(entry.anchor, [])), strict=False):
            command, said = shown
            if shape_of(said) != shape_of(now):
                found.append(f"{entry.anchor}: {command}\n--- stands there\n{said}\n--- printed now\n{now}")
    return found


def main() -> int:
    """Play, and write or compare; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("anchors", nargs="*", metavar="ANCHOR")
    options.add_argument("--write", action="store_true", help="put what was printed into the runbook")
    given = options.parse_args()
    with TemporaryDirectory(prefix="runbook-") as folder:
        played = carry_out(set(given.anchors), Path(folder))
        if given.write:
            for anchor, outputs in played:
                write(anchor, outputs)
            return 0
        found = differences(dict(played))
    sys.stdout.write("\n\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
