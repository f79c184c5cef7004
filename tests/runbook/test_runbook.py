"""The runbook: what it tells ops to type is there to be typed, and, with ``make prove``, prints what stands there."""

import re
import shlex
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.main import get_command

from activities.names import HOUSEKEEPING, RECONCILE
from countersign.adapters.temporal import SEARCH_ATTRIBUTES
from countersign.cli import app
from countersign.domain.requests import Journey, Step
from tests.runbook.__main__ import carry_out, differences, scene_of
from tests.runbook.document import RUNBOOK, Entry, entries, printed
from tests.runbook.masking import Mask

# Alerts link to these: they are never renamed.
ALERTS = {
    "api-is-down", "worker-is-down", "temporal-is-down", "database-is-down", "sms-do-not-arrive", "mails-do-not-go-out",
    "an-approval-hangs", "account-manager-queue-is-old", "sms-suspended", "wrong-codes-rise", "decisions-refused",
    "audit-checkpoint-is-old", "outbox-is-stuck", "keys-do-not-fit", "verifier-is-down",
}  # fmt: skip
TEXT = RUNBOOK.read_text(encoding="utf-8")
ENTRIES = [*entries(TEXT)]
PLAYED = [entry for entry in ENTRIES if entry.blocks]
_COMMANDS = re.compile(r"(?:^|`)(?:[A-Z_]+=\S+ )*countersign ([^`|\n&]*(?:\\\n[^`|\n&]*)*)", re.MULTILINE)
_QUERY = re.compile(r"--query \"([^\"]+)\"")
_CONDITION = re.compile(r"(\w+) (?:=|IN|<) \(?'([^']+)'")
# Whole addresses and numbers, six digits that stand alone, secrets and passwords (API keys are names), tokens.
_NEVER = re.compile(
    r"[\w.]+@\w+\.\w+|\+\d{7,}|(?<![\w.,-])(?!100000)\d{6}(?![\w.,-])|cs[sp]_\w+|eyJ[\w-]{10,}|(?<![\w-])[\w-]{43}(?![\w-])"
)
_BUILT_IN = {
    "WorkflowType",
    "ExecutionStatus",
    "StartTime",
    "TemporalReportedProblems",
    "TemporalWorkerDeploymentVersion",
}
_FILES = ("FILE", "…", "FOLDER", "CHECKPOINTS", "ARCHIVE", "RING")


def commands() -> list[str]:
    """Return every line that calls the command, in blocks and in the text, without what is piped on."""
    prompts = "\n".join(command for entry in PLAYED for block in entry.blocks for command in block)
    prose = re.sub(r"^```console\n.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    found = [match[1].split(" >")[0].strip() for match in _COMMANDS.finditer(f"{prompts}\n{prose}")]
    return sorted({each for each in found if each and not each.startswith(("doctor,", "says"))})


@pytest.mark.parametrize("line", commands())
def test_every_command_is_there_and_has_these_options(line: str) -> None:
    words = [_filled(word) for word in shlex.split(line, comments=True)]

    assert understood(get_command(app), words).startswith("countersign ")


def understood(command: Any, words: list[str], parent: Any = None) -> str:
    """Return the command's whole name; raises ``UsageError`` for what it does not understand."""
    context = command.make_context((parent and command.name) or "countersign", words, parent=parent)
    if not hasattr(command, "resolve_command"):
        return str(context.command_path)
    _, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
    return understood(found, rest, context)


def _filled(word: str) -> str:
    if word in {"N", "$ACTIVE"}:
        return "1"
    if word.startswith("$") and not any(part in word for part in _FILES):
        return str(uuid4()) if "NAME" not in word else "CS-T-0000-0000-0000"
    return {"YYYY-MM": "2025-10"}.get(word, word)


def test_every_query_names_search_attributes_types_and_steps_that_there_are() -> None:
    conditions = [pair for query in _QUERY.findall(TEXT) for pair in _CONDITION.findall(query)]

    assert {name for name, _ in conditions} <= _BUILT_IN | set(SEARCH_ATTRIBUTES)
    assert {value for name, value in conditions if name == "WorkflowType"} <= {*Journey, RECONCILE, HOUSEKEEPING}
    assert {value for name, value in conditions if name == "ApprovalStep"} <= {*Step}
    assert len(conditions) >= 8


def test_every_alert_finds_its_entry_and_every_entry_stands_in_the_index() -> None:
    index = TEXT[: TEXT.index("\n## ")]
    anchors = [entry.anchor for entry in ENTRIES]

    assert set(anchors) >= ALERTS
    assert sorted(re.findall(r"\]\(#([\w-]+)\)", index)) == sorted(anchors)
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= set(anchors)


@pytest.mark.parametrize("entry", PLAYED, ids=lambda entry: entry.anchor)
def test_every_entry_with_commands_is_played_and_shows_what_they_print(entry: Entry) -> None:
    assert callable(scene_of(entry))
    silent = [command for command, said in printed(entry) if not said]
    assert [command for command in silent if not command.startswith("temporal schedule toggle")] == []


def test_no_output_holds_a_number_an_address_a_code_or_a_secret() -> None:
    said = "\n".join(each for entry in PLAYED for _, each in printed(entry))

    assert _NEVER.findall(said) == []


def test_ids_keys_and_moments_are_hidden_alike_wherever_they_stand() -> None:
    mask, one = Mask("x", {"/srv/here": ".countersign"}), str(uuid4())

    hidden = mask.hide(f"{one} at 2026-01-02 03:04:05 UTC in /srv/here\n{one}   \nCS-T-AB12-CD34-EF56")

    first, second, third = hidden.splitlines()
    assert first == f"{second} at 2026-11-27 10:15:42 UTC in .countersign"
    assert (second != one, re.fullmatch(r"CS-T(-[0-9A-F]{4}){3}", third) is not None) == (True, True)


@pytest.mark.prove
def test_every_entry_carried_out_prints_what_stands_in_the_runbook(tmp_path: Path) -> None:
    assert differences(dict(carry_out(set(), tmp_path))) == []
