"""Calls are counted by person and address, and what proves nothing by address, before a route does anything."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.security import HTTPAuthorizationCredentials

from api import services as for_the_api
from api.pages import visitors as for_pages
from api.quotas import Limiter, Quota
from api.services import Services, caller
from countersign.domain.errors import NotSignedIn, SessionEnded, TooManyCalls
from countersign.domain.messages import Actor, ActorKind
from countersign.local.issuer import Issuer
from countersign.settings import Quotas
from tests.callers.test_callers import bearer
from tests.callers.test_visitors import COOKIE, looking, signed_in
from tests.support.asking import asking
from tests.support.house import House, by

ELSEWHERE = "198.51.100.1"


@pytest.fixture
def once(services: Services) -> Services:
    """The services under quotas of one call each."""
    quotas = Quotas(sign_in=1, unproven=1, codes=1, starts=1, previews=1, codec=1)
    return replace(services, limiter=Limiter(quotas))


async def spend(services: Services, actor: Actor, quota: Quota = Quota.CODES) -> None:
    await services.spend(asking(), quota, actor)


async def test_a_person_has_the_quota_at_each_address_and_each_quota_once(once: Services) -> None:
    person, other = by(uuid4()), by(uuid4())
    await spend(once, person)
    with pytest.raises(TooManyCalls):
        await spend(once, person)

    await spend(once, other)
    await spend(once, person.model_copy(update={"ip": ELSEWHERE}))
    await spend(once, person, Quota.STARTS)


async def test_who_comes_from_no_known_address_has_the_quota_too(once: Services) -> None:
    person = Actor(kind=ActorKind.USER, user_id=uuid4())
    await spend(once, person)
    with pytest.raises(TooManyCalls):
        await spend(once, person)
    await spend(once, person.model_copy(update={"ip": "203.0.113.7"}))


def app_with(services: Services, dependency: Any) -> httpx.AsyncClient:
    """Return a client of an application whose one route has the dependency."""
    app = FastAPI()
    app.state.services = services

    @app.post("/", dependencies=[dependency])
    async def do() -> str:
        return "done"

    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(ELSEWHERE, 1)), base_url="https://here")


async def test_a_route_that_is_limited_does_nothing_for_one_call_too_many(
    once: Services, issuer: Issuer, house: House
) -> None:
    async with app_with(once, for_the_api.limited(Quota.CODES)) as client:
        client.headers["Authorization"] = f"Bearer {bearer(issuer, house.owner).credentials}"
        assert (await client.post("/")).json() == "done"
        with pytest.raises(TooManyCalls):
            await client.post("/")
        client.headers["Authorization"] = f"Bearer {bearer(issuer, house.member).credentials}"
        assert (await client.post("/")).json() == "done"
    with pytest.raises(TooManyCalls):
        await spend(once, by(house.owner).model_copy(update={"ip": ELSEWHERE}))
    await spend(once, by(house.owner))
    await spend(once, by(house.owner), Quota.STARTS)


async def test_so_does_a_page_that_is_limited(once: Services, house: House) -> None:
    async with app_with(once, for_pages.limited(Quota.CODES)) as client:
        for person in (house.owner, house.member):
            client.headers["Cookie"] = f"{COOKIE}={await signed_in(once, person, None)}"
            client.headers["Sec-Fetch-Site"] = "same-origin"
            assert (await client.post("/")).json() == "done"
            with pytest.raises(TooManyCalls):
                await client.post("/")
    with pytest.raises(TooManyCalls):
        await spend(once, by(house.owner).model_copy(update={"ip": ELSEWHERE}))
    await spend(once, by(house.owner), Quota.STARTS)


async def test_tokens_that_prove_nothing_are_counted_by_address(once: Services) -> None:
    rubbish = HTTPAuthorizationCredentials(scheme="Bearer", credentials="x")
    with pytest.raises(NotSignedIn):
        await caller(asking(), once, rubbish)
    with pytest.raises(TooManyCalls):
        await caller(asking(), once, rubbish)
    with pytest.raises(NotSignedIn):
        await caller(asking(client=ELSEWHERE), once, rubbish)


async def test_sessions_that_are_none_are_too(once: Services) -> None:
    with pytest.raises(SessionEnded):
        await looking(once, "rubbish")
    with pytest.raises(TooManyCalls):
        await looking(once, "rubbish")
    with pytest.raises(SessionEnded):
        await looking(once, "rubbish", client=ELSEWHERE)
