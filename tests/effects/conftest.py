"""Effects on a real PostgreSQL with real keys, the clock in the test's hand, and no Temporal."""

import pytest

from countersign.effects.work import Desk
from tests.support.house import House


@pytest.fixture
async def house(desk: Desk) -> House:
    return await House.build(desk)
