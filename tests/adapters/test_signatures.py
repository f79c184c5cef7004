"""Signatures of checkpoints: only the key of that id, and only over that message."""

import pytest

from countersign.adapters.keyring import KeyNotHeld, KeyRing
from countersign.adapters.ring_text import RingText
from countersign.adapters.signatures import is_signed, sign

OLD = RingText.new()
KNOWN = OLD.with_next()


def ring(text: RingText) -> KeyRing:
    return KeyRing.from_json(text.dump())


def test_the_current_key_signs_in_64_bytes_and_its_signature_is_believed_after_a_rotation() -> None:
    signature = sign(ring(KNOWN), b"text")

    assert len(signature) == 64
    for keys in (ring(OLD), ring(KNOWN), ring(KNOWN.taken_over())):
        assert is_signed(keys, OLD.current, b"text", signature) is True


@pytest.mark.parametrize(
    ("key_id", "message", "signature"),
    [
        (KNOWN.next, b"text", sign(ring(OLD), b"text")),
        ("unknown", b"text", sign(ring(OLD), b"text")),
        (OLD.current, b"texts", sign(ring(OLD), b"text")),
        (OLD.current, b"text", sign(ring(RingText.new()), b"text")),
        (OLD.current, b"text", b""),
    ],
    ids=["under the key to come", "under an unknown key", "of another text", "of another ring", "none"],
)
def test_any_other_signature_is_none(key_id: str, message: bytes, signature: bytes) -> None:
    assert is_signed(ring(KNOWN), key_id, message, signature) is False


def test_nothing_is_signed_without_the_key_of_the_purpose() -> None:
    with pytest.raises(KeyNotHeld):
        sign(KeyRing(current=OLD.current, keys={}), b"text")
