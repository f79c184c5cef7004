"""What a migration may not do while the code of before it still runs: expand first, contract a release later."""

import re
from pathlib import Path

from countersign.storage.migrations.run_sql import VERSIONS

# A file that contracts says what it waits for, in a line of its own: "-- contract: since r0004: who still needs it".
_CONTRACT = re.compile(r"^-- contract: since r(\d{4}): \S.*$", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_BODY = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(?:public\.)?(\w+)", re.IGNORECASE)
_ALTERED = re.compile(r"ALTER TABLE (?:ONLY )?(?:public\.)?(\w+)", re.IGNORECASE)
_RULES = {
    "drops what the code of before may use": r"\bDROP (COLUMN|TABLE|VIEW|FUNCTION|TYPE|DEFAULT|SCHEMA)\b",
    "renames what the code of before may use": r"\bRENAME\b",
    "changes the type of a column": r"\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b",
    "demands a value that the code of before does not write": r"\bSET NOT NULL\b",
    "takes a right away": r"^\s*REVOKE\b",
}
_ADDED = re.compile(r"\bADD (?:COLUMN )?(?:IF NOT EXISTS )?(?!CHECK|CONSTRAINT|PRIMARY|UNIQUE|FOREIGN)(\w+) [^,;]*")


def files() -> list[Path]:
    return sorted(VERSIONS.glob("*.sql"))


def contracts_since(text: str) -> str | None:
    """Return the revision whose code was the first that can live with what the file contracts, if it does."""
    found = _CONTRACT.search(text)
    return found[1] if found else None


def faults(text: str) -> list[str]:
    """Return what in a migration the code of before could not live with."""
    created = set(_CREATED.findall(text))
    plain = _BODY.sub("''", _COMMENT.sub("", text))
    old = [each for each in plain.split(";") if not set(_ALTERED.findall(each)) & created]
    found = [told for told, rule in _RULES.items() if any(_breaks(rule, each) for each in old)]
    return found + [f"adds {column}, which the code of before does not write" for column in _demanded(old)]


def _breaks(rule: str, statement: str) -> bool:
    return re.search(rule, statement, re.IGNORECASE | re.MULTILINE) is not None


def _demanded(statements: list[str]) -> list[str]:
    added = [match for each in statements if _ALTERED.search(each) for match in _ADDED.finditer(each)]
    return [match[1] for match in added if "NOT NULL" in match[0].upper() and "DEFAULT" not in match[0].upper()]
