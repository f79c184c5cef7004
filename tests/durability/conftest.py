from collections.abc import AsyncIterator

import httpx
import pytest

from countersign.local.issuer import Issuer
from countersign.settings import Settings
from countersign.wiring import Parts
from tests.support.cast import Providers
from tests.support.stage import Stage, api_of, set_stage


@pytest.fixture
async def stage(core: Parts, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    async with set_stage(core, issuer=issuer, providers=providers) as opened:
        yield opened


@pytest.fixture(scope="session")
async def impatient(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An API that gives a worker a fifth of a second to answer."""
    async with api_of(settings.model_copy(update={"message_timeout_seconds": 0.2})) as client:
        yield client
