"""Secrets: one for each creation, shown to one person, once."""

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.calling import Call
from tests.chaos.evidence import Evidence
from tests.chaos.faults import Kind

# For how long the same answer can be had again in these runs, and what may pass before it is noted as given.
_REPEATABLE_SECONDS = 20
_BLUR_SECONDS = 2


def revealed_once(evidence: Evidence) -> Iterator[str]:
    shown_of: dict[str, list[Call]] = defaultdict(list)
    for call in evidence.calls:
        if call.verb == "secret" and call.accepted:
            shown_of[call.request_id].append(call)
    for request in evidence.requests:
        told = f"{request['journey']}/{request['id']}"
        events = [each["event"] for each in evidence.events_of(request["id"])]
        if events.count("secret:shown") > 1:
            yield f"{told} showed its secret {events.count('secret:shown')} times"
        if request["reveal_sealed"] is not None and request["outcome"] is not None:
            yield f"{told} has ended, and keeps a copy of its secret"
        yield from _shown_well(told, shown_of[request["id"]], events)
        if not any(each.fault.kind is Kind.CLOCK for each in evidence.happened):
            yield from _shown_in_time(told, shown_of[request["id"]])
    secrets = [_secret(calls[0]) for calls in shown_of.values() if calls]
    if len(set(secrets)) != len(secrets):
        yield "two creations have the same secret"


def _shown_well(told: str, shown: list[Call], events: list[str]) -> Iterator[str]:
    if not shown:
        return
    if "secret:shown" not in events:
        yield f"{told} showed its secret, and its trail does not say so"
    if len({_secret(each) for each in shown}) > 1:
        yield f"{told} showed two secrets"
    if any(each.means == "too late" for each in shown):
        yield f"{told} showed its secret again after it was saved"


def _shown_in_time(told: str, shown: list[Call]) -> Iterator[str]:
    first = min((each.done_at for each in shown), default=0.0)
    if any(each.sent_at > first + _REPEATABLE_SECONDS + _BLUR_SECONDS for each in shown):
        yield f"{told} showed its secret again after {_REPEATABLE_SECONDS} s"


def _secret(call: Call) -> str:
    return str(call.answer.get("api_secret") or call.answer.get("password"))
