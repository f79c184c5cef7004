"""Calls as gateways ask about them over HTTP, and what the owner is told of each."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from countersign.domain.credentials import SessionType
from countersign.domain.permissions import Permission
from countersign.domain.verification import Allowed
from countersign.gateway_client import GatewayClient
from tests.support.customers import ELSEWHERE, Customer, asked
from tests.support.patience import eventually
from tests.support.verifiers import Served, Site

WRONG = "css_wrong"


async def test_a_signed_call_is_allowed_and_says_whose_it_is(gateway: GatewayClient, customer: Customer) -> None:
    key = await customer.api_key()
    [answer] = await gateway.verify([asked(key.rest())])
    assert answer == Allowed(
        credential_id=key.id,
        account_id=customer.account_id,
        permissions=(Permission.READ, Permission.TRADE),
        session_type=None,
        version=2,
    )


async def test_each_denial_has_its_reason_for_the_owner_and_none_for_the_gateway(
    verifier: Served, gateway: GatewayClient, customer: Customer
) -> None:
    key = await customer.api_key(whitelist=("203.0.113.0/24",))
    order = key.order()
    calls = [
        key.rest(),
        key.rest(secret=WRONG),
        key.rest(at=1_000_000_000),
        key.rest(ip=ELSEWHERE),
        key.rest(permission="funds_external"),
        order,
        order,
    ]
    answers = await gateway.verify([asked(call) for call in calls])

    assert [answer.allowed for answer in answers] == [True, False, False, False, False, True, False]
    assert {answer.model_dump_json() for answer in answers if not answer.allowed} == {'{"allowed":false}'}
    await verifier.until_told(
        customer, key.id, allowed=2, bad_signature=1, clock=1, ip_not_allowed=1, permission=1, replayed=1
    )


async def test_a_websocket_connection_is_let_in_with_its_signature_in_either_case(
    gateway: GatewayClient, customer: Customer
) -> None:
    key = await customer.api_key()
    call = key.websocket()
    calls = [call, call | {"signature": call["signature"].upper()}, key.websocket(secret=WRONG)]
    answers = await gateway.verify([asked(each) for each in calls])
    assert [answer.allowed for answer in answers] == [True, True, False]


async def test_a_fix_session_is_let_in_with_all_of_its_credentials_and_to_its_own_kind(
    verifier: Served, gateway: GatewayClient, customer: Customer
) -> None:
    fix, other = await customer.fix(), await customer.fix()
    calls = [
        fix.logon(),
        fix.logon(password=other.password),
        fix.logon(username=other.username),
        fix.logon(sender_comp_id=other.session_name),
        fix.logon(session_type="market_data"),
        fix.logon(sender_comp_id="CS-T-0000-0000-0000"),
    ]
    answers = await gateway.verify([asked(call) for call in calls])

    assert [answer.allowed for answer in answers] == [True, False, False, False, False, False]
    assert isinstance(answers[0], Allowed)
    assert answers[0].session_type is SessionType.TRADE
    await verifier.until_told(customer, fix.id, allowed=1, bad_signature=2, wrong_session_type=1)
    await verifier.until_told(customer, other.id, bad_signature=1)


async def test_a_credential_that_is_not_active_opens_nothing(
    verifier: Served, gateway: GatewayClient, customer: Customer
) -> None:
    key, fix = await customer.api_key(active=False), await customer.fix(active=False)
    answers = await gateway.verify([asked(key.rest()), asked(key.websocket()), asked(fix.logon())])

    assert [answer.allowed for answer in answers] == [False, False, False]
    await verifier.until_told(customer, key.id, inactive=2)
    await verifier.until_told(customer, fix.id, inactive=1)


async def test_an_account_that_has_no_prime_liquidity_any_more_opens_nothing(
    gateway: GatewayClient, customer: Customer
) -> None:
    key = await customer.api_key()
    assert (await gateway.verify([asked(key.rest())]))[0].allowed

    await customer.change("UPDATE accounts SET prime_liquidity = false WHERE id = %s", customer.account_id)
    assert not await still_allowed(gateway, key.rest())


async def test_permissions_that_are_held_back_are_not_in_effect(gateway: GatewayClient, customer: Customer) -> None:
    levels = (Permission.READ, Permission.FUNDS_WALLET)
    held = await customer.api_key(levels, funds_from=datetime.now(UTC) + timedelta(hours=1))
    over = await customer.api_key(levels, funds_from=datetime.now(UTC) - timedelta(seconds=1))
    calls = [held.rest(), held.rest(permission="funds_wallet"), over.rest(permission="funds_wallet")]
    read, denied, allowed = await gateway.verify([asked(call) for call in calls])

    assert isinstance(read, Allowed)
    assert read.permissions == (Permission.READ,)
    assert [denied.allowed, allowed.allowed] == [False, True]


async def test_equal_reads_are_legal_and_equal_orders_are_not_whichever_verifier_is_asked(
    site: Site, gateway: GatewayClient, customer: Customer
) -> None:
    key = await customer.api_key()
    read, order = asked(key.rest()), asked(key.order())
    async with site.verifier() as second, GatewayClient(second.url, token=site.token) as other:
        reads = [*await gateway.verify([read, read]), *await other.verify([read])]
        orders = await asyncio.gather(*(client.verify([order]) for client in (gateway, other) * 5))

    assert all(answer.allowed for answer in reads)
    assert sorted(answer.allowed for [answer] in orders) == [False] * 9 + [True]


async def test_a_new_key_works_at_once_after_its_activation_though_it_was_asked_for_before(
    gateway: GatewayClient, customer: Customer
) -> None:
    key = await customer.api_key(active=False)
    assert not (await gateway.verify([asked(key.rest())]))[0].allowed

    await customer.activate(key.id)
    await until(gateway, key.rest(), allowed=True)


async def test_a_session_is_verified_anew_by_its_version(gateway: GatewayClient, customer: Customer) -> None:
    fix = await customer.fix()
    first = await gateway.verify_fix(
        sender_comp_id=fix.session_name,
        username=fix.username,
        password=fix.password,
        session_type=SessionType.TRADE,
        ip="203.0.113.7",
    )
    assert isinstance(first, Allowed)
    assert await gateway.verify_session(credential_id=fix.id, version=first.version, ip="203.0.113.7") == first

    await customer.deactivate(fix.id)
    await customer.activate(fix.id)
    await until(gateway, {"kind": "session", "credential_id": str(fix.id), "version": first.version}, allowed=False)


async def test_who_fails_too_often_is_not_looked_at_and_the_owner_elsewhere_is(site: Site, customer: Customer) -> None:
    key, fix = await customer.api_key(), await customer.fix()
    async with (
        site.verifier(failures_per_minute=3) as limited,
        GatewayClient(limited.url, token=site.token) as gateway,
    ):
        wrong = [asked(key.rest(secret=WRONG)) for _ in range(3)]
        wrong += [asked(fix.logon(password=WRONG)) for _ in range(3)]
        for call in wrong:
            await gateway.verify([call])
        here = await gateway.verify([asked(key.rest()), asked(fix.logon())])
        elsewhere = await gateway.verify([asked(key.rest(ip=ELSEWHERE)), asked(fix.logon(ip=ELSEWHERE))])
        await limited.until_told(customer, key.id, bad_signature=3, too_many_failures=1, allowed=1)

    assert [answer.allowed for answer in here] == [False, False]
    assert [answer.allowed for answer in elsewhere] == [True, True]


async def test_an_address_on_the_whitelist_is_never_locked_out(site: Site, customer: Customer) -> None:
    key = await customer.api_key(whitelist=("203.0.113.0/24",))
    async with (
        site.verifier(failures_per_minute=2) as limited,
        GatewayClient(limited.url, token=site.token) as gateway,
    ):
        for _ in range(4):
            await gateway.verify([asked(key.rest(secret=WRONG))])
        [answer] = await gateway.verify([asked(key.rest())])
    assert answer.allowed


async def test_rubbish_from_one_address_leaves_keys_in_use_alone(site: Site, customer: Customer) -> None:
    key, late = await customer.api_key(), await customer.api_key()
    async with (
        site.verifier(unknown_keys_per_minute=5) as limited,
        GatewayClient(limited.url, token=site.token) as gateway,
    ):
        await gateway.verify([asked(key.rest())])
        await gateway.verify([asked(key.rest(key=f"csk_{number}")) for number in range(6)])
        [used, unused] = await gateway.verify([asked(key.rest()), asked(late.rest())])
        [elsewhere] = await gateway.verify([asked(late.rest(ip=ELSEWHERE))])
    assert [used.allowed, unused.allowed, elsewhere.allowed] == [True, False, True]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"calls": []}',
        b'{"calls": [{"kind": "rest"}]}',
        b'{"calls": [{"kind": "morse", "ip": "203.0.113.7"}]}',
        b'{"calls": "x"}',
        b'{"calls": [{"kind": "websocket", "key": "k", "timestamp": "1", "signature": "\\ud800", "ip": "1.2.3.4"}]}',
        b'{"calls": [{"kind": "websocket", "key": "k", "timestamp": "1", "signature": "s", "ip": "300.2.3.4"}]}',
        b'{"calls": [' + b",".join([b"{}"] * 101) + b"]}",
    ],
)
async def test_a_question_that_is_none_is_a_problem_that_quotes_nothing(
    site: Site, verifier: Served, body: bytes
) -> None:
    async with httpx.AsyncClient(base_url=verifier.url) as http:
        response = await http.post("/v1/verifications", content=body, headers={"Authorization": f"Bearer {site.token}"})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/invalid-input"
    assert "300.2.3.4" not in response.text


@pytest.mark.parametrize("text", ["", "\x00", "csk_\x00", "é", "k" * 10_000, "' OR 1=1 --"])
async def test_whatever_a_client_sends_for_a_key_is_denied_and_spoils_no_other_call(
    gateway: GatewayClient, customer: Customer, text: str
) -> None:
    key, fix = await customer.api_key(), await customer.fix()
    rubbish = [
        key.rest(key=text),
        key.rest(signature=text),
        key.rest(timestamp=text),
        key.websocket(key=text),
        fix.logon(sender_comp_id=text),
        fix.logon(username=text),
        fix.logon(password=text),
    ]
    answers = await gateway.verify([asked(call) for call in [*rubbish, key.rest()]])
    assert [answer.allowed for answer in answers] == [False] * 7 + [True]


async def still_allowed(gateway: GatewayClient, call: dict[str, object]) -> bool:
    """Tell whether a call is allowed a moment after a change was committed."""
    await asyncio.sleep(0.1)
    [answer] = await gateway.verify([asked(call)])
    return answer.allowed


async def until(gateway: GatewayClient, call: dict[str, object], *, allowed: bool) -> None:
    """Return once the call is answered so; the change that brings it about takes a few milliseconds."""

    async def answer() -> bool:
        return (await gateway.verify([asked(call)]))[0].allowed

    await eventually(answer, lambda found: found is allowed)
