"""Values that were sent, shown or kept somewhere, each of them unique, and the places where they may be."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

_DIGITS = re.compile(r"\d{6}")
_COPY = re.compile(r"^COPY public\.(\w+) ", re.MULTILINE)


class Kind(StrEnum):
    """What a canary is."""

    SECRET = "API secret or FIX password"
    CODE = "one-time code, right or wrong"
    SEED = "seed of an authenticator"
    LINK = "token of an activation link"
    STOP = "token of a link that stops"
    RECOVERY = "recovery code"
    VERIFIER = "reveal verifier"
    STATEMENT = "account manager's statement"
    BEARER = "bearer token"
    SESSION = "token of a browser's session"
    PROVIDER = "key of Twilio or SendGrid"
    CLIENT = "secret of the OpenID client"
    RING = "key of the key ring"
    PHONE = "phone number"
    EMAIL = "email address"


# The one list of places where a canary may be; everywhere else it is a leak.
ALLOWED: dict[str, frozenset[Kind]] = {
    "history: messages": frozenset({Kind.CODE, Kind.LINK, Kind.RECOVERY, Kind.STATEMENT}),
    "table users": frozenset({Kind.PHONE, Kind.EMAIL}),
    "file key-ring.json": frozenset({Kind.RING}),
    "file stack.env": frozenset({Kind.PROVIDER, Kind.CLIENT}),
    "environment of a process": frozenset({Kind.PROVIDER, Kind.CLIENT}),
    # PostgreSQL's own files: the columns of people, and their log of changes.
    "file of PostgreSQL": frozenset({Kind.PHONE, Kind.EMAIL}),
}


@dataclass
class Canaries:
    """All that is looked for."""

    known: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, *values: str) -> None:
        self.known.setdefault(kind, []).extend(value for value in values if value not in self.of(kind))

    def of(self, kind: Kind) -> list[str]:
        return self.known.get(kind, [])

    def leaks(self, place: str, content: bytes) -> list[str]:
        """Return what was found where it must not be: the kind, never the value."""
        allowed = ALLOWED.get(place, frozenset())
        return [
            f"{place}: {kind}"
            for kind, values in self.known.items()
            if kind not in allowed and any(is_in(content, value) for value in values)
        ]


def is_in(content: bytes, value: str) -> bool:
    """Whether the value is there, in whatever form; six digits count only where they stand alone."""
    if _DIGITS.fullmatch(value):
        return value.encode() in content and whole_number_in(content.decode(errors="replace"), value)
    return any(form in content for form in forms(value))


def forms(text: str) -> Iterator[bytes]:
    """Yield the text as it stands, and as hexadecimal and base64 would hold it, at each of three offsets."""
    raw = text.encode()
    yield raw
    yield raw.hex().encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        yield encoded[4 if offset else 0 : len(encoded) // 4 * 4 - 4]


def found_in(content: bytes, texts: list[str]) -> list[str]:
    return [text for text in texts if any(form in content for form in forms(text))]


def whole_number_in(content: str, code: str) -> bool:
    """Six digits turn up by chance in longer numbers; alone they are a code."""
    before_and_after = content.split(code)
    return any(
        not (left[-1:].isalnum() or left[-1:] == "." or right[:1].isalnum())
        for left, right in pairwise(before_and_after)
    )


def tables(dump: str) -> Iterator[tuple[str, str]]:
    """Yield what a dump holds of each table, and all the rest of it as "schema"."""
    rest = dump
    for match in _COPY.finditer(dump):
        rows = dump[match.end() : dump.index("\n\\.\n", match.end())]
        rest = rest.replace(rows, "")
        yield f"table {match[1]}", rows
    yield "schema", rest
