"""The key ring: master keys with ids, of which each process holds derived keys for its own purposes alone."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from countersign.adapters.ring_file import read_ring_file
from countersign.adapters.ring_text import KEY_ID, KeyRingInvalid, RingText

_KEY_BYTES = 32
_NONCE_BYTES = 12
_SEAL_VERSION = 1


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
    KEY_CHECK = "key_check"


class KeyFault(Exception):
    """A value needs a key that this process lacks, or does not fit its key; ``str()`` shows ids and purposes alone.

    No ``DomainError``: nobody's message is answered with it, and what an effect wrote before it is undone.
    """


class KeyNotHeld(KeyFault):
    """The key is not among those this process was given."""


class SealBroken(KeyFault):
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
        kept. A ring that ``derive_ring`` made is taken as well. Raises ``KeyRingInvalid``.
        """
        return cls.of(RingText.parse(text), purposes=purposes)

    @classmethod
    def of(cls, ring: RingText, *, purposes: Iterable[Purpose]) -> Self:
        """Return the keys of ``purposes``; raises ``KeyRingInvalid`` when a derived ring lacks one."""
        wanted = tuple(purposes)
        derived = derive_ring(ring, wanted) if ring.masters else ring
        keys = {
            (purpose, key_id): _held(by_purpose, purpose)
            for key_id, by_purpose in derived.derived.items()
            for purpose in wanted
        }
        return cls(current=ring.current, keys=keys)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, oldest first."""
        return tuple(dict.fromkeys(key_id for _, key_id in self._keys))

    @property
    def eldest(self) -> str:
        """The id that stays first through every rotation, until it is retired."""
        return next(iter(self.ids), self.current)

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
            shown = wanted if KEY_ID.fullmatch(wanted) else "?"
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
    return RingText.new().dump()


def load_key_ring(*, json_text: str, file: Path | None, purposes: Iterable[Purpose]) -> KeyRing:
    """Return the ring of ``json_text`` if given, else of ``file``.

    Raises ``KeyRingInvalid`` when neither is given, or the file is missing or readable by others.
    """
    return KeyRing.of(load_ring_text(json_text=json_text, file=file), purposes=purposes)


def load_ring_text(*, json_text: str, file: Path | None) -> RingText:
    """Return what ``json_text`` says if given, else ``file``; raises ``KeyRingInvalid``."""
    if json_text:
        return RingText.parse(json_text)
    if file is None:
        raise KeyRingInvalid(
            "There is no key ring: give COUNTERSIGN_KEY_RING_FILE (a file, mode 0600) or COUNTERSIGN_KEY_RING."
        )
    return RingText.parse(read_ring_file(file))


def derive_ring(ring: RingText, purposes: Iterable[Purpose]) -> RingText:
    """Return a ring that holds of every key what is derived for ``purposes``, and no master.

    Raises ``KeyRingInvalid`` for a ring that is derived itself.
    """
    if not ring.masters:
        raise KeyRingInvalid("This key ring is a derived one; only a ring of masters can be derived from.")
    wanted = sorted(purposes)
    derived = {
        key_id: {purpose.value: _derive(master, purpose=purpose, key_id=key_id) for purpose in wanted}
        for key_id, master in ring.masters.items()
    }
    return RingText(current=ring.current, next=ring.next, derived=derived)


def _derive(master: bytes, *, purpose: Purpose, key_id: str) -> bytes:
    info = f"countersign/1/{purpose.value}/{key_id}".encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(master)


def _held(by_purpose: Mapping[str, bytes], purpose: Purpose) -> bytes:
    if purpose.value not in by_purpose:
        raise KeyRingInvalid(
            f"The key ring holds no key for {purpose.value}: it was derived for another kind of process, or by an "
            "older version; derive it anew with `countersign keys derive`."
        )
    return by_purpose[purpose.value]


def _split(sealed: bytes) -> tuple[str, bytes, bytes]:
    if len(sealed) < 2 or sealed[0] != _SEAL_VERSION:  # noqa: PLR2004 - version and length stand first
        raise ValueError
    start = 2 + sealed[1]
    nonce = sealed[start : start + _NONCE_BYTES]
    return sealed[2:start].decode("ascii"), nonce, sealed[start + _NONCE_BYTES :]


def _associated_data(purpose: Purpose, key_id: str, bound_to: str) -> bytes:
    # Purpose and key id cannot hold a NUL, so no two bindings share one text.
    return b"\0".join([bytes([_SEAL_VERSION]), purpose.value.encode(), key_id.encode(), bound_to.encode()])
