"""Calls of every function of the storage that asks the database something, found by looking, not from a list.

Their values go by the names of their parameters: whoever writes a function with a new one is asked for a value here.
"""

import hashlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from ipaddress import ip_address
from pkgutil import iter_modules
from typing import Any

from countersign import storage
from countersign.domain.audit import Place, Recorded
from countersign.domain.checkpoints import Head, Signed
from countersign.domain.codes import Window
from countersign.domain.credentials import CredentialKind, CredentialStatus, SessionType
from countersign.domain.freezing import HouseFreeze
from countersign.domain.people import Role, TwoFactorMethod
from countersign.domain.requests import Channel, Delivery, Journey, Outcome, Step
from countersign.domain.stops import StopEffect, StopKind
from countersign.domain.verification import Outcome as Came
from countersign.storage import (
    accounts,
    challenges,
    credentials,
    house_freezes,
    key_checks,
    ledger,
    managing,
    oversight,
    requests,
    retention,
    stops,
    users,
    verdicts,
)
from countersign.storage.activity import Counted
from countersign.storage.challenges import NewChallenge, Settled
from countersign.storage.credentials import NewCredential
from countersign.storage.house_freezes import NewFreeze
from countersign.storage.ledger import IdempotencyRecord
from countersign.storage.oversight import Narrowing
from countersign.storage.recovery_codes import RecoveryCodeMac
from countersign.storage.requests import NewRequest
from countersign.storage.sealed_values import SealedReveal, SealedSecret, SealedSeed
from countersign.storage.sessions import Session
from countersign.storage.stops import NewStop
from countersign.storage.verdicts import StoredVerdict
from tests.support.crowd import Crowd, identity, session_name

Function = Callable[..., Awaitable[object]]
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=400)
ACCOUNT, USER, NOBODY = identity("account", 1), identity("user", 1), identity("nobody", 1)
CREDENTIAL, REQUEST, NOTICE = identity("credential", 200), identity("request", 200), identity("notice", 1)
TOKEN = b"t" * 32

_NAMED: dict[str, Any] = {
    "account_id": ACCOUNT, "user_id": USER, "manager": identity("manager", 1), "request_id": REQUEST,
    "credential_id": CREDENTIAL, "challenge_id": identity("challenge", 200), "notice_id": NOTICE, "process_id": NOBODY,
    "stop_id": identity("stop", 1), "ids": [REQUEST], "after": NOBODY, "account_ids": [ACCOUNT],
    "at": NOW, "since": NOW, "before": NOW, "older_than": NOW, "until": NOW, "seen_since": NOW, "day": NOW.date(),
    "deadline": NOW, "codes_per_hour": 10, "sms_per_day": 40, "told": {USER: None}, "actor_id": USER,
    "limit": 50, "n": 10, "number": 1, "count": 1, "wrong": 1, "in_a_row": 1, "seconds": 1, "version": 1,
    "ages": [timedelta(0), timedelta(hours=4)], "only_open": False,
    "name": "x", "name_key": "key 1", "session_name": session_name(1), "part": "CST0000", "text": "x", "email": "x@y",
    "phone": "+447700900124", "key": "key 1", "route": "/v1/api-keys", "event": "x", "context": {}, "failure": None,
    "reason": None, "key_id": "k", "current_key": "k", "key_ids": ["k"], "check_mac": TOKEN, "task_queue": "x",
    "statement_id": "x", "token_hash": TOKEN, "kept": TOKEN, "code_mac": TOKEN, "sealed": TOKEN, "totp_seed": TOKEN,
    "changed": ["x"], "macs": [RecoveryCodeMac(code_mac=TOKEN, key_id="k")], "prime_liquidity": True,
    "status": CredentialStatus.ACTIVE, "role": Role.MEMBER, "step": Step.TWO_FACTOR_CODE, "channel": Channel.SMS,
    "settled": Settled(Delivery.SENT), "provider_id": "x", "outcome": Outcome.CANCELLED, "kind": CredentialKind.API_KEY,
    "method": TwoFactorMethod.AUTHENTICATOR, "effect": StopEffect.CANCELLED,
    "window": Window(number=2, opened_at=NOW, expires_at=NOW),
    "verdict": StoredVerdict(kind="x", problem=None, detail=None, extra={}), "narrowing": Narrowing(),
    "record": IdempotencyRecord(body_hash=TOKEN, request_id=REQUEST), "signed": Signed("{}", TOKEN),
    "heads": [Head(str(ACCOUNT), 1, TOKEN)],
    "since_day": NOW.date(), "public_ids": ["key20200"], "names": [session_name(1)], "minutes": [1], "digests": [TOKEN],
    "before_minute": 1, "credential_ids": [CREDENTIAL],
    "counted": [
        Counted(
            credential_id=CREDENTIAL,
            outcome=Came.ALLOWED,
            day=NOW.date(),
            count=1,
            last_at=NOW,
            last_ip=ip_address("::1"),
        )
    ],
    "session": Session(
        token_hash=TOKEN, user_id=USER, account_id=ACCOUNT, created_at=NOW, seen_at=NOW, expires_at=NOW
    ),
}  # fmt: skip
_NEW_REQUEST = NewRequest(
    id=NOBODY,
    account_id=ACCOUNT,
    user_id=USER,
    credential_id=NOBODY,
    credential_version=1,
    journey=Journey.CREATE_API_KEY,
    name="new",
    name_key="new",
    two_factor_method=TwoFactorMethod.SMS,
)
_NEW_CREDENTIAL = NewCredential(
    id=NOBODY,
    account_id=ACCOUNT,
    kind=CredentialKind.FIX,
    name="new",
    name_key="new",
    public_id="new",
    session_type=SessionType.TRADE,
    permissions=[],
    ip_whitelist=[],
    password_mac=TOKEN,
    created_by=USER,
)
_NEW_STOP = NewStop(
    id=NOBODY, account_id=ACCOUNT, user_id=USER, kind=StopKind.SECURITY_CHANGE, key_id="k", expires_at=NOW
)
_NEW_CHALLENGE = NewChallenge(
    id=NOBODY, request_id=REQUEST, account_id=ACCOUNT, step=Step.ACTIVATION_CODE, channel=Channel.SMS, key_id="k"
)
_EVENT = Recorded(str(ACCOUNT), 1 << 40, "x", NOW, "system", None, None, None, None, {}, "k", TOKEN)

# Where a name means another thing than elsewhere, or one call does not show all statements.
_SPECIAL: dict[Function, list[dict[str, Any]]] = {
    accounts.add_member: [{"user_id": identity("user", 2)}],
    accounts.audit_position: [{}, {"account_id": None}],
    challenges.begin: [{"new": _NEW_CHALLENGE}],
    credentials.get: [{}, {"kind": None}],
    credentials.insert: [{"new": _NEW_CREDENTIAL}],
    credentials.by_session_name: [{"name": session_name(1)}],
    house_freezes.insert: [{"new": NewFreeze(frozen=HouseFreeze.ALL, done_by="x", user_id=USER, reason="x")}],
    key_checks.hold: [{"kind": "api"}],
    ledger.append: [{"events": [_EVENT], "after": Place(2 * Crowd().requests + 1, hashlib.sha256(b"x").digest())}],
    ledger.events: [{"before": None}, {"before": 1000}],
    managing.waiting: [{}, {"manager": identity("manager", 5)}, {"manager": NOBODY}],
    managing.queue: [{}, {"manager": identity("manager", 5)}, {"manager": NOBODY}],
    oversight.search: [
        {"narrowing": narrowing}
        for narrowing in (
            Narrowing(),
            Narrowing(before=(NOW, REQUEST)),
            Narrowing(id=CREDENTIAL),
            Narrowing(text=session_name(1)),
            Narrowing(is_open=True),
            Narrowing(is_open=False),
            Narrowing(step=Step.STARTING),
            Narrowing(step=Step.CLOSED),
            Narrowing(journey=Journey.CREATE_API_KEY),
        )
    ],
    requests.insert: [{"new": _NEW_REQUEST}],
    retention.count_old: [{"table": table} for table in retention._OLD],
    retention.remove_notices: [{"before": LONG_AGO}],
    retention.remove_requests: [{"before": LONG_AGO}],
    retention.remove_sms_days: [{"before": LONG_AGO}],
    retention.remove_stops: [{"before": LONG_AGO}],
    requests.of_account: [{"only_open": True}, {"only_open": False}],
    requests.every: [{"only_open": True}, {"only_open": False}],
    requests.update: [{"columns": {"reminders": 1}}],
    stops.insert: [{"new": _NEW_STOP}],
    users.begin_totp_steps: [{"step": 1}],
    users.use_totp_step: [{"step": 1}],
    verdicts.asked: [{"key": "key200"}],
    verdicts.find: [{"key": "key200"}],
}
_OLD = {
    "replace_secret": SealedSecret(id=CREDENTIAL, account_id=ACCOUNT, sealed=TOKEN),
    "replace_seed": SealedSeed(id=USER, sealed=TOKEN),
    "replace_reveal": SealedReveal(id=REQUEST, account_id=ACCOUNT, is_enrolment=False, sealed=TOKEN),
}


def functions() -> Iterator[Function]:
    """Yield every public function of the storage that takes a connection and waits for its answer."""
    for module in iter_modules(storage.__path__, f"{storage.__name__}."):
        if module.name.rpartition(".")[2] in {"database", "migrate", "migrations"}:
            continue
        for name, function in inspect.getmembers(import_module(module.name), inspect.iscoroutinefunction):
            if function.__module__ == module.name and not name.startswith("_"):
                yield function


def calls_of(function: Function) -> list[dict[str, Any]]:
    """Return the values of every call of the function; raises ``KeyError`` for a parameter that has none."""
    return [_values(function, special) for special in _SPECIAL.get(function, [{}])]


def _values(function: Function, special: dict[str, Any]) -> dict[str, Any]:
    values = {"old": _OLD.get(function.__name__), "request": _StoredRequest, **_NAMED, **special}
    wanted = [each for each in inspect.signature(function).parameters.values() if each.name != "connection"]
    given: dict[str, Any] = {}
    for each in wanted:
        if each.kind is each.VAR_KEYWORD:
            given |= values[each.name]
        elif each.name in special or each.default is each.empty or each.name == "kind":
            given[each.name] = values[each.name]
    return given


class _StoredRequest:
    """What is asked of a request that was read before."""

    id = REQUEST
    account_id = ACCOUNT
