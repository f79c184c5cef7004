"""What people were told: nothing acknowledged is lost, nothing counts twice, and everybody is answered."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.calling import Call
from tests.chaos.evidence import Evidence, Row, by

_STARTS = {"api-keys", "fix-credentials", "edits", "activations"}
_STARTED_BY = {
    "api-keys": "create-api-key",
    "fix-credentials": "create-fix-credentials",
    "edits": "edit-api-key",
}
# What an acknowledged message leaves in the trail of its request.
_LEAVES = {
    "two-factor-code": "two-factor:passed",
    "secret": "secret:shown",
    "secret-saved": "secret:saved",
    "activation": "activation:chosen",
    "two-factor-code/resend": "code:requested",
    "activation-code/resend": "code:requested",
    "cancel": "request:ended",
}
_ONCE = ("two-factor:passed", "secret:shown", "secret:saved", "request:ended", "account-manager:decided")
_NOTICES = {"activation_reminder": 2}
_FRESH_SECONDS = 50


def nothing_lost(evidence: Evidence) -> Iterator[str]:
    requests = {each["id"]: each for each in evidence.requests}
    for call in evidence.calls:
        if not call.accepted:
            continue
        if call.verb == "deactivations":
            yield from _deactivated(evidence, call)
            continue
        request = requests.get(call.means if call.verb == "decision" else call.request_id)
        if call.changes and request is None:
            yield f"{call.verb} was accepted, and there is no such request"
        elif request is not None:
            yield from _kept(evidence, call, request)


def _kept(evidence: Evidence, call: Call, request: Row) -> Iterator[str]:
    told = f"{request['journey']}/{request['id']}"
    events = evidence.events_of(request["id"])
    names = [each["event"] for each in events]
    if call.verb in _LEAVES and _LEAVES[call.verb] not in names:
        yield f"{call.verb} of {told} was acknowledged and has no effect"
    if call.verb in _STARTED_BY and request["journey"] != _STARTED_BY[call.verb]:
        yield f"{call.verb} began {told}"
    if call.verb == "cancel" and request["outcome"] != "cancelled":
        yield f"{told} was cancelled, and is {request['outcome'] or 'open'}"
    if call.verb in {"activation-code", "activation-link"} and request["outcome"] != "activated":
        yield f"{told} was activated, and is {request['outcome'] or 'open'}"
    if call.verb == "activation":
        chosen = [each["details"]["when"] for each in events if each["event"] == "activation:chosen"]
        if call.body["when"] not in chosen:
            yield f"{told}: {call.body['when']} was acknowledged, and the trail says {chosen}"
    if call.verb == "decision":
        decided = [each["details"]["decision"] for each in events if each["event"] == "account-manager:decided"]
        if decided != [call.body["decision"]]:
            yield f"{told}: {call.body['decision']} was acknowledged, and the trail says {decided}"
    # Until it is closed in the database, that a request has ended is reckoned from its deadline and a clock.
    if call.answer.get("closed_at") and call.answer["outcome"] != request["outcome"]:
        yield f"{told} was told to have ended {call.answer['outcome']}, and is {request['outcome'] or 'open'}"


def _deactivated(evidence: Evidence, call: Call) -> Iterator[str]:
    events = by(evidence.events, "credential_id")[call.answer["id"]]
    if not any(_switches_off(each) or each["details"].get("outcome") == "superseded" for each in events):
        yield f"credential {call.answer['id']} was said to be deactivated, and its trail does not say so"


def deactivation_wins(evidence: Evidence) -> Iterator[str]:
    """No request that began before a deactivation makes the credential active after it."""
    opened = {each["request_id"]: each["number"] for each in evidence.events if each["event"] == "request:opened"}
    for credential_id, events in by(evidence.events, "credential_id").items():
        off = 0
        for event in events:
            off = event["number"] if _switches_off(event) else off
            makes_active = event["event"] == "credential:status" and event["details"]["after"] == "active"
            if makes_active and opened.get(event["request_id"], 0) < off:
                yield f"credential {credential_id} was deactivated, and an older request made it active"


def _switches_off(event: Row) -> bool:
    return bool(
        event["event"] == "credential:status" and event["details"]["after"] == "inactive" and not event["request_id"]
    )


def one_effect(evidence: Evidence) -> Iterator[str]:
    """However often something is sent under one key, it is there once; without a key there is nothing."""
    starts: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    tried: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for call in evidence.calls:
        if call.verb in _STARTS and call.method == "POST":
            starts[str(call.person.id), call.path, call.key].update([call.request_id] if call.accepted else [])
        tried[call.request_id].add((call.verb, call.key))
    yield from (f"one key of {path} began {len(ids)} requests" for (_, path, _), ids in starts.items() if len(ids) > 1)
    begun, keys = Counter(each["user_id"] for each in evidence.requests), Counter(user for user, _, _ in starts)
    yield from (f"{keys[user]} keys began {count} requests" for user, count in begun.items() if count > keys[user])
    told_of = Counter((each["request_id"], each["user_id"], each["event"]) for each in evidence.notices)
    for (request_id, _, event), count in told_of.items():
        if request_id is not None and count > _NOTICES.get(event, 1):
            yield f"request {request_id}: one person is told {count} times of {event}"
    for request in evidence.requests:
        counted = Counter(each["event"] for each in evidence.events_of(request["id"]))
        told = f"{request['journey']}/{request['id']}"
        yield from (f"{told}: {counted[event]} times {event}" for event in _ONCE if counted[event] > 1)
        verbs = Counter(verb for verb, _ in tried[request["id"]])
        for event, some in _COUNTED.items():
            if counted[event] > sum(verbs[verb] for verb in some):
                yield f"{told}: {counted[event]} times {event}, and less was asked for"


_COUNTED = {
    "code:requested": ("two-factor-code/resend", "activation-code/resend"),
    "code:wrong": ("two-factor-code", "activation-code"),
    "activation:chosen": ("activation",),
}


def answered(evidence: Evidence) -> Iterator[str]:
    for call in evidence.calls:
        if call.status == 0:
            waited = call.done_at - call.began_at
            yield f"{call.method} {call.verb} of {call.request_id} got no answer in {waited:.0f} s ({call.tries} tries)"
        if call.status >= 500:
            yield f"{call.method} {call.verb} was answered {call.status}"
        problem = str(call.answer.get("type", "")).rpartition("/")[2]
        is_fresh = call.done_at - call.began_at < _FRESH_SECONDS - 10
        if problem == "wrong-code" and call.means == "right" and is_fresh and not _is_of_an_authenticator(call):
            yield f"{call.verb}: the code that was sent is said to be wrong"
        if call.accepted and call.means == "wrong":
            yield f"{call.verb}: a wrong code was accepted"


def _is_of_an_authenticator(call: Call) -> bool:
    return call.verb == "two-factor-code" and not call.person.sms
