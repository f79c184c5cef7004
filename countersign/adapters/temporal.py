"""The connection to Temporal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.service import RPCError, RPCStatusCode

from countersign.adapters.keyring import KeyRing
from countersign.adapters.payload_codec import data_converter
from countersign.adapters.temporal_tls import Tls, why_not
from countersign.adapters.temporal_tracing import tracing

SEARCH_ATTRIBUTES = ("AccountId", "CredentialKind", "ApprovalStep", "SessionName")


@dataclass(frozen=True)
class Frontend:
    """Where Temporal is and how it is reached; an API key is never sent without TLS."""

    address: str
    namespace: str = "default"
    api_key: str = field(default="", repr=False)
    tls: Tls = field(default_factory=Tls)

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection has TLS."""
        return self.tls.is_on or bool(self.api_key)

    async def connect(self, key_ring: KeyRing, *, lazy: bool = False) -> Client:
        """Return a client whose payloads, failures and headers are encrypted.

        A lazy client connects at its first call, so that a process starts while Temporal is down; a worker cannot use
        one. Raises ``NotConnected`` when the server is not reached (never if lazy), and ``TlsUnusable``.
        """
        return await self._connect(
            lazy=lazy,
            data_converter=data_converter(key_ring, self.namespace),
            header_codec_behavior=HeaderCodecBehavior.CODEC,
            interceptors=tracing(),
        )

    async def connect_without_keys(self) -> Client:
        """Return a client for what has no payloads; raises ``NotConnected`` and ``TlsUnusable``."""
        return await self._connect()

    async def _connect(self, **how: Any) -> Client:
        tls = self.tls.config() or self.is_encrypted
        key = self.api_key or None
        try:
            return await Client.connect(self.address, namespace=self.namespace, api_key=key, tls=tls, **how)
        except RuntimeError as error:
            raise why_not(error, address=self.address) from error


@asynccontextmanager
async def answered_within(patience: timedelta) -> AsyncIterator[None]:
    """Raise ``RPCError`` where the calls of the block take longer.

    A call's own ``rpc_timeout`` is that of each try, and while nothing answers the client tries for ten seconds.
    """
    try:
        async with asyncio.timeout(patience.total_seconds()):
            yield
    except TimeoutError:
        raise RPCError("Temporal does not answer.", RPCStatusCode.DEADLINE_EXCEEDED, b"") from None
