"""Who calls the API: the person of the token, and what he or she may be here."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from fastapi.security import HTTPAuthorizationCredentials

from api.services import (
    OWNER_ERRORS,
    Caller,
    Services,
    UsedCaller,
    UsedManager,
    UsedOwner,
    account_manager,
    caller,
    client_ip,
    now,
    owner,
)
from countersign.domain.errors import Forbidden, NotSignedIn, PrimeLiquidityRequired, Unavailable
from countersign.domain.messages import ActorKind
from countersign.domain.people import Role
from countersign.local.issuer import Issuer
from tests.support.asking import asking
from tests.support.house import IP, House, by


def bearer(issuer: Issuer, user_id: UUID, account_id: UUID | None = None) -> HTTPAuthorizationCredentials:
    account = str(account_id) if account_id else None
    token = issuer.mint(subject=str(user_id), audience="countersign", account=account)
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)


@dataclass(frozen=True)
class Gateway:
    """Calls for people."""

    services: Services
    issuer: Issuer

    async def calling(self, user_id: UUID, account_id: UUID | None) -> Caller:
        return await caller(asking(), self.services, bearer(self.issuer, user_id, account_id))


@pytest.fixture
def gateway(services: Services, issuer: Issuer) -> Gateway:
    return Gateway(services, issuer)


def staff(role: Role | None) -> Caller:
    user_id = uuid4()
    return Caller(user_id, None, owns=False, staff_role=role, actor=by(user_id))


async def test_a_token_names_who_calls_for_which_account_and_from_where(
    services: Services, issuer: Issuer, house: House
) -> None:
    who = await caller(asking(), services, bearer(issuer, house.owner, house.account_id))
    assert (who.user_id, who.account_id, who.staff_role) == (house.owner, house.account_id, None)
    assert (who.actor.kind, who.actor.user_id, str(who.actor.ip)) == (ActorKind.USER, house.owner, IP)
    manager = await caller(asking(), services, bearer(issuer, house.manager))
    assert (manager.account_id, manager.staff_role) == (None, Role.ACCOUNT_MANAGER)


async def test_the_address_that_the_gateway_names_goes_before_the_connections(
    services: Services, issuer: Issuer, house: House
) -> None:
    claims = {"iss": "urn:countersign:local", "aud": "countersign", "sub": str(house.owner), "ip": "198.51.100.1"}
    token = issuer.sign(claims, lifetime=services.settings.rules.code_lifetime)
    credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)
    assert str((await caller(asking(), services, credentials)).actor.ip) == "198.51.100.1"


async def test_no_token_and_a_token_of_nobody_are_refused(services: Services, issuer: Issuer) -> None:
    with pytest.raises(NotSignedIn):
        await caller(asking(), services, None)
    with pytest.raises(NotSignedIn, match="nobody"):
        await caller(asking(), services, bearer(issuer, uuid4()))


async def test_an_owner_of_prime_liquidity_is_one(gateway: Gateway, house: House) -> None:
    found = await owner(await gateway.calling(house.owner, house.account_id))
    assert (found.user_id, found.account_id, found.actor) == (house.owner, house.account_id, by(house.owner))


@pytest.mark.parametrize("who", ["member", "stranger", "manager"])
async def test_nobody_else_is(gateway: Gateway, house: House, who: str) -> None:
    with pytest.raises(PrimeLiquidityRequired):
        await owner(await gateway.calling(getattr(house, who), house.account_id))


async def test_nor_an_owner_without_account_of_another_account_or_without_prime_liquidity(
    gateway: Gateway, house: House
) -> None:
    other = await House.build(gateway.services.desk)
    await house.change("UPDATE accounts SET prime_liquidity = false WHERE id = %s", house.account_id)
    for account_id in (None, uuid4(), other.account_id, house.account_id):
        with pytest.raises(PrimeLiquidityRequired):
            await owner(await gateway.calling(house.owner, account_id))


@pytest.mark.parametrize("role", [None, Role.OPS, Role.OWNER])
async def test_only_account_managers_are_account_managers(role: Role | None) -> None:
    manager = staff(Role.ACCOUNT_MANAGER)
    assert await account_manager(manager) is manager
    with pytest.raises(Forbidden):
        await account_manager(staff(role))


@pytest.mark.parametrize(
    ("told", "ip"), [(IP, IP), ("2001:db8::1", "2001:db8::1"), ("unknown", None), ("", None), (None, None)]
)
def test_an_address_is_one_or_nothing(told: str | None, ip: str | None) -> None:
    assert client_ip(asking(client=told)) == ip


def test_what_a_route_for_owners_can_answer_is_documented() -> None:
    assert (NotSignedIn, PrimeLiquidityRequired, Unavailable) == OWNER_ERRORS
    assert now().utcoffset() is not None


async def test_a_route_gets_them_by_dependency_and_answers_without_a_token_itself(
    services: Services, issuer: Issuer, house: House
) -> None:
    app = FastAPI()
    app.state.services = services

    @app.get("/me")
    async def me(who: UsedCaller) -> str:
        return str(who.user_id)

    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {bearer(issuer, house.owner).credentials}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
        assert (await client.get("/me")).json() == str(house.owner)
        client.headers.pop("Authorization")
        with pytest.raises(NotSignedIn):
            await client.get("/me")
        scheme = (await client.get("/openapi.json")).json()["components"]["securitySchemes"]["HTTPBearer"]
    assert (scheme["scheme"], scheme["bearerFormat"]) == ("bearer", "JWT")


def test_the_services_of_the_process_are_what_routes_use(services: Services) -> None:
    assert services.desk is services.core.desk
    assert services.settings is services.core.settings


async def test_routes_for_owners_and_account_managers_ask_who_calls(
    services: Services, issuer: Issuer, house: House
) -> None:
    app = FastAPI()
    app.state.services = services

    @app.get("/owner")
    async def for_owners(who: UsedOwner) -> str:
        return str(who.user_id)

    @app.get("/manager")
    async def for_managers(who: UsedManager) -> str:
        return str(who.user_id)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        client.headers["Authorization"] = f"Bearer {bearer(issuer, house.owner, house.account_id).credentials}"
        assert (await client.get("/owner")).json() == str(house.owner)
        with pytest.raises(Forbidden):
            await client.get("/manager")
        client.headers["Authorization"] = f"Bearer {bearer(issuer, house.manager).credentials}"
        assert (await client.get("/manager")).json() == str(house.manager)
        with pytest.raises(PrimeLiquidityRequired):
            await client.get("/owner")
