"""The text of a key ring: what it may say, and the texts that follow from it when keys come, take over and go.

A ring of masters is ``{"current": "k1", "next": "k2", "keys": {"k1": "<base64url>", "k2": "<base64url>"}}``; without a
key that is to take over it has no ``next``. A derived ring has ``derived`` in place of ``keys``: for each id the keys
of some purposes alone. Keys stand in the order in which they came.
"""

import base64
import binascii
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from countersign.domain.errors import DomainError

KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_KEY_BYTES = 32


class KeyRingInvalid(DomainError):
    """The key ring cannot be used; ``str()`` says why and how to mend it, without key material."""

    slug = "key-ring-invalid"


@dataclass(frozen=True)
class RingText:
    """A ring as its text says it: either masters by id, or derived keys by id and purpose."""

    current: str
    masters: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    derived: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict, repr=False)
    next: str | None = None

    @classmethod
    def new(cls) -> Self:
        """Return a ring with one random master of 256 bits."""
        key_id = _new_id(())
        return cls(current=key_id, masters={key_id: os.urandom(_KEY_BYTES)})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what ``text`` says. Raises ``KeyRingInvalid``."""
        ring = _members(text)
        masters = {key_id: _key(key_id, key) for key_id, key in ring.get("keys", {}).items()}
        derived = {key_id: _derived(key_id, keys) for key_id, keys in ring.get("derived", {}).items()}
        _require_different(masters, derived)
        ids = [*masters, *derived]
        if ring.get("current") not in ids:
            raise KeyRingInvalid(f"The key ring's current id is none of its ids ({', '.join(ids)}).")
        if ring.get("next") not in {None, *ids} - {ring["current"]}:
            raise KeyRingInvalid(f"The key ring's next id is none of its other ids ({', '.join(ids)}).")
        return cls(current=ring["current"], masters=masters, derived=derived, next=ring.get("next"))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, oldest first."""
        return (*self.masters, *self.derived)

    def dump(self) -> str:
        """Return the text, key material included."""
        following = {} if self.next is None else {"next": self.next}
        if self.derived:
            keys: dict[str, Any] = {"derived": {key_id: _encoded(keys) for key_id, keys in self.derived.items()}}
        else:
            keys = {"keys": _encoded(self.masters)}
        return json.dumps({"current": self.current, **following, **keys}, indent=2) + "\n"

    def with_next(self) -> Self:
        """Return the ring with one key more, which is to take over."""
        key_id = _new_id(self.ids)
        return replace(self, next=key_id, masters={**self.masters, key_id: os.urandom(_KEY_BYTES)})

    def taken_over(self) -> Self:
        """Return the ring with the next key as its current one; without a next key, the same ring."""
        return self if self.next is None else replace(self, current=self.next, next=None)

    def without(self, key_id: str) -> Self:
        """Return the ring without that key, which must not be the current one."""
        kept = {each: key for each, key in self.masters.items() if each != key_id}
        return replace(self, masters=kept, next=None if self.next == key_id else self.next)


def _new_id(taken: Iterable[str]) -> str:
    # With the day, so that people see which is older.
    key_id = f"k{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(3)}"
    return key_id if key_id not in taken else _new_id(taken)


def _encoded(keys: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.urlsafe_b64encode(key).decode() for name, key in keys.items()}


def _members(text: str) -> dict[str, Any]:
    try:
        ring: Any = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        # The parser's own message quotes its input, which is key material.
        raise KeyRingInvalid("The key ring is not valid JSON, or names a member twice.") from None
    # Both at once would leave it open which of them counts.
    named = [ring[name] for name in ("keys", "derived") if name in ring] if isinstance(ring, dict) else []
    if len(named) != 1 or not isinstance(named[0], dict) or not named[0]:
        raise KeyRingInvalid('The key ring must look like {"current": "k1", "keys": {"k1": "<base64url>"}}.')
    if not isinstance(ring.get("current"), str):
        raise KeyRingInvalid(f"The key ring's current id is none of its ids ({', '.join(map(_shown, named[0]))}).")
    if not isinstance(ring.get("next"), str | None):
        raise KeyRingInvalid("The key ring's next id is no text.")
    return dict(ring)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _derived(key_id: str, keys: object) -> dict[str, bytes]:
    if not isinstance(keys, dict) or not keys:
        raise KeyRingInvalid(f"The derived keys under {_shown(key_id)} must be named by their purposes.")
    return {purpose: _key(key_id, key) for purpose, key in keys.items()}


def _key(key_id: str, text: object) -> bytes:
    if not KEY_ID.fullmatch(key_id):
        raise KeyRingInvalid("A key id has 1 to 64 letters, digits, hyphens or underscores.")
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise KeyRingInvalid(f"The key {key_id} is not base64url text.")
    unpadded = text.rstrip("=")
    try:
        key = base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4))
    except binascii.Error:
        raise KeyRingInvalid(f"The key {key_id} is not base64url text.") from None
    if len(key) < _KEY_BYTES:
        raise KeyRingInvalid(f"The key {key_id} has {len(key)} bytes; at least {_KEY_BYTES} are needed.")
    return key


def _require_different(masters: Mapping[str, bytes], derived: Mapping[str, Mapping[str, bytes]]) -> None:
    keys = [*masters.values(), *(key for by_purpose in derived.values() for key in by_purpose.values())]
    if len(set(keys)) < len(keys):
        raise KeyRingInvalid("Two ids or purposes of the key ring have the same key.")


def _shown(key_id: str) -> str:
    return key_id if KEY_ID.fullmatch(key_id) else "?"
