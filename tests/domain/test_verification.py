"""What goes between gateways and verifiers, word for word: clients of other releases depend on it."""

import json
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from countersign.domain import verification
from countersign.domain.verification import (
    Alive,
    Allowed,
    Answer,
    Denied,
    FixCall,
    Lost,
    Outcome,
    Question,
    RestCall,
    Revoked,
    SessionCall,
    Told,
    WebSocketCall,
)

ID = "3d9f0f6e-6d8f-4d6b-9f43-0c5d8a5f7b11"
REST: dict[str, Any] = {
    "kind": "rest", "ip": "203.0.113.7", "key": "csk_1", "timestamp": "1700000000", "signature": "s1gned",
    "action": "balance", "body": "AP8=", "permission": "read", "changes_state": False,
}  # fmt: skip
WEBSOCKET = {"kind": "websocket", "ip": "2001:db8::7", "key": "csk_1", "timestamp": "1.5", "signature": "s1gned"}
FIX = {
    "kind": "fix", "ip": "203.0.113.7", "sender_comp_id": "CS-T-1", "username": "csu_1", "password": "pa55word",
    "session_type": "trade",
}  # fmt: skip
SESSION = {"kind": "session", "ip": "203.0.113.7", "credential_id": ID, "version": 2}
CALLS = [REST, WEBSOCKET, FIX, SESSION]
ALLOWED = {
    "allowed": True, "credential_id": ID, "account_id": ID, "permissions": ["read", "trade"], "session_type": None,
    "trading_limits": [], "version": 1,
}  # fmt: skip


def asked(*calls: dict[str, Any], **more: object) -> Question:
    return Question.model_validate_json(json.dumps({"calls": calls, **more}))


def test_each_kind_of_call_is_told_by_its_kind_and_comes_back_as_it_was_sent() -> None:
    question = asked(*CALLS)

    assert [type(call) for call in question.calls] == [RestCall, WebSocketCall, FixCall, SessionCall]
    assert json.loads(question.model_dump_json()) == {"calls": CALLS}


def test_a_call_that_is_built_says_its_kind_itself() -> None:
    for call in asked(*CALLS).calls:
        assert type(call)(**call.model_dump(exclude={"kind"})).kind == call.kind


def test_a_body_is_bytes_and_empty_where_none_is_sent() -> None:
    with_body, without = asked(REST, {name: REST[name] for name in REST if name != "body"}).calls

    assert isinstance(with_body, RestCall)
    assert isinstance(without, RestCall)
    assert (with_body.body, without.body) == (b"\x00\xff", b"")


@pytest.mark.parametrize("kind", ["", "REST", None])
def test_a_call_of_no_known_kind_is_refused(kind: str | None) -> None:
    with pytest.raises(ValidationError, match="kind"):
        asked({**REST, "kind": kind})


@pytest.mark.parametrize("call", CALLS, ids=lambda call: str(call["kind"]))
def test_what_nobody_knows_is_refused_and_no_value_is_quoted(call: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        asked({**call, "more": "s3cret"})

    assert "s3cret" not in str(caught.value)
    with pytest.raises(ValidationError) as beside:
        asked(call, more="s3cret")
    assert "s3cret" not in str(beside.value)


def test_a_question_has_one_to_a_hundred_calls() -> None:
    assert len(asked(SESSION).calls) == 1
    assert len(asked(*[SESSION] * 100).calls) == verification.MOST_CALLS == 100
    for calls in ([], [SESSION] * 101):
        with pytest.raises(ValidationError):
            asked(*calls)


def test_nothing_secret_is_in_a_repr() -> None:
    shown = repr(asked({**REST, "body": "c2VjcmV0"}, WEBSOCKET, FIX))

    for secret in ("s1gned", "secret", "pa55word"):
        assert secret not in shown


def test_neither_calls_nor_questions_change() -> None:
    question = asked(SESSION)

    for thing, name in ((question, "calls"), (question.calls[0], "ip"), (Denied(), "allowed"), (Lost(), "kind")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(thing, name, None)


@pytest.mark.parametrize(
    ("sent", "address"), [("203.0.113.7", IPv4Address("203.0.113.7")), ("2001:db8::7", IPv6Address("2001:db8::7"))]
)
def test_an_address_is_of_either_version_and_may_be_one_already(sent: str, address: IPv4Address | IPv6Address) -> None:
    for given in (sent, address):
        assert SessionCall.model_validate({**SESSION, "ip": given}).ip == address


def test_what_is_no_address_is_not_quoted() -> None:
    with pytest.raises(ValidationError, match="Not an IPv4 or IPv6 address") as caught:
        asked({**SESSION, "ip": "10.0.0.s3cret"})

    assert "s3cret" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^Not an IPv4 or IPv6 address$"):
        verification._address("10.0.0.s3cret")


def test_answers_are_told_apart_by_whether_they_allow() -> None:
    told = {"answers": [ALLOWED, {"allowed": False}]}

    answer = Answer.model_validate(told)

    assert [type(each) for each in answer.answers] == [Allowed, Denied]
    assert json.loads(answer.model_dump_json()) == told
    assert Denied().allowed is False
    bare = {name: ALLOWED[name] for name in ALLOWED if name not in {"allowed", "trading_limits"}}
    assert json.loads(Allowed.model_validate(bare).model_dump_json()) == ALLOWED
    with pytest.raises(ValidationError, match="allowed"):
        Answer.model_validate({"answers": [{"allowed": "perhaps"}]})


def test_what_a_stream_tells_is_told_apart_by_its_kind() -> None:
    lines = [{"kind": "alive"}, {"kind": "revoked", "credential_id": ID, "version": 2}, {"kind": "lost"}]
    read = [TypeAdapter[Told](Told).validate_python(line) for line in lines]

    assert read == [Alive(), Revoked(credential_id=UUID(ID), version=2), Lost()]
    assert [json.loads(each.model_dump_json()) for each in read] == lines
    with pytest.raises(ValidationError, match="kind"):
        TypeAdapter(Told).validate_python({"kind": "more"})


def test_the_owner_reads_the_same_reasons_as_ever() -> None:
    assert [*Outcome] == [
        "allowed", "unknown_key", "bad_signature", "clock", "replayed", "ip_not_allowed", "permission", "inactive",
        "wrong_session_type", "too_many_failures",
    ]  # fmt: skip
