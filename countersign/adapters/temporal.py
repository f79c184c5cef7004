"""The connection to Temporal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior
from temporalio.service import RPCError, RPCStatusCode

from countersign.adapters.keyring import KeyRing
from countersign.adapters.payload_codec import data_converter
from countersign.adapters.temporal_tracing import tracing

SEARCH_ATTRIBUTES = ("AccountId", "CredentialKind", "ApprovalStep", "SessionName")


async def connect(
    *, address: str, namespace: str, key_ring: KeyRing, api_key: str = "", tls: bool = False, lazy: bool = False
) -> Client:
    """Return a client of ``namespace`` whose payloads, failures and headers are encrypted.

    A lazy client connects at its first call, so that a process starts while Temporal is down; a worker cannot use one.
    Raises ``RuntimeError`` when the server does not answer (never if lazy).
    """
    return await Client.connect(
        address,
        namespace=namespace,
        api_key=api_key or None,
        tls=tls,
        lazy=lazy,
        data_converter=data_converter(key_ring, namespace),
        header_codec_behavior=HeaderCodecBehavior.CODEC,
        interceptors=tracing(),
    )


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
