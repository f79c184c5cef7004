"""The pages over HTTP, with an identity provider that the tests hold in their hands."""

from collections.abc import AsyncIterator

import pytest

from countersign.local.issuer import Issuer
from countersign.settings import Settings
from tests.support.signing_in import PUBLIC_URL, Browser, Lies, Place


@pytest.fixture(scope="session")
async def place(settings: Settings, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    data = tmp_path_factory.mktemp("place")
    local = settings.model_copy(update={"mode": "local", "data": data, "public_url": PUBLIC_URL})
    async with Place.open(local, issuer) as opened:
        yield opened


@pytest.fixture
async def browser(place: Place) -> AsyncIterator[Browser]:
    place.provider.lies = Lies()
    async with place.browser() as opened:
        yield opened
