"""The figures of a run, in Markdown."""

import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median, quantiles

from tests.chaos.calling import Call
from tests.chaos.checking import RULES
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Happened, Kind
from tests.chaos.running import Run
from tests.support.documents import Marks
from tests.support.production import ROOT

FIGURES = Marks("<!-- what `make chaos` wrote: begins -->", "<!-- ends -->")
_MESSAGES = {
    "two-factor-code", "two-factor-code/resend", "secret-saved", "activation", "activation-code",
    "activation-code/resend", "activation-link", "decision", "cancel",
}  # fmt: skip


def report(run: Run, *, command: str) -> str:
    """Return the whole report."""
    evidence, options = run.evidence, run.options
    calls = [each for each in evidence.calls if each.changes]
    again = sum(each.tries > 1 for each in calls)
    head = (
        f"`{command}` at commit {_commit()}: {len(evidence.requests)} journeys, {len(evidence.happened)} faults, "
        f"seed {options.seed}, {run.seconds / 60:.1f} minutes, {options.workers} workers, {options.apis} APIs. "
        f"**{len(run.findings)} findings.**"
    )
    figures = (
        f"{len(calls)} calls that change something, {sum(each.accepted for each in calls)} accepted, {again} sent more "
        f"than once until they were answered; {len(evidence.calls) - len(calls)} looks. The providers took "
        f"{len(evidence.confirmed_mails)} mails and {len(evidence.confirmed_texts)} texts, and refused or left "
        f"unanswered {_unconfirmed(evidence)}. {_waits(calls)}"
    )
    parts = [[head], [figures], _journeys(evidence), _findings(run), _faults(evidence)]
    return "\n\n".join("\n".join(lines) for lines in parts)


def recovery_seconds(happened: Happened, calls: Iterable[Call], evidence: Evidence) -> float | None:
    """Return how long after the fault the next step was accepted that needs what was hit, and was sent after it."""
    target, after = happened.fault.target, happened.at
    if target in {"twilio", "sendgrid"}:
        taken = evidence.confirmed_texts if target == "twilio" else evidence.confirmed_mails
        moments = [each.at for each in taken if each.at > after]
    else:
        moments = [each.done_at for each in calls if each.accepted and each.sent_at > after and _needs(target)(each)]
    return min(moments) - after if moments else None


def _needs(target: str) -> Callable[[Call], bool]:
    if target.startswith("api"):
        return lambda call: call.changes and call.api == target
    if target == "postgres":
        return lambda call: call.changes
    return lambda call: call.verb in _MESSAGES


def _waits(calls: Iterable[Call]) -> str:
    seconds = [each.done_at - each.began_at for each in calls if each.accepted]
    p99 = quantiles(seconds, n=100, method="inclusive")[98]
    return (
        "From the first try to the answer, all repetitions included, an accepted call took "
        f"{median(seconds):.2f} s (median), {p99:.1f} s (p99), {max(seconds):.1f} s (longest)."
    )


def _unconfirmed(evidence: Evidence) -> int:
    taken = len(evidence.confirmed_mails) + len(evidence.confirmed_texts)
    return len(evidence.mails) + len(evidence.texts) - taken


def _journeys(evidence: Evidence) -> list[str]:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for each in evidence.requests:
        counted[each["journey"]][each["outcome"] or "waits"] += 1
    outcomes = sorted({outcome for each in counted.values() for outcome in each})
    head = ["| journey | all |" + "".join(f" {each.replace('_', ' ')} |" for each in outcomes)]
    rule = ["|---|--:|" + "--:|" * len(outcomes)]
    return [*head, *rule, *(_line(name, each, outcomes) for name, each in sorted(counted.items()))]


def _line(journey: str, counted: Counter[str], outcomes: Sequence[str]) -> str:
    cells = "".join(f" {counted[each]} |" for each in outcomes)
    return f"| {journey} | {counted.total()} |{cells}"


def _findings(run: Run) -> list[str]:
    counted = Counter(each.rule for each in run.findings)
    return ["| what must hold | findings |", "|---|--:|", *(f"| {name} | {counted[name]} |" for name in RULES)]


def _faults(evidence: Evidence) -> list[str]:
    times: dict[str, list[float]] = defaultdict(list)
    counted: Counter[str] = Counter()
    lasted: dict[str, list[float]] = defaultdict(list)
    for each in evidence.happened:
        name = _called(each)
        counted[name] += 1
        lasted[name].append(each.until - each.at)
        if (seconds := recovery_seconds(each, evidence.calls, evidence)) is not None:
            times[name].append(seconds)
    head = "| fault | times | lasted (median) | next accepted step: median | p99 |"
    lines = [
        f"| {name} | {counted[name]} | {median(lasted[name]):.1f} s | {_pair(times[name])} |"
        for name in sorted(counted)
    ]
    every = [seconds for each in times.values() for seconds in each]
    return [head, "|---|--:|--:|--:|--:|", *lines, f"| **all** | {counted.total()} | | {_pair(every)} |"]


_NAMES = {
    "worker": "a worker", "api": "an API process", "postgres": "PostgreSQL", "temporal": "Temporal", "twilio": "Twilio",
    "sendgrid": "SendGrid",
}  # fmt: skip


def _called(happened: Happened) -> str:
    fault = happened.fault
    if fault.kind is Kind.END_CONNECTIONS:
        return str(fault.kind)
    return f"{_NAMES[fault.target.partition('-')[0]]}: {fault.kind}"


def _pair(seconds: list[float]) -> str:
    if not seconds:
        return "- | -"
    p99 = quantiles(seconds, n=100, method="inclusive")[98] if len(seconds) > 1 else seconds[0]
    return f"{median(seconds):.1f} s | {p99:.1f} s"


def _commit() -> str:
    command = ("git", "rev-parse", "--short", "HEAD")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
