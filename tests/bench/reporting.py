"""The figures in Markdown."""

from collections.abc import Iterable
from pathlib import Path

from tests.bench.journeys import KINDS, Results
from tests.bench.plot import bars
from tests.support.documents import Marks

JOURNEYS = Marks("<!-- what `make bench` wrote: begins -->", "<!-- journeys end -->")
WAITING = Marks("<!-- what `make bench ARGS=waiting` wrote: begins -->", "<!-- waiting ends -->")
VERIFICATION = Marks("<!-- what `make bench ARGS=verification` wrote: begins -->", "<!-- verification ends -->")
_STEPS = ("start", "two_factor_code", "secret_saved", "activate", "activation_code")
_NAMES = ("(a) messages alone", "(b) the same commands", "(c) the real creation")


def journeys_report(results: Results) -> str:
    """Return the tables of the measurement side by side."""
    at_once = _concurrencies(results)
    parts = [
        _rates(results, at_once),
        *(_steps(results, each) for each in at_once),
        _cpu(results, at_once),
        _per_flow(results),
        _workers(results),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def plot(results: Results) -> str:
    """Return flows per second as SVG."""
    groups = [
        (f"{each} at once", [results.measured[each, kind].rate for kind in KINDS]) for each in _concurrencies(results)
    ]
    return bars(groups, names=_NAMES, title="Flows per second on one machine with 2 cores")


def write(document: Path, results: Results) -> None:
    """Put tables and plot where the document shows them."""
    JOURNEYS.write(document, journeys_report(results))
    (document.parent / "images" / "performance.svg").write_text(plot(results), encoding="utf-8")


def _concurrencies(results: Results) -> list[int]:
    return sorted({each for each, _ in results.measured})


def _rates(results: Results, at_once: Iterable[int]) -> list[str]:
    lines = [
        "| flows per second | (a) | (b) | (c) | (c) / (a) | (c) / (b) |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for each in at_once:
        a, b, c = (results.measured[each, kind].rate for kind in KINDS)
        lines.append(f"| {each} at once | {a:.1f} | {b:.1f} | {c:.1f} | {c / a:.2f} | {c / b:.2f} |")
    return lines


def _steps(results: Results, at_once: int) -> list[str]:
    lines = [
        f"| {at_once} at once: p50 / p99 in ms | (a) | (b) | (c) | (c) - (b), p50 |",
        "|---|--:|--:|--:|--:|",
    ]
    of = {kind: results.measured[at_once, kind] for kind in KINDS}
    for step in (*_STEPS, *(each for each in of["c"].steps if each not in _STEPS)):
        pairs = {kind: of[kind].milliseconds(step) for kind in KINDS if step in of[kind].steps}
        cells = [f"{pairs[kind][0]:.1f} / {pairs[kind][1]:.1f}" if kind in pairs else "" for kind in KINDS]
        more = f"{pairs['c'][0] - pairs['b'][0]:.1f}" if {"b", "c"} <= pairs.keys() else ""
        lines.append(f"| {step} | {' | '.join(cells)} | {more} |")
    return lines


def _cpu(results: Results, at_once: Iterable[int]) -> list[str]:
    lines = [
        "| CPU seconds per 1,000 flows | Temporal | PostgreSQL | worker | API | driver | all |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for each in at_once:
        for kind in KINDS:
            used = results.measured[each, kind].cpu_per_thousand
            worker = used["worker-1"] if kind == "c" else used["floor"]
            cells = [used["temporal"], used["postgres"], worker, used["api-1"], used["driver"]]
            told = " | ".join(f"{seconds:.0f}" for seconds in (*cells, sum(cells)))
            lines.append(f"| ({kind}), {each} at once | {told} |")
    return lines


def _per_flow(results: Results) -> list[str]:
    if not results.actions:
        return []
    actions = "; ".join(f"({kind}) {sum(counts.values()):.1f}" for kind, counts in results.actions.items())
    events = "; ".join(f"({kind}) {counted.total()}" for kind, counted in results.events.items())
    rows, ours, temporals = (results.sizes[name] for name in ("rows", "bytes", "temporal bytes"))
    told = (
        f"Per flow: billable actions {actions}; history events {events}. A creation adds {rows:.0f} rows and "
        f"{ours / 1000:.1f} kB to PostgreSQL, and {temporals / 1000:.1f} kB to the file of Temporal. In all of the run "
        f"{results.sent_again} messages were answered 503 and sent again with their key."
    )
    return [told]


def _workers(results: Results) -> list[str]:
    if not results.workers:
        return []
    lines = [
        "| workers, each a process: (c), 20 at once | flows/s | CPU seconds of each per 1,000 flows |",
        "|--:|--:|---|",
    ]
    for count, measured in results.workers.items():
        cpu = measured.cpu_per_thousand
        shares = ", ".join(f"{cpu[f'worker-{number + 1}']:.0f}" for number in range(count))
        lines.append(f"| {count} | {measured.rate:.1f} | {shares} |")
    return lines
