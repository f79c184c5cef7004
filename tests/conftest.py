"""One real stack for the whole run: PostgreSQL, Temporal that skips time, the API, a worker, and stand-in providers.

Tests keep apart by each having customers of their own.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from xdist.remote import Producer

from countersign.adapters.keyring import KeyRing, Purpose, new_key_ring_json
from countersign.domain.rules import Rules
from countersign.effects.work import Desk
from countersign.local.issuer import ISSUER, Issuer, load_or_make_issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import EmbeddedTemporal
from countersign.settings import Quotas, Settings
from countersign.storage.database import Database
from countersign.wiring import Parts, parts
from tests.adapters.standins import SendGridStandIn, TwilioStandIn
from tests.support.cast import Cast, Providers
from tests.support.databases import migrated_postgres
from tests.support.scheduling import ByFile, longest_first
from tests.support.stage import api_of
from tests.support.workers import working


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = longest_first(items)


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    # The mutation tests run the tests thousands of times: theirs is up already.
    running: tuple[Path, int] | None = getattr(pytestconfig.option, "running_postgres", None)
    if running is None:
        with migrated_postgres(tmp_path_factory.mktemp("postgres"), free_port()) as server:
            yield server
    else:
        server = EmbeddedPostgres(*running, durable=False)
        server.prepare()
        yield server


@pytest.fixture(scope="session")
async def desk(postgres: EmbeddedPostgres) -> AsyncIterator[Desk]:
    """What effects need, without Temporal."""
    database = Database(postgres.app_url, pool_size=2)
    await database.open()
    yield Desk(database=database, keys=KeyRing.from_json(new_key_ring_json()), rules=Rules())
    await database.close()


@pytest.fixture(scope="session")
def temporal() -> Iterator[EmbeddedTemporal]:
    with EmbeddedTemporal(port=free_port(), time_skipping=True).running() as server:
        yield server


@pytest.fixture(scope="session")
def providers() -> Iterator[Providers]:
    with TwilioStandIn.running() as twilio, SendGridStandIn.running() as sendgrid:
        yield Providers(twilio=twilio, sendgrid=sendgrid)


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return load_or_make_issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="session")
def settings(postgres: EmbeddedPostgres, temporal: EmbeddedTemporal, issuer: Issuer, providers: Providers) -> Settings:
    return Settings(
        database_url=SecretStr(postgres.app_url),
        temporal_address=temporal.address,
        key_ring=SecretStr(new_key_ring_json()),
        jwt_issuer=ISSUER,
        jwt_key_file=issuer.jwks_file,
        oidc_issuer="https://identity.example",
        oidc_client_id="countersign",
        oidc_client_secret=SecretStr("secret"),
        twilio_account_sid=f"AC{'0' * 32}",
        twilio_auth_token=SecretStr("token"),
        twilio_from="+447700900000",
        twilio_base_url=providers.twilio.url,
        sendgrid_api_key=SecretStr("key"),
        sendgrid_from="countersign@example.com",
        sendgrid_base_url=providers.sendgrid.url,
        provider_timeout_seconds=2,
        public_url="https://countersign.example",
        # The whole suite is one caller from one address; tests of the quotas have settings of their own.
        quotas=Quotas(sign_in=0, unproven=0, codes=0, starts=0, previews=0, codec=0),
    )


@pytest.fixture(scope="session")
async def core(settings: Settings) -> AsyncIterator[Parts]:
    async with parts(settings, purposes=frozenset(Purpose), lazy=False) as opened:
        yield opened


@pytest.fixture(scope="session")
async def worker(core: Parts) -> AsyncIterator[None]:
    async with working(core):
        yield


@pytest.fixture(scope="session")
async def http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with api_of(settings) as client:
        yield client


@pytest.fixture
async def cast(core: Parts, http: httpx.AsyncClient, issuer: Issuer, providers: Providers, worker: None) -> Cast:
    """One fixed cast of people, new for each test: owner, second owner, member, account manager, outsider, ops."""
    return await Cast.enter(core, http=http, issuer=issuer, providers=providers)
