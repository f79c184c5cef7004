from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from countersign.adapters.keyring import Purpose
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.wiring import parts
from tests.races.course import Course
from tests.support.cast import Providers
from tests.support.databases import OwnDatabase
from tests.support.stage import set_stage, without_caps


@pytest.fixture(scope="session")
async def course(
    postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers
) -> AsyncIterator[Course]:
    own = OwnDatabase.make_migrated(postgres)  # what races leave behind would keep others' chores busy
    apart = settings.model_copy(update={"database_url": SecretStr(own.app_url)})
    rules = replace(without_caps(settings.rules), credentials_per_account=10**6)
    async with (
        parts(apart, purposes=frozenset(Purpose), lazy=False) as core,
        set_stage(core, issuer=issuer, providers=providers, rules=rules) as stage,
        stage.at_work(),
    ):
        yield Course(stage, issuer, own.app_url)
