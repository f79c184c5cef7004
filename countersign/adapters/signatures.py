"""Signatures of checkpoints: Ed25519 (RFC 8032) under keys that come from the key ring."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose


def sign(keys: KeyRing, message: bytes) -> bytes:
    """Return the signature (64 bytes) under the ring's current key; raises ``KeyNotHeld``."""
    return _key(keys, keys.current).sign(message)


def is_signed(keys: KeyRing, key_id: str, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature is that of the key over the message; False for a key that the ring has not."""
    try:
        _key(keys, key_id).public_key().verify(signature, message)
    except (InvalidSignature, KeyNotHeld):
        return False
    return True


def _key(keys: KeyRing, key_id: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(keys.key(Purpose.CHECKPOINT, key_id))
