from collections.abc import AsyncIterator, Iterator

import pytest

from countersign.local.postgres import EmbeddedPostgres
from tests.support.trails import Connection, Trails
from tests.support.trails import trails as make_trails


@pytest.fixture(scope="module")
async def trails(postgres: EmbeddedPostgres) -> AsyncIterator[Trails]:
    async with make_trails(postgres) as made:
        yield made


@pytest.fixture
def attacker(trails: Trails) -> Iterator[Connection]:
    """An attacker with the whole database; what he does is undone."""
    with trails.tampering() as connection:
        yield connection
