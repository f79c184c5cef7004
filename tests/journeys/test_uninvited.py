"""Whoever has no business with an account cannot lock its owners out, cost it an SMS, or change anything.

Every route of the API and every page is called: by nobody, with rubbish, and by people of other accounts.
"""

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any, LiteralString

import httpx
import pytest
from fastapi.routing import APIRoute

from api.pages.routes import ROUTERS as PAGES
from countersign.local.issuer import Issuer
from countersign.settings import Quotas
from countersign.wiring import Parts
from tests.support.cast import Cast, Flow, Person, Providers
from tests.support.fix import name_of, waiting_for_manager
from tests.support.openapi import operations
from tests.support.pages import FRAGMENT, HTML, Reader
from tests.support.rows import select
from tests.support.stage import api_of
from tests.support.stops import ASKED, link_to

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJl"
TOUCHED: dict[str, LiteralString] = {
    "account": "SELECT wrong_codes_in_a_row, frozen_at FROM accounts WHERE id = %s",
    # A member may sign in and out, and that is told.
    "trail": "SELECT count(*) FROM audit_events WHERE account_id = %s AND event NOT LIKE 'session:%%'",
    "requests": "SELECT id, step, outcome, deadline, revealed_at FROM requests WHERE account_id = %s ORDER BY id",
    "credentials": "SELECT id, status, version FROM credentials WHERE account_id = %s ORDER BY id",
    "challenges": "SELECT id, wrong_codes, solved_at FROM challenges WHERE account_id = %s ORDER BY id",
    "sends": "SELECT count(*) FROM code_sends WHERE account_id = %s",
    "verdicts": "SELECT count(*) FROM message_verdicts WHERE account_id = %s",
    "notices": "SELECT count(*) FROM notices WHERE account_id = %s",
}
FORM = {
    "code": "000000", "token": "x" * 43, "saved": "on", "when": "now", "name": "bot", "permissions": "read",
    "ip_whitelist": "203.0.113.7", "acknowledged": "on", "session_type": "trade", "decision": "activate",
    "version": "1", "phone": "+447300123456", "to": "sms", "step": "two_factor_code",
}  # fmt: skip


@dataclass(frozen=True)
class Home:
    """An account with something at every step that an attacker could wish for."""

    cast: Cast
    http: httpx.AsyncClient
    by_sms: Flow
    by_mail: Flow
    by_manager: Flow
    api_key: str
    session_name: str
    stop_id: str

    @property
    def flows(self) -> tuple[Flow, ...]:
        return self.by_sms, self.by_mail, self.by_manager

    async def as_it_stands(self) -> dict[str, Any]:
        found = {
            name: await select(self.cast.core, query, self.cast.owner.account_id) for name, query in TOUCHED.items()
        }
        return {**found, "sms": len(self.cast.providers.twilio.received), "mails": await self._mails()}

    async def _all_is_sent(self) -> bool:
        unsent: LiteralString = "SELECT 1 FROM notices WHERE account_id = %s AND sent_at IS NULL"
        return not await select(self.cast.core, unsent, self.cast.owner.account_id)

    async def _mails(self) -> int:
        people = (self.cast.owner, self.cast.second_owner, self.cast.sms_owner, self.cast.bare_owner)
        return sum(len(self.cast.providers.mails_to(each.email)) for each in people)

    def addresses(self, template: str) -> list[str]:
        """Return the path with the ids of everything there is."""
        known = {"credential_id": self.api_key, "session_name": self.session_name, "kind": "api-keys", "to": "sms"}
        known["stop_id"] = self.stop_id
        flows = self.flows if "{request_id}" in template else self.flows[:1]
        return [_filled(template, {**known, "decision": "activate", "request_id": each.id}) for each in flows]


@pytest.fixture
async def home(core: Parts, issuer: Issuer, providers: Providers, worker: None) -> AsyncIterator[Home]:
    async with built(core, issuer, providers) as opened:
        yield opened


@pytest.fixture(scope="module")
async def untouched(core: Parts, issuer: Issuer, providers: Providers, worker: None) -> AsyncIterator[Home]:
    """One home for all who cannot change it anyway."""
    async with built(core, issuer, providers) as opened:
        yield opened


@asynccontextmanager
async def built(core: Parts, issuer: Issuer, providers: Providers) -> AsyncIterator[Home]:
    """The quotas are those of a deployment."""
    settings = core.settings.model_copy(update={"quotas": Quotas()})
    async with api_of(settings) as http:
        cast = await Cast.enter(core, http=http, issuer=issuer, providers=providers)
        api_key = await cast.second_owner.active_api_key("precious")
        by_sms = await cast.sms_owner.create_api_key("by sms")
        await by_sms.code()
        by_mail = await (await cast.owner.create_api_key("sent in a mail")).to_activation_code()
        await by_mail.code()
        by_manager = await waiting_for_manager(cast.second_owner)
        await cast.second_owner.create_api_key("told of at once", permissions=["funds_wallet"])
        stop_id, _ = await link_to(cast.second_owner, ASKED)
        yield Home(cast, http, by_sms, by_mail, by_manager, api_key, await name_of(by_manager), stop_id)


async def walk(home: Home, headers: dict[str, str]) -> list[httpx.Response]:
    """Call every route and every page with every method it has."""
    routes = [(each.method, each.path, each.example if each.body else None) for each in operations()]
    answers = [
        await home.http.request(method, path, json=body, headers=headers)
        for method, template, body in routes
        for path in home.addresses(template)
    ]
    visits = [(method, path) for method, template in every_page() for path in home.addresses(template)]
    looks = cycle((HTML, FRAGMENT))
    return answers + [await _visit(home, method, path, {**next(looks), **headers}) for method, path in visits]


def every_page() -> list[tuple[str, str]]:
    """Return method and path of every page."""
    routes = [route for router in PAGES for route in router.routes if isinstance(route, APIRoute)]
    return [(method, route.path) for route in routes for method in sorted(route.methods or ())]


async def _visit(home: Home, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    form = FORM if method == "POST" else None
    return await home.http.request(method, path, data=form, headers={"Sec-Fetch-Site": "same-origin", **headers})


Way = Callable[[Home], Awaitable[dict[str, str]]]


async def nobody(_home: Home) -> dict[str, str]:
    return {}


async def rubbish(_home: Home) -> dict[str, str]:
    return {"Authorization": f"Bearer {JWT}", "Cookie": f"__Host-countersign={secrets.token_urlsafe(32)}"}


async def another_owner(home: Home) -> dict[str, str]:
    return await _as(home.cast.outsider)


async def a_member(home: Home) -> dict[str, str]:
    return await _as(home.cast.member)


async def a_stranger_as_manager(home: Home) -> dict[str, str]:
    return await _as(home.cast.unassigned_manager)


async def another_owner_who_names_the_account(home: Home) -> dict[str, str]:
    outsider, account = home.cast.outsider, str(home.cast.owner.account_id)
    token = outsider.issuer.mint(subject=str(outsider.id), audience="countersign", account=account)
    return {"Authorization": f"Bearer {token}"}


async def _as(person: Person) -> dict[str, str]:
    reader = await Reader.signed_in(person)
    return {"Authorization": f"Bearer {person.token}", "Cookie": reader.cookie}


SAMPLE = (rubbish, another_owner)
REST = (nobody, a_member, a_stranger_as_manager, another_owner_who_names_the_account)
WAYS = (*SAMPLE, *(pytest.param(way, marks=pytest.mark.prove) for way in REST))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_nothing_of_the_account_changes_and_nothing_is_sent_whatever_is_called(untouched: Home, way: Way) -> None:
    before = await untouched.as_it_stands()

    answers = await walk(untouched, await way(untouched))

    assert await untouched.as_it_stands() == before
    assert len(answers) > 100
    # Nobody plays the identity provider here.
    assert {each.url.path for each in answers if each.status_code >= 500} <= {"/sign-in/start", "/sign-in/callback"}
    names = ("precious", "by sms", "sent in a mail")
    assert not [each.url for each in answers if any(name in each.text for name in names)]


@pytest.mark.parametrize("way", [nobody, pytest.param(rubbish, marks=pytest.mark.prove)], ids=["nobody", "rubbish"])
async def test_who_has_not_signed_in_reaches_nothing_but_probes_and_the_sign_in(untouched: Home, way: Way) -> None:
    answers = await walk(untouched, await way(untouched))

    opened = {each.url.path for each in answers if each.is_success}
    links = {path for path in opened if re.fullmatch("/(activate|stop)/[0-9a-f-]{36}", path)}
    assert opened - links == {"/healthz", "/readyz", "/metrics", "/sign-in", "/signed-out"}


async def test_the_owners_go_on_from_the_same_address_when_an_attacker_has_used_up_every_quota(home: Home) -> None:
    flood = {"Authorization": f"Bearer {JWT}"}
    while (await home.http.post(f"/v1/requests/{home.by_sms.id}/two-factor-code", headers=flood)).status_code != 429:
        pass
    while (await home.http.get("/sign-in/callback", headers=HTML)).status_code != 429:
        pass

    assert (await home.by_sms.enter_code()).status_code == 200
    assert (await home.by_sms.reveal()).status_code == 200
    assert (await home.by_sms.save()).status_code == 200
    assert (await home.by_mail.enter_activation_code()).status_code == 200
    reader = await Reader.signed_in(home.cast.owner, home.http)
    assert (await reader.get("/settings/api-keys")).status == 200
    assert (await home.by_manager.cancel()).status_code == 200
    assert (await home.cast.owner.post(f"/api-keys/{home.api_key}/deactivations")).status_code == 200
    assert (await home.cast.second_owner.create_api_key("another")).id


@pytest.mark.prove
async def test_the_same_calls_by_an_owner_do_change_it(home: Home) -> None:
    before = await home.as_it_stands()

    # The walk cancels before it comes to a code.
    await home.by_sms.enter_code(FORM["code"])
    await walk(home, await _as(home.cast.second_owner))

    after = await home.as_it_stands()
    assert {name for name in before if after[name] != before[name]} >= {
        "account",
        "requests",
        "credentials",
        "verdicts",
    }


def _filled(template: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)}", lambda found: values[found[1]], template)
