"""The runbook as a document: entries by their headings' anchors, and in them commands with what they print."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_PROMPT = "$ "


@dataclass(frozen=True)
class Entry:
    """One question of ops; ``blocks`` are the commands of each console block in it."""

    anchor: str
    text: str

    @property
    def blocks(self) -> list[list[str]]:
        return [commands_of(match[1]) for match in _BLOCK.finditer(self.text)]


def commands_of(block: str) -> list[str]:
    """Return the commands of a console block; a line that ends with a backslash goes on in the next."""
    lines, commands, goes_on = block.splitlines(), list[str](), False
    for line in lines:
        if goes_on:
            commands[-1] += f"\n{line}"
        elif line.startswith(_PROMPT):
            commands.append(line.removeprefix(_PROMPT))
        else:
            continue
        goes_on = line.endswith("\\")
    return commands


def printed(entry: Entry) -> list[tuple[str, str]]:
    """Return the commands of the entry, each with what it prints as it stands there."""
    found = []
    for match in _BLOCK.finditer(entry.text):
        commands = commands_of(match[1])
        rest = match[1]
        for command, following in zip(commands, [*commands[1:], None], strict=True):
            rest = rest.partition(f"{_PROMPT}{command}\n")[2]
            said, prompt, after = rest.partition(f"{_PROMPT}{following}\n") if following else (rest, "", "")
            found.append((command, said.strip("\n")))
            rest = prompt + after
    return found


def anchor_of(heading: str) -> str:
    """Return the anchor as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def entries(text: str) -> Iterator[Entry]:
    """Yield the entries in their order."""
    headings = [*_HEADING.finditer(text)]
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        yield Entry(anchor_of(heading[1]), text[heading.start() : end])


def with_outputs(entry: Entry, outputs: list[list[str]]) -> str:
    """Return the entry's text with these outputs, by block and command."""
    by_block = iter(outputs)

    def renewed(match: re.Match[str]) -> str:
        printed = zip(commands_of(match[1]), next(by_block), strict=True)
        body = "\n".join(_shown(command, output) for command, output in printed)
        return f"```console\n{body}\n```"

    return _BLOCK.sub(renewed, entry.text)


def _shown(command: str, output: str) -> str:
    return f"{_PROMPT}{command}\n{output}".rstrip("\n")


def rewrite(path: Path, renew: Callable[[Entry], str]) -> None:
    """Let each entry of the document be what ``renew`` makes of it."""
    text = path.read_text(encoding="utf-8")
    found = [*entries(text)]
    head = text[: text.index(found[0].text)]
    path.write_text(head + "".join(renew(entry) for entry in found), encoding="utf-8")
