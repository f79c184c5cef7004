"""Forms that are stored for years: what was sealed or encrypted before an update is opened after it."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.adapters.payload_codec import PayloadCipher

MASTER = bytes(range(32))
RING = KeyRing.from_json(json.dumps({"current": "k1", "keys": {"k1": base64.urlsafe_b64encode(MASTER).decode()}}))
PURPOSES = [
    "payload",
    "reveal",
    "verifier",
    "totp_seed",
    "one_time_code",
    "enrolment",
    "recovery_code",
    "activation_link",
    "fix_password",
    "statement",
    "sign_in",
    "message_key",
    "audit",
]


def derived(purpose: str) -> bytes:
    """Return the key by RFC 5869, of one block, without a salt."""
    pseudorandom = hmac.digest(bytes(32), MASTER, hashlib.sha256)
    return hmac.digest(pseudorandom, f"countersign/1/{purpose}/k1".encode() + b"\x01", hashlib.sha256)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_key_of_a_purpose_is_derived_by_its_name_and_id(purpose: str) -> None:
    assert RING.key(Purpose(purpose)) == derived(purpose)


def test_a_sealed_value_is_version_key_id_nonce_and_ciphertext() -> None:
    sealed = RING.seal(Purpose.VERIFIER, b"the secret", bound_to="row 1")
    assert sealed[:4] == b"\x01\x02k1"
    nonce, ciphertext = sealed[4:16], sealed[16:]
    bound = b"\x01\0verifier\0k1\0row 1"
    assert AESGCM(derived("verifier")).decrypt(nonce, ciphertext, bound) == b"the secret"


def test_an_encrypted_payload_is_nonce_and_ciphertext_bound_to_namespace_key_and_workflow() -> None:
    plain = Payload(metadata={"encoding": b"json/plain"}, data=b'"042137"')
    made = PayloadCipher(RING, "default").encrypt(plain, workflow_id="create/1")
    parts = [b"aes-256-gcm/1", b"default", b"k1", b"create/1"]
    bound = b"".join(len(part).to_bytes(4) + part for part in parts)
    opened = AESGCM(derived("payload")).decrypt(made.data[:12], made.data[12:], bound)
    assert made.metadata["encoding"] == b"binary/encrypted"
    assert Payload.FromString(opened) == plain
