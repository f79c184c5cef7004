"""Redaction: whatever a decoded payload holds, nothing that could be used to act is shown."""

import json
from typing import Any, get_args
from uuid import uuid4

import pyotp
import pytest
from temporalio.api.common.v1 import Payload

from api.redaction import REDACTED, redact
from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.adapters.statements import sign
from countersign.domain.messages import (
    SECRET_FIELDS,
    AccountManagerDecision,
    ActivationCode,
    Actor,
    AnyMessage,
    Cancel,
    RecoveryCode,
    TwoFactorCode,
)
from countersign.domain.secrets import new_api_secret, new_fix_password, new_recovery_code
from countersign.effects.codes import link_token
from tests.adapters.test_statements import STATEMENT

KEYS = KeyRing.from_json(new_key_ring_json())
CODE = "493817"
LINK = link_token(KEYS, uuid4(), 1, key_id=None)
JWT = sign(KEYS, STATEMENT)
RECOVERY = new_recovery_code()
SECRETS = (CODE, LINK, JWT, RECOVERY, new_api_secret(), new_fix_password())

# Fields of messages that hold text of any kind, and that nobody could use to act.
_HARMLESS = {"kind", "step", "reveal_challenge", "reason"}


def plain(value: object, encoding: bytes = b"json/plain") -> Payload:
    return Payload(metadata={"encoding": encoding}, data=json.dumps(value).encode())


def shown(value: object) -> Any:
    return json.loads(redact(plain(value)).data)


def test_every_field_that_a_message_hides_is_redacted_and_none_is_forgotten() -> None:
    assert {"code", "link_token", "statement"} <= SECRET_FIELDS
    for model in get_args(AnyMessage):
        told = set(model.model_fields) - {"actor"}
        assert told <= SECRET_FIELDS | _HARMLESS, f"{model.__name__}: hide the new field, or say that it is harmless"


@pytest.mark.parametrize(
    "message",
    [
        TwoFactorCode(code=CODE),
        RecoveryCode(code=RECOVERY),
        ActivationCode(code=CODE),
        ActivationCode(link_token=LINK),
        AccountManagerDecision(statement=JWT),
    ],
    ids=lambda message: message.kind,
)
def test_a_message_shows_all_but_its_secret(message: Any) -> None:
    dumped = json.loads(message.model_dump_json())

    assert shown(dumped) == {
        name: REDACTED if name in SECRET_FIELDS and value is not None else value for name, value in dumped.items()
    }
    assert shown({"request_id": "x", "message": dumped})["message"] == shown(dumped)


def test_a_message_without_a_secret_is_shown_to_the_byte() -> None:
    payload = plain(json.loads(Cancel(actor=Actor(), reason="no longer needed, see 2026-11-26").model_dump_json()))

    assert redact(payload) == payload


@pytest.mark.parametrize("secret", SECRETS, ids=["code", "link", "token", "recovery code", "secret", "password"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda secret: secret,
        lambda secret: [secret],
        lambda secret: {"any": {"thing": [secret]}},
        lambda secret: {"Code": secret, "LinkToken": [secret], "STATEMENT": {"x": secret}},
        lambda secret: json.dumps({"code": secret}),
        lambda secret: f'"{secret}"',
        lambda secret: f"{{broken {secret}",
        lambda secret: f"Failed: {secret} is wrong.",
        lambda secret: {"message": f"Invalid input: {secret}", "stack_trace": f"line\n  {secret}\n"},
    ],
)
def test_a_secret_is_shown_nowhere(secret: str, wrap: Any) -> None:
    assert secret not in redact(plain(wrap(secret))).data.decode()
    assert secret not in redact(plain(wrap(secret), b"json/protobuf")).data.decode()


@pytest.mark.parametrize("code", ["493 817", "493-817", "493817", 493817])
def test_a_bare_code_is_not_shown_however_it_is_written(code: object) -> None:
    assert shown(code) == REDACTED


@pytest.mark.parametrize(
    "value",
    [
        {"deadline": "2026-11-26T22:50:18.123456Z", "attempts_left": 5, "name": "bot 7"},
        {"public_id": "csk_0123456789ABCDEFGHIJKL012345", "name": "CS-T-7K4M-9QXR-2B8D"},
        {"request_id": "e4eaaaf2-d142-11e1-b3e4-080027620cdd"},
        "activated",
        "wait for the two-factor code until 2026-11-26 22:50 UTC",
        True,
        None,
    ],
)
def test_what_is_no_secret_is_shown_as_it_is(value: object) -> None:
    assert redact(plain(value)) == plain(value)


@pytest.mark.parametrize(
    "payload",
    [
        Payload(metadata={"encoding": b"binary/plain"}, data=CODE.encode()),
        Payload(metadata={"encoding": b"json/plain"}, data=f'{{"code": {CODE}'.encode()),
        Payload(metadata={"encoding": b"json/plain"}, data=f'{{"code": "{CODE}", "code": null}}'.encode()),
        Payload(metadata={"encoding": b"json/plain"}, data=b"[" * 100_000 + CODE.encode()),
        Payload(metadata={"encoding": b"json/plain"}, data=b"\xff" + CODE.encode()),
        Payload(data=CODE.encode()),
        Payload(metadata={"encoding": b"binary/null"}, data=CODE.encode()),
        Payload(metadata={"encoding": b"binary/protobuf", "messageType": b"x"}, data=CODE.encode()),
    ],
)
def test_what_is_no_proper_json_is_not_shown(payload: Payload) -> None:
    assert CODE.encode() not in redact(payload).SerializeToString()


def test_a_code_of_an_authenticator_is_redacted_whatever_it_is() -> None:
    totp = pyotp.TOTP(pyotp.random_base32())
    assert {shown(totp.at(moment)) for moment in range(0, 30_000, 30)} == {REDACTED}
