"""Forms that are stored for years: what was sealed or encrypted before an update is opened after it."""

import base64
import hashlib
import hmac
import json
import re

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DefaultFailureConverterWithEncodedAttributes

from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose, new_key_ring_json
from countersign.adapters.payload_codec import PayloadCipher, Undecryptable, data_converter
from countersign.adapters.ring_text import KeyRingInvalid

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
    "stop_link",
    "fix_password",
    "statement",
    "sign_in",
    "message_key",
    "audit",
    "checkpoint",
    "key_check",
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


def test_what_was_encrypted_by_us_and_is_no_payload_is_undecryptable() -> None:
    cipher = PayloadCipher(RING, "default")
    made = cipher.encrypt(Payload(), workflow_id="")
    bound = b"".join(len(part).to_bytes(4) + part for part in (b"aes-256-gcm/1", b"default", b"k1", b""))
    made.data = bytes(12) + AESGCM(derived("payload")).encrypt(bytes(12), b"\xff\xff no payload", bound)
    with pytest.raises(Undecryptable):
        cipher.decrypt(made)


def test_a_new_ring_has_one_key_of_256_bits_and_an_id_of_its_own() -> None:
    one, two = json.loads(new_key_ring_json()), json.loads(new_key_ring_json())
    [(key_id, key)] = one["keys"].items()
    assert re.fullmatch("k[0-9]{8}-[0-9a-f]{6}", key_id)
    assert (one["current"], len(base64.urlsafe_b64decode(key))) == (key_id, 32)
    assert one["keys"].items().isdisjoint(two["keys"].items())


@pytest.mark.parametrize(("key_id", "shown"), [("k2", "id k2."), ("k2 or so", "id ?."), ("", "id ?.")])
def test_a_key_that_is_not_held_is_named_only_if_its_id_can_be_one(key_id: str, shown: str) -> None:
    with pytest.raises(KeyNotHeld) as refusal:
        RING.key(Purpose.AUDIT, key_id)
    assert str(refusal.value).endswith(shown)


def test_a_key_with_a_foreign_character_in_it_is_not_read_as_another_key() -> None:
    text = base64.urlsafe_b64encode(MASTER).decode()
    with pytest.raises(KeyRingInvalid, match="not base64url"):
        KeyRing.from_json(json.dumps({"current": "k1", "keys": {"k1": f"{text[:20]}+{text[20:]}"}}))


def test_a_payload_of_an_earlier_key_is_read_and_one_that_says_it_is_plain_is_not() -> None:
    newer = {"current": "k2", "keys": {"k1": base64.urlsafe_b64encode(MASTER).decode(), "k2": "B" * 43}}
    made = PayloadCipher(RING, "default").encrypt(Payload(data=b"x"), workflow_id="one")
    cipher = PayloadCipher(KeyRing.from_json(json.dumps(newer)), "default")
    assert cipher.decrypt(made) == (Payload(data=b"x"), "one")
    made.metadata["encoding"] = b"json/plain"
    with pytest.raises(Undecryptable):
        cipher.decrypt(made)


async def test_what_clients_send_is_encrypted_for_their_namespace_and_so_are_failures() -> None:
    converter = data_converter(RING, "default")
    [sent] = await converter.encode(["042137"])
    plain, workflow_id = PayloadCipher(RING, "default").decrypt(sent)
    assert (plain.data, workflow_id) == (b'"042137"', "")
    assert converter.failure_converter_class is DefaultFailureConverterWithEncodedAttributes
