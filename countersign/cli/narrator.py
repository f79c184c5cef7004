"""Tells a story in numbered steps: framed on a terminal, plain lines elsewhere."""

import typer
from rich.panel import Panel
from rich.text import Text

from countersign.cli.output import console


class Narrator:
    """Numbers the steps; with ``pause`` it waits for Enter after each."""

    def __init__(self, *, pause: bool) -> None:
        self._console = console()
        self._pause = pause
        self._number = 0

    def step(self, title: str, *lines: str) -> None:
        """Tell one step."""
        self._number += 1
        heading = f"{self._number}. {title}"
        if self._console.is_terminal:
            body = Text("\n".join(lines), overflow="fold")
            self._console.print(Panel(body, title=Text(heading, style="bold"), title_align="left"))
        else:
            self.say(heading, *(f"   {row}".rstrip() for row in "\n".join(lines).splitlines()))
        if self._pause:
            typer.prompt("Enter to go on", default="", show_default=False)

    def say(self, *lines: str) -> None:
        """Tell something between steps; the terminal breaks long lines, so that ids stay whole."""
        for line in lines:
            self._console.print(line, soft_wrap=True)
