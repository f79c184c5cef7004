"""Following what is revoked, over one connection that is made anew whenever it fails or falls silent."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import aiohttp
from pydantic import TypeAdapter, ValidationError

from countersign.domain.verification import Alive, Lost, Revoked, Told
from countersign.gateway_client.errors import NotLetIn, VerifierUnavailable

_LOG = logging.getLogger(__name__)
_SILENCE_SECONDS = 3.0
_CONNECT_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_TOLD: TypeAdapter[Alive | Revoked | Lost] = TypeAdapter(Told)


async def follow(
    http: aiohttp.ClientSession, url: str, headers: Callable[[], dict[str, str]]
) -> AsyncGenerator[Revoked | Lost]:
    """Yield what is revoked, and ``Lost`` whenever some of it may have been missed."""
    pause, was_lost = _FIRST_PAUSE_SECONDS, False
    while True:
        try:
            async with aclosing(_stream(http, url, headers())) as stream:
                async for told in stream:
                    if was_lost:
                        # Heard again: what was revoked in between was not.
                        pause, was_lost = _FIRST_PAUSE_SECONDS, False
                        yield Lost()
                    if not isinstance(told, Alive):
                        yield told
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError, VerifierUnavailable) as error:
            _LOG.warning("Revocations are not heard: %s", type(error).__name__)
        was_lost = True
        yield Lost()
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _stream(
    http: aiohttp.ClientSession, url: str, headers: dict[str, str]
) -> AsyncGenerator[Alive | Revoked | Lost]:
    patience = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
    async with http.get(url, headers=headers, timeout=patience) as answer:
        if answer.status in {401, 403}:
            raise NotLetIn(f"The verifier answered {answer.status}: it does not let this gateway in.")
        if answer.status != 200:  # noqa: PLR2004 - OK
            raise VerifierUnavailable(f"The verifier answered {answer.status}.")
        async for line in answer.content:
            yield _TOLD.validate_json(line)
