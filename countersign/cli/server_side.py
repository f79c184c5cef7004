"""What the commands of ops work with: database and Temporal themselves, keys of payloads and audit chain."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from temporalio.service import RPCError

from countersign.adapters.keyring import Purpose
from countersign.adapters.temporal_tls import NotConnected
from countersign.cli.context import command_settings
from countersign.domain.errors import Unavailable
from countersign.domain.messages import Actor, ActorKind
from countersign.effects.key_fitness import require_fitting
from countersign.wiring import Parts, parts

OPS = Actor(kind=ActorKind.OPS)
OPS_PURPOSES = frozenset({Purpose.PAYLOAD, Purpose.AUDIT})


@asynccontextmanager
async def opened(*, temporal: bool = False, purposes: frozenset[Purpose] = OPS_PURPOSES) -> AsyncIterator[Parts]:
    """Open the database, and Temporal if asked for, with the keys of ``purposes``.

    What does not answer is told as ``Unavailable``; raises ``KeysUnfit`` for a ring that does not fit the database.
    """
    settings = command_settings()
    # The pool tells of each vain attempt; the command tells once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    async with AsyncExitStack() as stack:
        try:
            core = await stack.enter_async_context(parts(settings, purposes=purposes, lazy=not temporal))
        except NotConnected as error:
            raise Unavailable(str(error)) from None
        async with core.database.connection() as connection:
            await require_fitting(connection, core.keys)
        try:
            yield core
        except RPCError as error:
            raise Unavailable(f"Temporal answered {error.status.name}.") from None
