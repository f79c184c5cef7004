"""A stage whose costs are counted: a Temporal with metrics, a database and a worker without chores, for nobody else."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from countersign.domain.rules import Rules
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Settings
from tests.costs import table
from tests.costs.measuring import Measured, scales
from tests.costs.reporting import COSTS, DOCUMENT, report, sizes
from tests.support.cast import Providers
from tests.support.databases import OwnDatabase
from tests.support.stage import Stage, stage_of


@pytest.fixture(scope="session")
def metered_temporal() -> Iterator[EmbeddedTemporal]:
    with EmbeddedTemporal(port=free_port(), metrics_port=free_port()).running() as server:
        yield server


@pytest.fixture(scope="session")
async def counted_stage(
    settings: Settings,
    postgres: EmbeddedPostgres,
    metered_temporal: EmbeddedTemporal,
    issuer: Issuer,
    providers: Providers,
) -> AsyncIterator[Stage]:
    own = {
        "database_url": SecretStr(OwnDatabase.make_migrated(postgres).app_url),
        "temporal_address": metered_temporal.address,
        # A busy machine must not make a provider be asked twice.
        "provider_timeout_seconds": 10,
        "rules": replace(Rules(), resend_after=timedelta(0)),
    }
    async with stage_of(settings.model_copy(update=own), issuer=issuer, providers=providers) as stage:
        yield stage


@pytest.fixture(scope="session")
async def measured(
    counted_stage: Stage, metered_temporal: EmbeddedTemporal, pytestconfig: pytest.Config
) -> list[Measured]:
    """What each journey costs; `python -m tests.costs --write` commits it."""
    assert metered_temporal.metrics_port is not None
    async with scales(counted_stage, metrics_port=metered_temporal.metrics_port) as opened:
        journeys = await opened.weigh_all()
    if getattr(pytestconfig.option, "write_costs", False):
        table.write(table.table_of(journeys), table.EXPECTED)
        COSTS.write(DOCUMENT, f"{report(journeys)}\n\n{sizes(journeys)}")
    return journeys
