"""Playing an entry: its situation is brought about, and its very commands are run beside it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.runbook.document import Entry
from tests.runbook.masking import Mask
from tests.runbook.town import Town

Variables = dict[str, str]
Scene = Callable[[Town], Iterator[Variables]]
_LONGEST_SECONDS = 90
_MOST_LINES = 50


@dataclass(frozen=True)
class Player:
    """Runs the commands of the runbook on the stack of a town."""

    town: Town

    def play(self, entry: Entry, scene: Scene) -> list[list[str]]:
        """Return what the commands printed, masked, by block and command.

        The scene yields before each block the shell's variables for it, and then what has to happen happens.
        """
        mask = Mask(entry.anchor, self.town.places)
        acts, variables, outputs = scene(self.town), Variables(), list[list[str]]()
        for commands in entry.blocks:
            variables |= next(acts)
            outputs.append([self._run(command, variables, mask) for command in commands])
        for _ in acts:
            message = f"{entry.anchor}: its scene has more acts than the entry has blocks"
            raise AssertionError(message)
        return outputs

    def _run(self, command: str, variables: Variables, mask: Mask) -> str:
        sys.stderr.write(f"  $ {command}\n")
        done = subprocess.run(
            ("/bin/bash", "-c", command),
            env={**self._environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
            cwd=self.town.folder,
        )
        for wrong in ("Traceback", "Usage:", "command not found", "No such option"):
            assert wrong not in done.stdout, done.stdout
        lines = mask.hide(done.stdout).splitlines()
        return "\n".join([*lines[:_MOST_LINES], *(["…"] if len(lines) > _MOST_LINES else [])])

    def _environment(self) -> Variables:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        stack = self.town.stack
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "80",
            "COUNTERSIGN_DATA": str(stack.data),
            "TEMPORAL_ADDRESS": f"127.0.0.1:{stack.ports['TEMPORAL']}",
            "TEMPORAL_CODEC_ENDPOINT": f"{stack.url}/codec",
            "API": stack.url,
        }
