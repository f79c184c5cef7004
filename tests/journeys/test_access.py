from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from countersign.domain.people import Role
from countersign.local.issuer import ISSUER, Issuer
from countersign.storage import accounts
from tests.support.cast import Cast, Person
from tests.support.fix import problem, waiting_for_manager

CODE = {"code": "123456"}
BODIES: dict[str, object] = {
    "/edits": {"permissions": ["read"], "ip_whitelist": "", "acknowledge_deactivation": True},
    "/two-factor-code": {**CODE, "reveal_challenge": "x" * 43},
    "/secret": {"reveal_verifier": "x" * 43},
    "/activation": {"when": "now"},
    "/activation-code": CODE,
    "/activation-link": {"token": "x" * 43},
    "/security/changes": {"to": "authenticator"},
    "/recovery-code": {"code": "0000-0000-0000-0000"},
    "/recovery-codes": {"reveal_verifier": "x" * 43},
    "/enrolment": {},
    "/decision": {"decision": "activate", "version": 1},
    "/statement": {"decision": "activate", "version": 1},
    "/v1/api-keys": {"name": "bot", "permissions": []},
    "/v1/fix-credentials": {"session_type": "trade"},
}


async def routes(http: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Return method and path of every route that asks for a token, from the API's own document."""
    paths = (await http.get("/openapi.json")).json()["paths"]
    found = [
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith("/v1/") and "security" in operation
    ]
    assert len(found) > 20
    return found


def body_of(path: str) -> object:
    return next((body for end, body in BODIES.items() if path.endswith(end)), None)


def filled(path: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def made_up(path: str) -> str:
    return filled(
        path, {"credential_id": str(uuid4()), "request_id": str(uuid4()), "session_name": "CS-T-0000-0000-0000"}
    )


async def answers(person: Person, token: str | None) -> Iterator[tuple[str, httpx.Response]]:
    headers = {} if token is None else {"Authorization": token}
    found = []
    for method, path in await routes(person.http):
        response = await person.http.request(method, made_up(path), json=body_of(path), headers=headers)
        found.append((f"{method} {path}", response))
    return iter(found)


def token_with(issuer: Issuer, person: Person, *, key: Any = None, **changes: object) -> str:
    now = datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": "countersign",
        "sub": str(person.id),
        "account": str(person.account_id),
        "exp": now + timedelta(hours=1),
    }
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(kept, key or issuer.key, algorithm="ES256")


def unsigned(person: Person) -> str:
    claims = {"iss": ISSUER, "aud": "countersign", "sub": str(person.id), "exp": datetime.now(UTC) + timedelta(hours=1)}
    return jwt.encode(claims, "", algorithm="none")


BAD_TOKENS: dict[str, Callable[[Issuer, Person], str | None]] = {
    "none": lambda _issuer, _person: None,
    "an empty one": lambda _issuer, _person: "Bearer ",
    "rubbish": lambda _issuer, _person: "Bearer a.b.c",
    "another scheme": lambda issuer, person: f"Basic {token_with(issuer, person)}",
    "an expired one": lambda issuer, person: (
        f"Bearer {token_with(issuer, person, exp=datetime.now(UTC) - timedelta(minutes=5))}"
    ),
    "one without expiry": lambda issuer, person: f"Bearer {token_with(issuer, person, exp=None)}",
    "another issuer's": lambda issuer, person: f"Bearer {token_with(issuer, person, iss='urn:somebody')}",
    "one for another audience": lambda issuer, person: f"Bearer {token_with(issuer, person, aud='another')}",
    "one signed with another key": lambda issuer, person: (
        f"Bearer {token_with(issuer, person, key=ec.generate_private_key(ec.SECP256R1()))}"
    ),
    "an unsigned one": lambda _issuer, person: f"Bearer {unsigned(person)}",
    "one of a stranger": lambda issuer, person: f"Bearer {token_with(issuer, person, sub=str(uuid4()))}",
    "one of nobody": lambda issuer, person: f"Bearer {token_with(issuer, person, sub='root')}",
}


@pytest.mark.parametrize("bad", BAD_TOKENS)
async def test_without_a_good_token_every_route_is_401(cast: Cast, issuer: Issuer, bad: str) -> None:
    for route, response in await answers(cast.owner, BAD_TOKENS[bad](issuer, cast.owner)):
        assert problem(response) == (401, "not-signed-in"), route
        assert response.headers["WWW-Authenticate"].startswith("Bearer"), route


@pytest.mark.parametrize("who", ["member", "plain_owner", "account_manager", "unassigned_manager", "ops"])
async def test_whoever_owns_no_prime_liquidity_account_gets_403_also_for_reading(cast: Cast, who: str) -> None:
    person: Person = getattr(cast, who)

    for route, response in await answers(person, f"Bearer {person.token}"):
        if "/account-manager/" not in route:
            assert problem(response) == (403, "prime-liquidity-owner-required"), route


@pytest.mark.parametrize("who", ["owner", "member", "plain_owner", "ops"])
async def test_the_routes_of_account_managers_are_403_to_anyone_else(cast: Cast, who: str) -> None:
    person: Person = getattr(cast, who)

    seen = 0
    for route, response in await answers(person, f"Bearer {person.token}"):
        if "/account-manager/" in route:
            seen += 1
            assert problem(response) == (403, "forbidden"), route
    assert seen >= 4


async def test_an_account_in_the_token_that_the_person_does_not_belong_to_is_403(cast: Cast, issuer: Issuer) -> None:
    for account in (cast.outsider.account_id, uuid4()):
        token = token_with(issuer, cast.owner, account=str(account))
        for route, response in await answers(cast.owner, f"Bearer {token}"):
            if "/account-manager/" not in route:
                assert problem(response) == (403, "prime-liquidity-owner-required"), route


async def test_a_token_without_an_account_opens_no_account(cast: Cast, issuer: Issuer) -> None:
    token = token_with(issuer, cast.owner, account=None)

    for route, response in await answers(cast.owner, f"Bearer {token}"):
        assert response.status_code == 403, route


async def test_other_accounts_ids_answer_404_on_every_route_that_takes_one(cast: Cast) -> None:
    key = await cast.owner.inactive_api_key()
    flow = await waiting_for_manager(cast.owner)
    fix = str((await flow.shown())["credential_id"])
    seen = 0

    for method, path in await routes(cast.outsider.http):
        if "{" not in path or "/account-manager/" in path:
            continue
        seen += 1
        theirs = filled(path, {"credential_id": key if "/api-keys/" in path else fix, "request_id": flow.id})
        response = await cast.outsider.call(method, theirs.removeprefix("/v1"), body_of(path))
        assert problem(response) == (404, "not-found"), f"{method} {path}"
    assert seen > 12
    assert await flow.step() == "account_manager"
    assert (await cast.owner.get(f"/api-keys/{key}")).json()["status"] == "inactive"


async def test_ids_that_nobody_has_answer_404_in_the_same_words(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    theirs = await cast.outsider.get(f"/requests/{flow.id}")
    nobodys = await cast.outsider.get(f"/requests/{uuid4()}")

    assert theirs.json() == nobodys.json()


async def test_lists_hold_nothing_of_other_accounts(cast: Cast) -> None:
    await cast.owner.inactive_api_key()
    await waiting_for_manager(cast.owner)

    for path in ("/api-keys", "/fix-credentials", "/requests", "/audit-events"):
        assert (await cast.outsider.get(path)).json() == []


async def test_an_owner_made_member_meanwhile_sees_nothing_any_more(cast: Cast) -> None:
    async with cast.core.database.connection() as connection:
        await connection.execute("UPDATE memberships SET role = 'member' WHERE user_id = %s", (cast.owner.id,))

    assert problem(await cast.owner.get("/requests")) == (403, "prime-liquidity-owner-required")


async def test_an_owner_of_two_accounts_acts_for_the_one_the_token_names(cast: Cast) -> None:
    account_id = cast.owner.account_id
    assert isinstance(account_id, UUID)
    async with cast.core.database.connection() as connection:
        await accounts.add_member(connection, account_id=account_id, user_id=cast.outsider.id, role=Role.OWNER)
    flow = await cast.owner.create_fix()

    assert (await cast.outsider.get("/requests")).json() == []
    cast.outsider.account_id = account_id
    assert [each["id"] for each in (await cast.outsider.get("/requests")).json()] == [flow.id]
