import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import jwt
import pytest
from pydantic import ValidationError

from countersign.adapters.keyring import KeyRing, Purpose, new_key_ring_json
from countersign.adapters.statements import Statement, read, sign
from countersign.domain.errors import InvalidStatement

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STATEMENT = Statement(
    manager=UUID(int=1),
    decision="activate",
    request_id=UUID(int=2),
    credential_version=3,
    reason="as agreed on the phone",
    id="statement-1",
    expires_at=NOW + timedelta(minutes=10),
)


def fault_of(key_ring: KeyRing, token: str, at: datetime = NOW) -> object:
    with pytest.raises(InvalidStatement) as refusal:
        read(key_ring, token, at=at)
    return refusal.value.extra["fault"]


def signed(key_ring: KeyRing, **changes: object) -> str:
    claims = jwt.decode(sign(key_ring, STATEMENT), options={"verify_signature": False}) | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key_ring.key(Purpose.STATEMENT), algorithm="HS256", headers={"kid": key_ring.current})


def test_a_signed_statement_reads_as_it_was_written(key_ring: KeyRing) -> None:
    assert read(key_ring, sign(key_ring, STATEMENT), at=NOW) == STATEMENT


def test_it_is_good_until_its_last_second_by_the_callers_clock(key_ring: KeyRing) -> None:
    token = sign(key_ring, STATEMENT)
    assert read(key_ring, token, at=STATEMENT.expires_at - timedelta(microseconds=1)) == STATEMENT
    assert fault_of(key_ring, token, at=STATEMENT.expires_at) == "expired"


def test_when_it_was_made_does_not_matter_for_clocks_differ(key_ring: KeyRing) -> None:
    made_tomorrow = int((datetime.now(UTC) + timedelta(days=1)).timestamp())
    assert read(key_ring, signed(key_ring, iat=made_tomorrow), at=NOW) == STATEMENT


def test_expiry_is_kept_in_whole_seconds_of_utc() -> None:
    east = timezone(timedelta(hours=2))
    moment = datetime(2026, 3, 1, 14, 0, 0, 999_999, tzinfo=east)
    assert STATEMENT.model_validate(STATEMENT.model_dump() | {"expires_at": moment}).expires_at == NOW


def test_a_statement_without_time_zone_cannot_be_made() -> None:
    with pytest.raises(ValidationError):
        STATEMENT.model_validate(STATEMENT.model_dump() | {"expires_at": datetime(2026, 3, 1)})  # noqa: DTZ001 - the point


def test_a_statement_of_another_ring_is_refused(key_ring: KeyRing) -> None:
    assert fault_of(key_ring, sign(KeyRing.from_json(new_key_ring_json()), STATEMENT)) == "signature"


def test_a_statement_signed_under_a_key_of_another_purpose_is_refused(key_ring: KeyRing) -> None:
    claims = jwt.decode(sign(key_ring, STATEMENT), options={"verify_signature": False})
    key = key_ring.key(Purpose.AUDIT)
    token = jwt.encode(claims, key, algorithm="HS256", headers={"kid": key_ring.current})
    assert fault_of(key_ring, token) == "signature"


def test_an_old_key_still_proves_a_statement_after_a_rotation() -> None:
    old = json.loads(new_key_ring_json())
    new = json.loads(new_key_ring_json())
    rotated = {"current": new["current"], "keys": old["keys"] | new["keys"]}
    token = sign(KeyRing.from_json(json.dumps(old)), STATEMENT)
    assert read(KeyRing.from_json(json.dumps(rotated)), token, at=NOW) == STATEMENT


def test_a_changed_decision_is_refused(key_ring: KeyRing) -> None:
    header, payload, signature = sign(key_ring, STATEMENT).split(".")
    claims = base64.urlsafe_b64decode(payload + "==").replace(b"activate", b"reject")
    forged = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    assert fault_of(key_ring, f"{header}.{forged}.{signature}") == "signature"


def test_an_unsigned_statement_is_refused(key_ring: KeyRing) -> None:
    claims = jwt.decode(sign(key_ring, STATEMENT), options={"verify_signature": False})
    token = jwt.encode(claims, "", algorithm="none", headers={"kid": key_ring.current})
    assert fault_of(key_ring, token) == "malformed"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é", "x" * 10_000])
def test_rubbish_is_malformed(key_ring: KeyRing, token: str) -> None:
    assert fault_of(key_ring, token) == "malformed"


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "not a uuid"},
        {"sub": None},
        {"decision": "approve"},
        {"version": -1},
        {"version": "x"},
        {"jti": ""},
        {"jti": None},
        {"reason": "x" * 501},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 10**20},
        {"exp": 10**15},
        {"aud": "another service"},
        {"aud": None},
    ],
)
def test_a_genuine_signature_on_wrong_members_is_malformed(key_ring: KeyRing, changes: dict[str, Any]) -> None:
    assert fault_of(key_ring, signed(key_ring, **changes)) == "malformed"


def test_a_statement_cannot_be_changed_after_it_was_made() -> None:
    with pytest.raises(ValidationError):
        STATEMENT.decision = "reject"  # type: ignore[misc]


def test_it_travels_under_these_names(key_ring: KeyRing) -> None:
    assert jwt.decode(sign(key_ring, STATEMENT), options={"verify_signature": False}) == {
        "aud": "countersign/account-manager-decision",
        "sub": str(STATEMENT.manager),
        "jti": "statement-1",
        "exp": int(STATEMENT.expires_at.timestamp()),
        "decision": "activate",
        "request": str(STATEMENT.request_id),
        "version": 3,
        "reason": "as agreed on the phone",
    }


@pytest.mark.parametrize(("length", "is_good"), [(0, False), (1, True), (64, True), (65, False)])
def test_its_id_has_at_most_64_characters(key_ring: KeyRing, length: int, is_good: object) -> None:
    token = signed(key_ring, jti="x" * length)
    if is_good:
        assert read(key_ring, token, at=NOW).id == "x" * length
    else:
        assert fault_of(key_ring, token) == "malformed"


def test_a_reason_may_be_left_out_and_no_error_repeats_what_was_given() -> None:
    given = STATEMENT.model_dump(exclude={"reason"})
    assert STATEMENT.model_validate(given).reason == ""
    with pytest.raises(ValidationError) as refusal:
        STATEMENT.model_validate(given | {"manager": "somebody's name"})
    assert "somebody" not in str(refusal.value)
