"""The figures of a run, held against the survivors that were looked at."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.mutation.judging import Verdict

ACCEPTED = Path(__file__).with_name("survivors.txt")
ENOUGH = 0.9


def accepted_survivors() -> dict[str, str]:
    """Return the names of the survivors that were looked at, with the reason why each may live."""
    reasons, reason = {}, ""
    for line in ACCEPTED.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            reason = line.removeprefix("# ")
        elif line:
            reasons[line] = reason
    return reasons


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the figures by module, by group and in all, in Markdown."""
    head = ["| group | module | mutants | killed | survived | timed out | noticed |", "|---|---|--:|--:|--:|--:|--:|"]
    modules = dict.fromkeys((each.mutant.subject.group, each.mutant.subject.module) for each in verdicts)
    lines = [_line(f"{group} | {module}", _of(verdicts, group, module)) for group, module in modules]
    groups = dict.fromkeys(group for group, _ in modules)
    sums = [_line(f"**{group}** | all", _of(verdicts, group)) for group in groups]
    return "\n".join([*head, *lines, *sums, _line("**all** | all", verdicts)])


def complaints(verdicts: Sequence[Verdict]) -> list[str]:
    """Return what is wrong with the figures: too few noticed, or survivors that nobody has looked at."""
    groups = dict.fromkeys(each.mutant.subject.group for each in verdicts)
    too_few = [
        f"{name}: {share:.1%} noticed, and at least {ENOUGH:.0%} must be."
        for name, share in {group: _share(_of(verdicts, group)) for group in groups}.items()
        | {("all", _share(verdicts))}
        if share < ENOUGH
    ]
    return too_few + [f"Nobody has looked at this survivor: {name}" for name in unknown_survivors(verdicts)]


def unknown_survivors(verdicts: Iterable[Verdict]) -> list[str]:
    """Return the survivors that the list does not name."""
    accepted = accepted_survivors()
    return [each.mutant.name for each in verdicts if each.fate == "survived" and each.mutant.name not in accepted]


def _of(verdicts: Sequence[Verdict], group: str, module: str | None = None) -> list[Verdict]:
    subjects = ((each, each.mutant.subject) for each in verdicts)
    return [each for each, subject in subjects if subject.group == group and module in {None, subject.module}]


def _share(verdicts: Sequence[Verdict]) -> float:
    return sum(each.fate != "survived" for each in verdicts) / len(verdicts)


def _line(name: str, verdicts: Sequence[Verdict]) -> str:
    fates = Counter(each.fate for each in verdicts)
    numbers = " | ".join(str(fates[fate]) for fate in ("killed", "survived", "timed out"))
    return f"| {name} | {len(verdicts)} | {numbers} | {_share(verdicts):.1%} |"
