"""Requests, credentials, their workflows and their trail."""

from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.evidence import Evidence, Row, by, workflow_id

_CREATIONS = {"create-api-key", "create-fix-credentials"}
_COMMON = {"expired", "cancelled", "superseded"}
_OUTCOMES = {
    "create-api-key": {*_COMMON, "activated", "left_inactive", "refused", "abandoned"},
    "create-fix-credentials": {*_COMMON, "activated", "left_inactive", "refused", "abandoned", "rejected"},
    "edit-api-key": {*_COMMON, "activated", "left_inactive", "refused"},
    "activate-api-key": {*_COMMON, "activated", "refused"},
    "activate-fix-credentials": {"activated", "rejected", "cancelled", "superseded"},
}
_STEPS = {
    "create-api-key": ["two_factor_code", "secret_saved", "activation_choice", "activation_code"],
    "create-fix-credentials": ["two_factor_code", "secret_saved", "activation_choice", "account_manager"],
    "edit-api-key": ["two_factor_code", "activation_choice", "activation_code"],
    "activate-api-key": ["two_factor_code"],
    "activate-fix-credentials": ["account_manager"],
}
_CHANGES = {
    ("inactive", "awaiting_activation"),
    ("inactive", "active"),
    ("inactive", "discarded"),
    ("awaiting_activation", "active"),
    ("awaiting_activation", "inactive"),
    ("active", "inactive"),
    ("inactive", "inactive"),  # an edit of a key that is inactive
}
_GRANTED = ("permissions", "ip_whitelist", "trading_limits")
_DEMANDED = {
    "create-api-key": ["two-factor:passed", "credential:created", "secret:shown", "secret:saved", "activation:chosen"],
    "create-fix-credentials": [
        "two-factor:passed", "credential:created", "secret:shown", "secret:saved", "activation:chosen",
        "account-manager:asked", "account-manager:decided",
    ],
    "edit-api-key": ["two-factor:passed", "credential:edited", "activation:chosen"],
    "activate-api-key": ["two-factor:passed"],
    "activate-fix-credentials": ["account-manager:asked", "account-manager:decided"],
}  # fmt: skip
_ACCEPTED, _ANSWERED = "WORKFLOW_EXECUTION_UPDATE_ACCEPTED", "WORKFLOW_EXECUTION_UPDATE_COMPLETED"
_BY_MAIL = {"create-api-key", "edit-api-key"}
_BY_MANAGER = {"create-fix-credentials", "activate-fix-credentials"}


def legal_outcomes(evidence: Evidence) -> Iterator[str]:
    for request in evidence.requests:
        journey, told = request["journey"], _told(request)
        if request["outcome"] is None and request["step"] not in _STEPS[journey]:
            yield f"{told} waits at {request['step']}"
        if request["outcome"] is None and request["overdue"]:
            yield f"{told} is open past its deadline"
        if request["outcome"] is not None and request["outcome"] not in _OUTCOMES[journey]:
            yield f"{told} ended {request['outcome']}"
    for credential_id, requests in by(evidence.requests, "credential_id").items():
        if sum(each["outcome"] is None for each in requests) > 1:
            yield f"two requests are open about credential {credential_id}"


def workflows(evidence: Evidence) -> Iterator[str]:
    for request in evidence.requests:
        history = evidence.histories.get(workflow_id(request))
        wanted = "RUNNING" if request["outcome"] is None else "COMPLETED"
        if history is not None and history.acted_otherwise:
            yield f"{_told(request)} acted otherwise in a replay, {history.acted_otherwise} times"
        if history is None:
            yield f"{_told(request)} has no workflow"
        elif history.status != wanted:
            yield f"{_told(request)} ({request['outcome'] or 'open'}) has a workflow that is {history.status}"
        elif wanted == "COMPLETED" and history.events[_ACCEPTED] != history.events[_ANSWERED]:
            yield f"{_told(request)} accepted messages that its workflow never answered"
    unknown = evidence.histories.keys() - {workflow_id(each) for each in evidence.requests}
    yield from (f"{each} is a workflow without a request" for each in unknown)


def one_credential(evidence: Evidence) -> Iterator[str]:
    rows = by(evidence.credentials, "id")
    made_by: dict[str, str] = {}
    for request in evidence.requests:
        created = [each for each in evidence.events_of(request["id"]) if each["event"] == "credential:created"]
        if len(created) > (request["journey"] in _CREATIONS):
            yield f"{_told(request)} made {len(created)} credentials"
        if created and len(rows[request["credential_id"]]) != 1:
            yield f"{_told(request)} made a credential that is not there"
        if created:
            made_by[request["credential_id"]] = request["id"]
    yield from (f"credential {each} was made by no creation" for each in rows if rows[each] and each not in made_by)


def explained(evidence: Evidence) -> Iterator[str]:
    events = by(evidence.events, "credential_id")
    for credential in evidence.credentials:
        yield from _explained_credential(credential, events[credential["id"]])
    for request in evidence.requests:
        ends = [each for each in evidence.events_of(request["id"]) if each["event"] == "request:ended"]
        outcomes = [each["details"]["outcome"] for each in ends]
        if outcomes != ([request["outcome"]] if request["outcome"] else []):
            yield f"{_told(request)} is {request['outcome'] or 'open'}, and its trail says {outcomes}"
        opened = sum(each["event"] == "request:opened" for each in evidence.events_of(request["id"]))
        if opened != 1:
            yield f"{_told(request)} was opened {opened} times"


def _explained_credential(credential: Row, events: list[Row]) -> Iterator[str]:
    told = f"credential {credential['id']}"
    changes = [(each["details"]["before"], each["details"]["after"]) for each in events if _is_change(each)]
    statuses = ["inactive", *(after for _, after in changes)]
    if [before for before, _ in changes] != statuses[:-1]:
        yield f"{told}: a change of status begins where none ended"
    if statuses[-1] != credential["status"]:
        yield f"{told} is {credential['status']}, and its trail says {statuses[-1]}"
    yield from (f"{told} went from {before} to {after}" for before, after in changes if (before, after) not in _CHANGES)
    version = 1 + sum(after != "awaiting_activation" for _, after in changes)
    if credential["version"] != version:
        yield f"{told} has version {credential['version']}, and its trail explains {version}"
    edits = [each["details"] for each in events if each["event"] == "credential:edited"]
    for edit, after in pairwise([*edits, None]):
        wanted = (after["before"] if after else credential) if edit else credential
        if edit and any(edit["after"][name] != wanted[name] for name in _GRANTED):
            yield f"{told}: an edit was lost"


def _is_change(event: Row) -> bool:
    return bool(event["event"] == "credential:status")


def chained(evidence: Evidence) -> Iterator[str]:
    if evidence.audit:
        yield evidence.audit


def confirmed(evidence: Evidence) -> Iterator[str]:
    """Of every step that a journey demands before a credential is active, the trail and the people know."""
    requests = {each["id"]: each for each in evidence.requests}
    challenges = by(evidence.challenges, "request_id")
    for event in evidence.events:
        if not (_is_change(event) and event["details"]["after"] == "active"):
            continue
        request = requests.get(event["request_id"])
        if request is None:
            yield f"credential {event['credential_id']} became active outside of any request"
            continue
        before = [each["event"] for each in evidence.events_of(request["id"]) if each["number"] < event["number"]]
        if [each for each in before if each in _DEMANDED[request["journey"]]] != _DEMANDED[request["journey"]]:
            yield f"{_told(request)} activated after {before}"
        if request["journey"] in _BY_MAIL:
            yield from _confirmed_by_mail(evidence, request, challenges[request["id"]])
        if request["journey"] in _BY_MANAGER and not _said(evidence, request, "decision"):
            yield f"{_told(request)} activated, and no account manager decided so"
        if request["journey"] != "activate-fix-credentials" and not _said(evidence, request, "two-factor-code"):
            yield f"{_told(request)} activated, and nobody entered the right two-factor code"


def _confirmed_by_mail(evidence: Evidence, request: Row, challenges: list[Row]) -> Iterator[str]:
    if not any(each["step"] == "activation_code" and each["solved_at"] is not None for each in challenges):
        yield f"{_told(request)} activated, and the code from the mail was never entered"
    if not (_said(evidence, request, "activation-code") or _said(evidence, request, "activation-link")):
        yield f"{_told(request)} activated, and nobody entered the right code from the mail"


def _said(evidence: Evidence, request: Row, verb: str) -> bool:
    """Tell whether somebody meant it, whatever answer came."""
    if verb == "decision":
        return any(
            each.verb == verb and each.means == request["id"] and each.body["decision"] == "activate"
            for each in evidence.calls
        )
    return any(
        each.request_id == request["id"] and each.verb == verb and each.means == "right" for each in evidence.calls
    )


def _told(request: Row) -> str:
    return workflow_id(request)
