"""What the stack says to whoever started it: styled on a terminal, plain lines elsewhere, and never a reason to die."""

import os
import sys
from contextlib import suppress
from typing import TextIO

from rich.console import Console, RenderableType
from rich.panel import Panel


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on without a listener: the stack runs whether or not someone reads."""
        self.quiet = True
        _point_at_nothing(sys.stdout)


class Voice:
    """Prints to standard output; a terminal that was closed silences it."""

    def __init__(self) -> None:
        self._console = _Console(highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """Print ``line`` as it is."""
        self._print(line)

    def show(self, what: RenderableType) -> None:
        """Print ``what``, on a terminal in a frame."""
        self._print(Panel(what, expand=False) if self._console.is_terminal else what)

    def _print(self, what: RenderableType) -> None:
        try:
            self._console.print(what, markup=False)
        except OSError:
            self._console.quiet = True
            _point_at_nothing(sys.stdout)


def _point_at_nothing(stream: TextIO) -> None:
    # The interpreter flushes at its end, and would complain about a reader that has gone.
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
