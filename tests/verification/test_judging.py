"""Holding calls against credentials, whatever they are."""

import base64
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.credentials import SessionType
from countersign.domain.permissions import FUNDS, Permission
from countersign.domain.verification import FixCall, Outcome, RestCall, SessionCall, WebSocketCall
from countersign.verification.judging import judge
from countersign.verification.known import NOBODY, Known, Whitelist
from countersign.verification.schemes import rest_mac, rest_signature, websocket_signature
from tests.verification.strategies import CREDENTIAL, IP, NOW, SECRET, known, texts

PASSWORD = "csp_right"


def password_mac(credential: Known, password: str) -> bytes:
    return f"{credential.id}:{password}".encode().ljust(64)[:64]


def rest(*, secret: str = SECRET, **changes: Any) -> RestCall:
    told = {"timestamp": str(int(NOW)), "action": "get", "body": b"{}", "ip": IP} | changes
    mac = rest_mac(secret.encode(), action=told["action"], timestamp=told["timestamp"], body=told["body"])
    call = {"key": "k", "signature": rest_signature(mac), "permission": "read", "changes_state": False}
    return RestCall.model_validate({**call, **told})


def outcome(call: Any, credential: Known | None, *, at: float = NOW) -> Outcome:
    return judge(call, credential, at=at, password_mac=password_mac).outcome


def test_a_right_call_is_allowed() -> None:
    assert outcome(rest(), known()) is Outcome.ALLOWED


@pytest.mark.parametrize(
    ("call", "credential", "reason"),
    [
        (rest(), None, Outcome.UNKNOWN_KEY),
        (rest(secret="css_other"), known(), Outcome.BAD_SIGNATURE),
        (rest(timestamp="1"), known(), Outcome.CLOCK),
        (rest(), known(is_active=False), Outcome.INACTIVE),
        (rest(), known(whitelist=Whitelist(["203.0.113.8"])), Outcome.IP_NOT_ALLOWED),
        (rest(permission="funds_wallet"), known(), Outcome.PERMISSION),
        # Of several faults the one is told that its owner can do something about, and nothing to a stranger's calls.
        (rest(secret="css_other", timestamp="1"), known(is_active=False), Outcome.BAD_SIGNATURE),
        (rest(timestamp="1"), known(is_active=False), Outcome.CLOCK),
        (rest(permission="funds_wallet"), known(is_active=False), Outcome.INACTIVE),
    ],
)
def test_each_fault_has_its_reason(call: RestCall, credential: Known | None, reason: Outcome) -> None:
    assert outcome(call, credential) is reason


def test_funds_permissions_are_in_effect_from_their_moment_on() -> None:
    credential = known(permissions=frozenset(Permission), funds_from=NOW)
    call = rest(permission="funds_external")
    assert outcome(call, credential, at=NOW - 0.001) is Outcome.PERMISSION
    assert outcome(call, credential, at=NOW) is Outcome.ALLOWED
    assert set(credential.allowed(NOW - 1).permissions) == set(Permission) - FUNDS
    assert credential.allowed(NOW).permissions == tuple(Permission)


@given(signature=texts, body=st.binary(max_size=50))
def test_a_signature_of_anything_else_is_a_bad_one(signature: str, body: bytes) -> None:
    call = rest(body=body)
    other = call.model_copy(update={"signature": signature})
    expected = Outcome.ALLOWED if signature == call.signature else Outcome.BAD_SIGNATURE
    assert outcome(other, known()) is expected


@given(changed=st.sampled_from(["body", "action", "timestamp"]))
def test_what_was_signed_cannot_be_changed(changed: str) -> None:
    values = {"body": b"{} ", "action": "put", "timestamp": str(int(NOW) + 1)}
    assert outcome(rest().model_copy(update={changed: values[changed]}), known()) is Outcome.BAD_SIGNATURE


def test_a_signature_has_one_spelling() -> None:
    call = rest()
    padded = base64.b64decode(call.signature)
    spellings = [
        call.signature.rstrip("="),
        f" {call.signature}",
        f"{call.signature}\n",
        base64.urlsafe_b64encode(padded).decode().rstrip("="),
        padded.hex(),
    ]
    for spelling in spellings:
        assert outcome(call.model_copy(update={"signature": spelling}), known()) is Outcome.BAD_SIGNATURE


def test_only_an_allowed_call_that_changes_something_may_not_come_again() -> None:
    macs = [
        judge(call, credential, at=NOW, password_mac=password_mac).mac
        for call, credential in [
            (rest(), known()),
            (rest(changes_state=True, permission="funds_wallet"), known()),
            (rest(changes_state=True), None),
            (rest(changes_state=True), known()),
        ]
    ]
    assert [mac is None for mac in macs] == [True, True, True, False]


@pytest.mark.parametrize("timestamp", [str(int(NOW)), f"{NOW:.3f}"])
@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_a_websocket_signature_covers_the_timestamp_as_it_was_sent(timestamp: str, spelling: Any) -> None:
    signature = spelling(websocket_signature(SECRET.encode(), timestamp=timestamp, key="k"))
    call = WebSocketCall(key="k", timestamp=timestamp, signature=signature, ip=IP)
    assert outcome(call, known()) is Outcome.ALLOWED
    assert outcome(call.model_copy(update={"timestamp": f"{timestamp}0"}), known()) is Outcome.BAD_SIGNATURE


def fix(**changes: Any) -> FixCall:
    told = {"sender_comp_id": "CS-T", "username": "csu", "password": PASSWORD, "session_type": "trade", "ip": IP}
    return FixCall.model_validate({**told, **changes})


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (fix(), Outcome.ALLOWED),
        (fix(password="csp_wrong"), Outcome.BAD_SIGNATURE),
        (fix(username="CSU"), Outcome.BAD_SIGNATURE),
        (fix(username=""), Outcome.BAD_SIGNATURE),
        (fix(session_type="market_data"), Outcome.WRONG_SESSION_TYPE),
        (fix(session_type="market_data", password="csp_wrong"), Outcome.BAD_SIGNATURE),
    ],
)
def test_a_logon_needs_all_of_its_credentials(call: FixCall, reason: Outcome) -> None:
    credential = known(username="csu", session_type=SessionType.TRADE)
    stored = known(username="csu", session_type=SessionType.TRADE, password_mac=password_mac(credential, PASSWORD))
    assert outcome(call, stored) is reason


def test_nobody_is_let_in_by_what_unknown_keys_are_held_against() -> None:
    call = rest(secret=NOBODY.secret.decode())
    assert outcome(call, None) is Outcome.UNKNOWN_KEY
    assert outcome(call, NOBODY) is Outcome.INACTIVE
    assert len(NOBODY.secret) == len(SECRET)


@pytest.mark.parametrize(("version", "reason"), [(2, Outcome.ALLOWED), (1, Outcome.INACTIVE), (3, Outcome.INACTIVE)])
def test_a_session_goes_on_with_the_version_that_it_began_with(version: int, reason: Outcome) -> None:
    assert outcome(SessionCall(credential_id=CREDENTIAL, version=version, ip=IP), known()) is reason


@pytest.mark.parametrize(
    ("entry", "ip", "is_named"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("203.0.113.0/24", "203.0.113.255", True),
        ("203.0.113.0/24", "203.0.114.0", False),
        ("2001:db8::/48", "2001:db8::1", True),
        ("2001:db8::/48", "2001:db9::1", False),
        ("2001:db8::/48", "203.0.113.7", False),
    ],
)
def test_a_whitelist_names_the_addresses_that_its_entries_hold(entry: str, ip: str, *, is_named: bool) -> None:
    assert Whitelist([entry]).names(ip_address(ip)) is is_named
    assert not Whitelist(()).names(ip_address(ip))


def test_a_credential_shows_no_secret() -> None:
    shown = repr(known(password_mac=b"mac-of-password", id=UUID(int=1)))
    assert SECRET not in shown
    assert "mac-of-password" not in shown
    assert PASSWORD not in repr(fix())
