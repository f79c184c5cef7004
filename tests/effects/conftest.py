"""Effects on a real PostgreSQL with real keys, the clock in the test's hand, and no Temporal."""

from collections.abc import AsyncIterator

import pytest

from countersign.effects.work import Desk
from countersign.local.postgres import EmbeddedPostgres
from tests.support.emergencies import desk_apart
from tests.support.house import House


@pytest.fixture
async def house(desk: Desk) -> House:
    return await House.build(desk)


@pytest.fixture(scope="module")
async def apart(postgres: EmbeddedPostgres) -> AsyncIterator[Desk]:
    """A desk whose database nobody else works on: for what concerns every account."""
    async with desk_apart(postgres) as desk:
        yield desk
