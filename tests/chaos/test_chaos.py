"""The harness at work: a small run that must be good, and a checker that notices whatever is not."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.checking import RULES, Finding, check
from tests.chaos.evidence import Evidence, Row
from tests.chaos.faults import Fault, Kind
from tests.chaos.lives import Plan
from tests.chaos.reporting import FIGURES, report
from tests.chaos.running import Options, Run, run
from tests.support.production import ROOT

_FAULTS = (
    Fault(Kind.DEAF, "twilio", seconds=1.0, pause=0.2),
    Fault(Kind.KILL, "postgres", seconds=0.2, pause=0.5),
    Fault(Kind.CUT, "worker-1", seconds=0.5, pause=0.2),
)
_SMALL = Options(journeys=5, faults=3, seed=5, apis=1, sms_only=True, chosen=_FAULTS)


@pytest.fixture(scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return await run(replace(_SMALL, keep=tmp_path_factory.mktemp("chaos")))


async def test_a_small_run_under_fire_loses_nothing_and_doubles_nothing(small: Run) -> None:
    assert [str(each) for each in small.findings] == []
    assert len(small.evidence.requests) >= 5
    assert {each["outcome"] for each in small.evidence.requests} >= {"activated"}
    assert len(small.evidence.happened) == 3
    assert sum(each.accepted and each.changes for each in small.evidence.calls) > 12


async def test_the_report_names_every_rule_fault_and_journey(small: Run, tmp_path: Path) -> None:
    document = tmp_path / "reliability.md"
    document.write_text((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"), encoding="utf-8")

    FIGURES.write(document, report(small, command="make chaos"))

    written = document.read_text(encoding="utf-8")
    assert "**0 findings.**" in written
    assert [name for name in RULES if f"| {name} | 0 |" not in written] == []
    assert "| PostgreSQL: kill -9 | 1 |" in written
    assert [each["journey"] for each in small.evidence.requests if f"| {each['journey']} |" not in written] == []


def _find(rows: Sequence[Row], **wanted: object) -> Row:
    return next(each for each in rows if all(each[name] == value for name, value in wanted.items()))


def _lose_the_status(evidence: Evidence) -> None:
    _find(evidence.credentials, status="active")["status"] = "inactive"


def _lose_a_credential(evidence: Evidence) -> None:
    evidence.credentials.remove(_find(evidence.credentials, status="active"))


def _double_a_credential(evidence: Evidence) -> None:
    evidence.credentials.append({**_find(evidence.credentials, status="active"), "id": "another"})


def _reopen(evidence: Evidence) -> None:
    _find(evidence.requests, outcome="activated").update(outcome=None, step="two_factor_code")


def _strand_past_its_deadline(evidence: Evidence) -> None:
    _find(evidence.requests, outcome="activated").update(outcome=None, step="two_factor_code", overdue=True)


def _reveal_twice(evidence: Evidence) -> None:
    evidence.events.append(dict(_find(evidence.events, event="secret:shown")))


def _forget_the_two_factor_code(evidence: Evidence) -> None:
    evidence.events[:] = [each for each in evidence.events if each["event"] != "two-factor:passed"]


def _forget_the_mailed_code(evidence: Evidence) -> None:
    for each in evidence.challenges:
        each["solved_at"] = None


def _lose_what_was_saved(evidence: Evidence) -> None:
    evidence.events[:] = [each for each in evidence.events if each["event"] != "secret:saved"]


def _begin_twice(evidence: Evidence) -> None:
    call = next(each for each in evidence.calls if each.verb == "api-keys" and each.accepted and each.changes)
    other = next(each for each in evidence.requests if each["id"] != call.request_id)
    evidence.calls.append(replace(call, answer={"id": other["id"]}))


def _tell_twice(evidence: Evidence) -> None:
    evidence.notices.append({**_find(evidence.notices, event="credential_created"), "id": "another"})


def _send_again(evidence: Evidence) -> None:
    first = evidence.confirmed_mails[-1]
    evidence.confirmed_mails.append(replace(first, at=first.at + 60))


def _send_another_code(evidence: Evidence) -> None:
    mail = next(each for each in evidence.mails if "/activate/" in str(each.body))
    other = copy.deepcopy(mail)
    other.body["content"][0]["value"] = "To activate, enter this code: 000000 /activate/"
    evidence.mails.append(other)


def _send_nothing(evidence: Evidence) -> None:
    evidence.confirmed_mails.clear()


def _terminate(evidence: Evidence) -> None:
    next(iter(evidence.histories.values())).status = "TERMINATED"


def _break_the_chain(evidence: Evidence) -> None:
    evidence.audit = "event 3 was changed"


def _keep_silent(evidence: Evidence) -> None:
    evidence.calls.append(replace(evidence.calls[0], status=0))


def _activate_after_deactivation(evidence: Evidence) -> None:
    event = next(each for each in evidence.events if each["details"].get("after") == "active")
    off = {**event, "request_id": None, "details": {"before": "active", "after": "inactive"}}
    evidence.events.insert(evidence.events.index(event), off)


_DOCTORED: dict[Callable[[Evidence], None], str] = {
    _lose_the_status: "the audit trail explains each status and outcome",
    _lose_a_credential: "exactly one credential for each creation",
    _double_a_credential: "exactly one credential for each creation",
    _reopen: "an open row has a running workflow, a closed one an ended workflow",
    _strand_past_its_deadline: "every request reaches a legal outcome, or waits where it was",
    _reveal_twice: "a secret is revealed once",
    _forget_the_two_factor_code: "no activation without its confirmation",
    _forget_the_mailed_code: "no activation without its confirmation",
    _lose_what_was_saved: "nothing acknowledged is lost",
    _begin_twice: "one key has one effect",
    _tell_twice: "one key has one effect",
    _send_again: "a send that the provider confirmed is not sent again",
    _send_another_code: "a repeated delivery repeats the code",
    _send_nothing: "what is said to be sent was sent, and nothing else",
    _terminate: "an open row has a running workflow, a closed one an ended workflow",
    _break_the_chain: "the audit chain verifies",
    _keep_silent: "everybody gets an answer, and a right one",
    _activate_after_deactivation: "a deactivation wins over what began before it",
}


@pytest.mark.parametrize(("doctor", "rule"), _DOCTORED.items(), ids=lambda value: getattr(value, "__name__", ""))
async def test_the_checker_notices_what_is_wrong_with_the_evidence(
    small: Run, doctor: Callable[[Evidence], None], rule: str
) -> None:
    evidence = copy.deepcopy(small.evidence)

    doctor(evidence)

    assert rule in _rules(check(evidence))


def test_every_rule_is_tried() -> None:
    assert set(_DOCTORED.values()) == set(RULES)


_BROKEN: list[tuple[str, Plan, Sequence[Fault], str]] = [
    ("lost-update", Plan(), (), "the audit trail explains each status and outcome"),
    ("double-send", Plan(), (), "a send that the provider confirmed is not sent again"),
    ("any-code", Plan(wrong_codes=1, wrong_at="activation-code"), (), "no activation without its confirmation"),
    ("lost-acknowledgement", Plan(later=True), (), "nothing acknowledged is lost"),
    ("second-reveal", Plan(reveals=3), (), "a secret is revealed once"),
    ("forgotten-keys", Plan(clicks_twice=True), (), "one key has one effect"),
    ("never-closed", Plan(cancels_at="two_factor_code"), (), "the audit trail explains each status and outcome"),
    (
        "fresh-codes",
        Plan(),
        [Fault(Kind.BROKEN, "twilio", seconds=6), Fault(Kind.BROKEN, "sendgrid", seconds=6)],
        "a repeated delivery repeats the code",
    ),
]


@pytest.mark.prove
@pytest.mark.parametrize(("broken", "plan", "faults", "rule"), _BROKEN, ids=[each[0] for each in _BROKEN])
async def test_the_checker_notices_a_product_that_is_broken(
    broken: str, plan: Plan, faults: Sequence[Fault], rule: str
) -> None:
    options = Options(
        journeys=12, faults=0, seed=7, apis=1, workers=1, sms_only=True, broken=broken, plan=plan, chosen=faults,
        settle_seconds=10,
    )  # fmt: skip

    done = await run(options)

    assert rule in _rules(done.findings)


def _rules(findings: Sequence[Finding]) -> set[str]:
    return {each.rule for each in findings}
