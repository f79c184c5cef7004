"""The key ring: master keys with ids, of which each process holds derived keys for its own purposes alone."""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_BYTES = 32
_NONCE_BYTES = 12
_SEAL_VERSION = 1
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Purpose(StrEnum):
    """What a derived key is for; the value is part of the derivation and never changes."""

    PAYLOAD = "payload"
    REVEAL = "reveal"
    VERIFIER = "verifier"
    TOTP_SEED = "totp_seed"
    ONE_TIME_CODE = "one_time_code"
    ENROLMENT = "enrolment"
    RECOVERY_CODE = "recovery_code"
    ACTIVATION_LINK = "activation_link"
    STOP_LINK = "stop_link"
    FIX_PASSWORD = "fix_password"  # noqa: S105 - a name, not a password
    STATEMENT = "statement"
    SIGN_IN = "sign_in"
    MESSAGE_KEY = "message_key"
    AUDIT = "audit"
    CHECKPOINT = "checkpoint"


class KeyRingInvalid(Exception):
    """The key ring cannot be used; ``str()`` says why and how to mend it, without key material."""


class KeyNotHeld(Exception):
    """The key is not among those this process was given."""


class SealBroken(Exception):
    """The sealed value was changed, belongs elsewhere, or was sealed under a key that is gone."""


class KeyRing:
    """Keys by purpose and key id; new values use the ``current`` id, old ones name their own."""

    def __init__(self, *, current: str, keys: dict[tuple[Purpose, str], bytes]) -> None:
        self.current = current
        self._keys = keys

    @classmethod
    def from_json(cls, text: str, *, purposes: Iterable[Purpose] = Purpose) -> Self:
        """Return the ring of ``{"current": "k1", "keys": {"k1": "<base64url of 32 bytes or more>"}}``.

        Each key is derived here (HKDF-SHA-256, RFC 5869) for ``purposes`` and no others; the masters are not
        kept. Raises ``KeyRingInvalid``.
        """
        current, masters = _parse(text)
        wanted = tuple(purposes)
        derived = {
            (purpose, key_id): _derive(master, purpose=purpose, key_id=key_id)
            for key_id, master in masters.items()
            for purpose in wanted
        }
        return cls(current=current, keys=derived)

    def __repr__(self) -> str:
        """Show ids and purposes, never a key."""
        ids = sorted({key_id for _, key_id in self._keys})
        purposes = sorted({purpose.value for purpose, _ in self._keys})
        return f"KeyRing(current={self.current!r}, ids={ids}, purposes={purposes})"

    def key(self, purpose: Purpose, key_id: str | None = None) -> bytes:
        """Return the 32-byte key of ``purpose`` under ``key_id`` (the current one by default).

        Raises ``KeyNotHeld`` when this process was not given the purpose, or the ring has no such id.
        """
        wanted = self.current if key_id is None else key_id
        held = self._keys.get((purpose, wanted))
        if held is None:
            shown = wanted if _KEY_ID.fullmatch(wanted) else "?"
            raise KeyNotHeld(f"This process holds no key for {purpose.value} under the id {shown}.")
        return held

    def seal(self, purpose: Purpose, plaintext: bytes, *, bound_to: str) -> bytes:
        """Return ``plaintext`` under AES-256-GCM, to be opened only with the same purpose and ``bound_to``.

        The result is the version (1 byte), the length of the key id (1 byte), the key id, the nonce
        (12 bytes) and the ciphertext with its tag.
        """
        key_id = self.current
        nonce = os.urandom(_NONCE_BYTES)
        bound = _associated_data(purpose, key_id, bound_to)
        ciphertext = AESGCM(self.key(purpose)).encrypt(nonce, plaintext, bound)
        return bytes([_SEAL_VERSION, len(key_id)]) + key_id.encode() + nonce + ciphertext

    def open(self, purpose: Purpose, sealed: bytes, *, bound_to: str) -> bytes:
        """Return the plaintext of ``seal``. Raises ``SealBroken``, or ``KeyNotHeld`` for a foreign purpose."""
        self.key(purpose)
        try:
            key_id, nonce, ciphertext = _split(sealed)
            bound = _associated_data(purpose, key_id, bound_to)
            return AESGCM(self.key(purpose, key_id)).decrypt(nonce, ciphertext, bound)
        except (InvalidTag, KeyNotHeld, ValueError):
            raise SealBroken(f"The sealed {purpose.value} cannot be opened.") from None

    def mac(self, purpose: Purpose, message: bytes, *, key_id: str | None = None) -> bytes:
        """Return the HMAC-SHA-256 (32 bytes) of ``message``; compare with ``hmac.compare_digest``."""
        return hmac.digest(self.key(purpose, key_id), message, hashlib.sha256)


def new_key_ring_json() -> str:
    """Return the text of a new ring with one random key of 256 bits."""
    key_id = f"k{secrets.token_hex(4)}"
    master = base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()
    return json.dumps({"current": key_id, "keys": {key_id: master}})


def load_key_ring(*, json_text: str, file: Path | None, purposes: Iterable[Purpose]) -> KeyRing:
    """Return the ring of ``json_text`` if given, else of ``file``.

    Raises ``KeyRingInvalid`` when neither is given, or the file is missing or readable by others.
    """
    if json_text:
        return KeyRing.from_json(json_text, purposes=purposes)
    if file is None:
        raise KeyRingInvalid(
            "There is no key ring: give COUNTERSIGN_KEY_RING_FILE (a file, mode 0600) or COUNTERSIGN_KEY_RING."
        )
    return KeyRing.from_json(_read_private(file), purposes=purposes)


def _read_private(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as handle:
            # The handle is asked, not the path, so that the file that is checked is the file that is read.
            if os.fstat(handle.fileno()).st_mode & _READABLE_BY_OTHERS:
                raise KeyRingInvalid(f"The key ring file {file} is open to other users: run chmod 600 {file}")
            return handle.read()
    except OSError as error:
        raise KeyRingInvalid(f"The key ring file {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise KeyRingInvalid(f"The key ring file {file} is not text.") from None


def _parse(text: str) -> tuple[str, dict[str, bytes]]:
    try:
        ring = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        # The parser's own message quotes its input, which is key material.
        raise KeyRingInvalid("The key ring is not valid JSON, or names a member twice.") from None
    if not isinstance(ring, dict) or not isinstance(ring.get("keys"), dict) or not ring["keys"]:
        raise KeyRingInvalid('The key ring must look like {"current": "k1", "keys": {"k1": "<base64url>"}}.')
    masters = {key_id: _master(key_id, text) for key_id, text in ring["keys"].items()}
    if len(set(masters.values())) < len(masters):
        raise KeyRingInvalid("Two ids of the key ring have the same key.")
    current = ring.get("current")
    if not isinstance(current, str) or current not in masters:
        raise KeyRingInvalid(f"The key ring's current id is none of its ids ({', '.join(masters)}).")
    return current, masters


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _master(key_id: str, text: object) -> bytes:
    if not _KEY_ID.fullmatch(key_id):
        raise KeyRingInvalid("A key id has 1 to 64 letters, digits, hyphens or underscores.")
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise KeyRingInvalid(f"The key {key_id} is not base64url text.")
    unpadded = text.rstrip("=")
    try:
        master = base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4))
    except binascii.Error:
        raise KeyRingInvalid(f"The key {key_id} is not base64url text.") from None
    if len(master) < _KEY_BYTES:
        raise KeyRingInvalid(f"The key {key_id} has {len(master)} bytes; at least {_KEY_BYTES} are needed.")
    return master


def _derive(master: bytes, *, purpose: Purpose, key_id: str) -> bytes:
    info = f"countersign/1/{purpose.value}/{key_id}".encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(master)


def _split(sealed: bytes) -> tuple[str, bytes, bytes]:
    if len(sealed) < 2 or sealed[0] != _SEAL_VERSION:  # noqa: PLR2004 - version and length stand first
        raise ValueError
    start = 2 + sealed[1]
    nonce = sealed[start : start + _NONCE_BYTES]
    return sealed[2:start].decode("ascii"), nonce, sealed[start + _NONCE_BYTES :]


def _associated_data(purpose: Purpose, key_id: str, bound_to: str) -> bytes:
    # Purpose and key id cannot hold a NUL, so no two bindings share one text.
    return b"\0".join([bytes([_SEAL_VERSION]), purpose.value.encode(), key_id.encode(), bound_to.encode()])
