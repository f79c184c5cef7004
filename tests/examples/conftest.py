"""The example gateway on a verifier of the cast's database, and foreign clients."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from pydantic import SecretStr

from api.verifier.app import create_verifier
from countersign.adapters.keyring import derive_ring
from countersign.adapters.ring_text import RingText
from countersign.effects.key_fitness import register
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.settings import Settings
from countersign.verification.purposes import VERIFIER_PURPOSES
from countersign.verifier_settings import VerifierSettings
from countersign.wiring import Parts
from tests.examples.ccxt_client import Ccxt
from tests.support.customers import Customer
from tests.support.gateways import ExampleGateway, running_gateway
from tests.support.verifiers import AUDIENCE, Served, served

VerifierAt = Callable[[int], AbstractAsyncContextManager[Served]]


@pytest.fixture(scope="session")
async def verifier_at(settings: Settings, postgres: EmbeddedPostgres, core: Parts) -> VerifierAt:
    """Serve a verifier with its own rights and keys alone."""
    async with core.database.transaction() as connection:
        await register(connection, core.keys)
    ring = RingText.parse(settings.key_ring.get_secret_value())
    changes = {
        "database_url": SecretStr(postgres.verifier_url),
        "key_ring": SecretStr(derive_ring(ring, VERIFIER_PURPOSES).dump()),
    }

    def serve(port: int) -> AbstractAsyncContextManager[Served]:
        own = settings.model_copy(update={**changes, "verifier": VerifierSettings(port=port)})
        return served(create_verifier(own), own)

    return serve


@pytest.fixture(scope="session")
async def verifier(verifier_at: VerifierAt) -> AsyncIterator[Served]:
    async with verifier_at(free_port()) as found:
        yield found


@pytest.fixture
async def customer(core: Parts) -> Customer:
    """Someone whose credentials were put straight into the database, where how they came about is no matter."""
    return await Customer.enter(core.database, core.keys)


@pytest.fixture(scope="session")
def token(issuer: Issuer) -> str:
    return issuer.mint(subject="example-gateway", audience=AUDIENCE)


@pytest.fixture(scope="session")
async def gateway(verifier: Served, token: str) -> AsyncIterator[ExampleGateway]:
    """A gateway behind a proxy: it believes what this machine says about where clients are."""
    async with running_gateway(verifier.url, token, trusted_proxies="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="session")
async def ccxt(gateway: ExampleGateway) -> AsyncIterator[Ccxt]:
    async with Ccxt.started(gateway.url) as client:
        yield client
