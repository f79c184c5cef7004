"""Verifiers on a real PostgreSQL, with the rights and the keys of their role alone."""

from collections.abc import AsyncIterator

import pytest

from countersign.gateway_client import GatewayClient
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from tests.support.customers import Customer
from tests.support.verifiers import Served, Site


@pytest.fixture(scope="session")
async def site(postgres: EmbeddedPostgres, issuer: Issuer) -> AsyncIterator[Site]:
    async with Site.opened(postgres, issuer) as opened:
        yield opened


@pytest.fixture(scope="session")
async def verifier(site: Site) -> AsyncIterator[Served]:
    async with site.verifier() as served:
        yield served


@pytest.fixture
async def gateway(site: Site, verifier: Served) -> AsyncIterator[GatewayClient]:
    async with GatewayClient(verifier.url, token=site.token) as client:
        yield client


@pytest.fixture
async def customer(site: Site) -> Customer:
    return await site.customer()
