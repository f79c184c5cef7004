"""What people sent, made fit to stand in an error message."""

from collections.abc import Iterable


def quote(text: str, *, limit: int = 60) -> str:
    """Return at most ``limit`` characters of ``text``, whatever is not printable as its escape sequence.

    A lone surrogate cannot be encoded, so an answer that echoes one would be a 500; control and bidirectional
    characters would change the page or terminal that shows them.
    """
    shown = "".join(_visible(character) for character in text[:limit])
    return shown if len(text) <= limit else f"{shown}…"


def enumerate_some(items: Iterable[str], *, limit: int) -> str:
    """Return the first ``limit`` items in a row, and how many more there are."""
    every = list(items)
    shown = ", ".join(every[:limit])
    return shown if len(every) <= limit else f"{shown} and {len(every) - limit} more"


def tell_by_problem(problems: Iterable[tuple[str, str]], *, limit: int) -> str:
    """Return a sentence for each problem with its entries, of which the first ``limit`` are named."""
    entries: dict[str, list[str]] = {}
    for entry, problem in problems:
        entries.setdefault(problem, []).append(entry)
    return " ".join(f"{problem}: {enumerate_some(named, limit=limit)}." for problem, named in entries.items())


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
