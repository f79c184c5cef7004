"""Holding a call against its credential. Known or not, right or wrong, the same work is done."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from countersign.domain.verification import Call, FixCall, Outcome, RestCall, SessionCall, WebSocketCall
from countersign.verification.known import NOBODY, Known
from countersign.verification.schemes import is_in_time, is_same, rest_mac, rest_signature, websocket_signature

PasswordMac = Callable[[Known, str], bytes]


@dataclass(frozen=True)
class Judgement:
    """What came of the call so far; ``mac`` is that of a REST call that may not come a second time."""

    outcome: Outcome
    mac: bytes | None = None


def judge(call: Call, known: Known | None, *, at: float, password_mac: PasswordMac) -> Judgement:
    """Return what comes of a call at the Unix time ``at``; whether it came before is for others to find out.

    ``password_mac`` returns the MAC of a password as it is stored for a FIX credential.
    """
    credential = known or NOBODY
    if isinstance(call, FixCall):
        outcome = _judge_fix(call, credential, password_mac)
        return Judgement(_unless_unknown(known, outcome))
    if isinstance(call, SessionCall):
        outcome = Outcome.ALLOWED if call.version == credential.version else Outcome.INACTIVE
        return Judgement(_unless_unknown(known, _first(outcome, _standing(call, credential))))
    if isinstance(call, WebSocketCall):
        right = is_same(call.signature.lower(), _websocket(call, credential))
        return Judgement(_unless_unknown(known, _judge_signed(call, credential, right=right, at=at)))
    return _judge_rest(call, known, credential, at=at)


def _judge_rest(call: RestCall, known: Known | None, credential: Known, *, at: float) -> Judgement:
    mac = rest_mac(credential.secret, action=call.action, timestamp=call.timestamp, body=call.body)
    right = is_same(call.signature, rest_signature(mac))
    outcome = _judge_signed(call, credential, right=right, at=at)
    if outcome is Outcome.ALLOWED and call.permission not in credential.permissions_at(at):
        outcome = Outcome.PERMISSION
    once = call.changes_state and known is not None and outcome is Outcome.ALLOWED
    return Judgement(_unless_unknown(known, outcome), mac if once else None)


def _judge_signed(call: RestCall | WebSocketCall, credential: Known, *, right: bool, at: float) -> Outcome:
    in_time = is_in_time(call.timestamp, at=at)
    if not right:
        return Outcome.BAD_SIGNATURE
    return _first(Outcome.ALLOWED if in_time else Outcome.CLOCK, _standing(call, credential))


def _judge_fix(call: FixCall, credential: Known, password_mac: PasswordMac) -> Outcome:
    # Both are compared, whichever is wrong.
    mac_fits = hmac.compare_digest(password_mac(credential, call.password), credential.password_mac)
    name_fits = is_same(call.username, credential.username)
    if not (mac_fits and name_fits):
        return Outcome.BAD_SIGNATURE
    fits = call.session_type is credential.session_type
    return _first(Outcome.ALLOWED if fits else Outcome.WRONG_SESSION_TYPE, _standing(call, credential))


def _standing(call: Call, credential: Known) -> Outcome:
    if not credential.is_active:
        return Outcome.INACTIVE
    if not (credential.whitelist.is_empty or credential.whitelist.names(call.ip)):
        return Outcome.IP_NOT_ALLOWED
    return Outcome.ALLOWED


def _first(outcome: Outcome, following: Outcome) -> Outcome:
    return following if outcome is Outcome.ALLOWED else outcome


def _websocket(call: WebSocketCall, credential: Known) -> str:
    return websocket_signature(credential.secret, timestamp=call.timestamp, key=call.key)


def _unless_unknown(known: Known | None, outcome: Outcome) -> Outcome:
    return Outcome.UNKNOWN_KEY if known is None else outcome
