"""The API's parts without Temporal, asked as its routes ask them."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from api.quotas import Limiter
from api.services import Services
from api.tokens import TokenVerifier
from countersign.adapters.keyring import Purpose, new_key_ring_json
from countersign.dispatch.key_watch import KeyWatch
from countersign.local.issuer import ISSUER, Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.wiring import messenger, parts
from tests.support.house import House


@pytest.fixture(scope="session")
def settings(postgres: EmbeddedPostgres, issuer: Issuer) -> Settings:
    return Settings(
        database_url=SecretStr(postgres.app_url),
        key_ring=SecretStr(new_key_ring_json()),
        jwt_issuer=ISSUER,
        jwt_key_file=issuer.jwks_file,
        public_url="https://countersign.example",
    )


@pytest.fixture(scope="session")
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with parts(settings, purposes=frozenset(Purpose), lazy=True) as core:
        yield Services(
            core=core,
            messenger=messenger(core),
            tokens=TokenVerifier(settings),
            inbox=None,
            watch=KeyWatch(core.database, core.keys, kind="api"),
            limiter=Limiter(settings.quotas),
        )


@pytest.fixture
async def house(services: Services) -> House:
    return await House.build(services.desk)
