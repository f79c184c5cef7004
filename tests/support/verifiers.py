"""Verifiers on a database of their own, served over real HTTP in the process of the tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette

from api.verifier.app import create_verifier
from api.verifier.serving import VerifierServer
from countersign.adapters.keyring import KeyRing, derive_ring
from countersign.adapters.ring_text import RingText
from countersign.effects.key_fitness import register
from countersign.local.issuer import ISSUER, Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.settings import Settings
from countersign.storage.database import Database
from countersign.verification.purposes import VERIFIER_PURPOSES
from countersign.verification.verifier import Verifier
from countersign.verifier_settings import VerifierSettings
from tests.support.customers import Customer
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually

AUDIENCE = "countersign-verifier"


@dataclass(frozen=True)
class Site:
    """A database that the application writes to, and what a verifier is told of it."""

    own: OwnDatabase
    database: Database
    keys: KeyRing
    issuer: Issuer
    settings: Settings

    @classmethod
    @asynccontextmanager
    async def opened(cls, server: EmbeddedPostgres, issuer: Issuer) -> AsyncIterator["Site"]:
        own, ring = await asyncio.to_thread(OwnDatabase.make_migrated, server), RingText.new()
        keys, database = KeyRing.from_json(ring.dump()), Database(own.app_url, pool_size=4)
        await database.open()
        async with database.transaction() as connection:
            await register(connection, keys)
        settings = Settings(
            database_url=SecretStr(own.verifier_url),
            key_ring=SecretStr(derive_ring(ring, VERIFIER_PURPOSES).dump()),
            jwt_issuer=ISSUER,
            jwt_key_file=issuer.jwks_file,
        )
        yield cls(own, database, keys, issuer, settings)
        await database.close()

    @property
    def token(self) -> str:
        return self.issuer.mint(subject="trading-gateway", audience=AUDIENCE)

    async def customer(self) -> Customer:
        return await Customer.enter(self.database, self.keys)

    @asynccontextmanager
    async def verifier(self, **changes: Any) -> AsyncIterator["Served"]:
        """Serve a verifier; ``url`` replaces its database's address, all else is for its settings."""
        url = changes.pop("url", self.settings.database_url.get_secret_value())
        own = VerifierSettings(**{"port": free_port(), **changes})
        settings = self.settings.model_copy(update={"verifier": own, "database_url": SecretStr(url)})
        async with served(create_verifier(settings), settings) as found:
            yield found


@dataclass(frozen=True)
class Served:
    """A verifier that answers at ``url``."""

    app: Starlette
    url: str

    @property
    def verifier(self) -> Verifier:
        found: Verifier = self.app.state.parts.verifier
        return found

    async def until_followed(self) -> None:
        """Return once it hears of changes as they happen."""

        async def look() -> bool:
            return self.verifier.follower.is_proven

        await eventually(look)

    async def until_told(self, customer: Customer, credential_id: Any, **counts: int) -> None:
        """Return once the credential's activity is written and is this."""
        await eventually(lambda: customer.counted(credential_id), lambda found: found == counts)


@asynccontextmanager
async def served(app: Starlette, settings: Settings) -> AsyncIterator[Served]:
    server = VerifierServer(app, settings)
    # Not `serve`, which takes the signals that stop the tests.
    serving = asyncio.create_task(server._serve())
    while not server.started:
        assert not serving.done() or serving.result()
        await asyncio.sleep(0.01)
    scheme = "https" if settings.verifier.tls_cert_file else "http"
    found = Served(app, f"{scheme}://127.0.0.1:{settings.verifier.port}")
    try:
        await found.until_followed()
        yield found
    finally:
        server.should_exit = True
        await serving
