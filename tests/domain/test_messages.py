"""Messages: what travels, what is refused, and that nothing secret is printed."""

from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from countersign.domain.errors import BY_SLUG, DomainError
from countersign.domain.messages import (
    AGAIN,
    SECRET_FIELDS,
    SYSTEM,
    AccountManagerDecision,
    Activate,
    ActivateLater,
    ActivationCode,
    Actor,
    ActorKind,
    AnyMessage,
    Cancel,
    Envelope,
    RecoveryCode,
    RequestState,
    ResendCode,
    SecretSaved,
    TwoFactorCode,
    Verdict,
    counts_as,
)
from countersign.domain.requests import Journey, Step

AT = datetime(2026, 1, 2, tzinfo=UTC)
ID = UUID("00000000-0000-4000-8000-000000000001")
SECRET = "918273"
STATE = RequestState(
    journey=Journey.CREATE_API_KEY,
    step=Step.TWO_FACTOR_CODE,
    outcome=None,
    name="bot",
    deadline=AT,
    remind_at=None,
    attempts_left=4,
    unsent=None,
)

MESSAGES: list[AnyMessage] = [
    TwoFactorCode(code=SECRET, reveal_challenge="A" * 43),
    TwoFactorCode(code=SECRET, step=Step.NEW_FACTOR_CODE),
    RecoveryCode(code=SECRET),
    ResendCode(),
    SecretSaved(),
    Activate(),
    ActivateLater(),
    ActivationCode(code=SECRET),
    ActivationCode(link_token=SECRET),
    AccountManagerDecision(statement=SECRET),
    Cancel(reason="no longer wanted"),
]


def test_the_examples_hold_every_kind_of_message() -> None:
    assert {type(message) for message in MESSAGES} == set(get_args(AnyMessage))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_a_message_survives_its_envelope(message: AnyMessage) -> None:
    envelope = Envelope(request_id=ID, key="1", at=AT, message=message)
    assert Envelope.model_validate_json(envelope.model_dump_json()) == envelope


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_no_code_token_or_statement_is_printed(message: AnyMessage) -> None:
    envelope = Envelope(request_id=ID, key="1", at=AT, message=message)
    assert SECRET not in f"{message!r} {message!s} {envelope!r} {envelope!s}"


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (TwoFactorCode, {"code": SECRET * 6}),
        (TwoFactorCode, {"code": [SECRET]}),
        (RecoveryCode, {"code": SECRET * 6}),
        (ActivationCode, {"code": SECRET * 6}),
        (ActivationCode, {"link_token": SECRET * 30}),
        (AccountManagerDecision, {"statement": SECRET * 1000}),
    ],
)
def test_what_is_refused_is_not_repeated_in_the_error(model: type[BaseModel], fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)
    assert SECRET not in f"{caught.value!s} {caught.value!r}"
    with pytest.raises(ValidationError) as wrapped:
        Envelope.model_validate({"request_id": ID, "key": "1", "at": AT, "message": fields | {"kind": kind_of(model)}})
    assert SECRET not in f"{wrapped.value!s} {wrapped.value!r}"


@pytest.mark.parametrize("challenge", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 43 + "\n", "A" * 42 + "é"])
def test_a_reveal_challenge_is_a_sha256_in_base64url_without_padding(challenge: str) -> None:
    with pytest.raises(ValidationError):
        TwoFactorCode(code=SECRET, reveal_challenge=challenge)


def test_a_verdict_without_a_problem_is_no_error() -> None:
    assert Verdict(state=STATE).as_error() is None


@pytest.mark.parametrize("error", BY_SLUG.values(), ids=BY_SLUG)
def test_every_error_comes_back_out_of_a_verdict(error: type[DomainError]) -> None:
    sent = Verdict(problem=error.slug, detail="Why.", extra={"attempts_left": 4}, state=STATE)
    raised = Verdict.model_validate_json(sent.model_dump_json()).as_error()
    assert type(raised) is error
    assert (raised.detail, raised.extra) == ("Why.", {"attempts_left": 4})


def test_an_error_without_a_detail_says_its_title() -> None:
    raised = Verdict(problem="wrong-code", state=STATE).as_error()
    assert raised is not None
    assert raised.detail == "The code is wrong."


def kind_of(model: type[BaseModel]) -> str:
    kind: str = model.model_fields["kind"].default
    return kind


@pytest.mark.parametrize(
    ("model", "member", "most"),
    [
        (TwoFactorCode, "code", 32),
        (RecoveryCode, "code", 32),
        (ActivationCode, "code", 32),
        (ActivationCode, "link_token", 128),
        (AccountManagerDecision, "statement", 4096),
        (Cancel, "reason", 200),
    ],
)
def test_what_is_typed_or_sent_has_a_longest_length(model: type[BaseModel], member: str, most: int) -> None:
    assert getattr(model.model_validate({member: "x" * most}), member) == "x" * most
    with pytest.raises(ValidationError):
        model.model_validate({member: "x" * (most + 1)})


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_stays_as_it_was_sent(message: BaseModel) -> None:
    with pytest.raises(ValidationError):
        message.actor = SYSTEM  # type: ignore[attr-defined] # every message has one


def test_a_message_is_whoever_signalled_unless_it_says_otherwise() -> None:
    assert Cancel().actor == Actor(kind=ActorKind.SIGNAL, user_id=None, ip=None)
    assert Actor(kind=ActorKind.SYSTEM) == SYSTEM


@pytest.mark.parametrize(("told", "ip"), [("203.0.113.7", "203.0.113.7"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1")])
def test_an_address_is_kept_without_the_zone_of_whoever_told_it(told: str, ip: str) -> None:
    assert str(Actor.model_validate({"ip": told}).ip) == ip


def test_what_could_be_used_to_act_is_known_by_the_names_of_its_fields() -> None:
    assert {"code", "link_token", "statement"} == SECRET_FIELDS


@pytest.mark.parametrize(
    ("update_id", "key"),
    [("mine", "mine"), (f"mine{AGAIN}7", "mine"), (f"mine{AGAIN}7{AGAIN}8", "mine"), (f"{AGAIN}7", f"{AGAIN}7")],
)
def test_what_is_sent_again_counts_as_what_was_sent_first(update_id: str, key: str) -> None:
    assert counts_as(update_id) == key
