"""The keys that tokens are signed with: from a file, or from the issuer's JWKS address (RFC 7517)."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import httpx
import jwt

from countersign.domain.errors import Unavailable

_FRESH_SECONDS = 300.0
_STALE_SECONDS = 3600.0
_TIMEOUT_SECONDS = 3.0
_LARGEST_BYTES = 1_000_000


class Keys(Protocol):
    """Where the keys of tokens come from."""

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key of that id, or the only one for None; raises ``Unavailable`` when it cannot be known."""
        ...


class FileKeys:
    """The keys of a JWKS file, read once."""

    def __init__(self, file: Path | None) -> None:
        self._keys = parse_keys(file.read_bytes()) if file else []

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key of that id, or the only one for None."""
        return _pick(self._keys, key_id)


class RemoteKeys:
    """The keys at a JWKS address, asked for every five minutes, and when a token names a key not seen before.

    While the address does not answer, the keys last seen are good for an hour. ``pause`` (s) lies between two
    attempts, so that neither tokens with invented key ids nor an outage flood the issuer.
    """

    def __init__(self, url: str, *, pause: float = 5.0) -> None:
        self._url = url
        self._pause = pause
        self._keys: list[jwt.PyJWK] = []
        self._seen_at = -_STALE_SECONDS
        self._tried_at = -_STALE_SECONDS
        self._lock = asyncio.Lock()

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """Return the key of that id, or the only one for None; raises ``Unavailable`` when it cannot be known."""
        if self._age() < _FRESH_SECONDS and (known := _pick(self._keys, key_id)):
            return known
        async with self._lock:
            await self._ask_again()
        if self._age() < _STALE_SECONDS and (known := _pick(self._keys, key_id)):
            return known
        if self._seen_at < self._tried_at:
            raise Unavailable("The issuer of tokens does not answer; try again.", retry_after=5)
        return None

    def _age(self) -> float:
        return time.monotonic() - self._seen_at

    async def _ask_again(self) -> None:
        if time.monotonic() - self._tried_at < self._pause:
            return
        self._tried_at = time.monotonic()
        try:
            self._keys = await fetch_keys(self._url)
        except (httpx.HTTPError, ValueError, jwt.PyJWTError):
            return
        self._seen_at = self._tried_at


async def _get(url: str) -> bytes:
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
        response = (await client.get(url)).raise_for_status()
    if len(response.content) > _LARGEST_BYTES:
        raise ValueError
    return response.content


async def fetch_keys(url: str) -> list[jwt.PyJWK]:
    """Return the keys at the address; raises ``httpx.HTTPError``, ``ValueError`` or ``jwt.PyJWTError``."""
    return parse_keys(await _get(url))


def parse_keys(document: bytes) -> list[jwt.PyJWK]:
    """Return the keys for signatures of a JWKS; raises ``ValueError`` or ``jwt.PyJWTError``."""
    found = json.loads(document)
    if not isinstance(found, dict):
        raise ValueError("A JWKS is a JSON object (RFC 7517, section 5).")  # noqa: TRY004 - a wrong answer, not a wrong call
    keys = jwt.PyJWKSet.from_dict(found).keys
    return [key for key in keys if key.public_key_use in {"sig", None}]


def _pick(keys: Sequence[jwt.PyJWK], key_id: str | None) -> jwt.PyJWK | None:
    if key_id is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.key_id == key_id), None)
