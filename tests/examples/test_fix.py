"""FIX sessions, with credentials that people were issued."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countersign.gateway_client import SessionType
from tests.examples.fix_client import FixClient, Said, fix_client
from tests.support.cast import Cast
from tests.support.certificates import Authority
from tests.support.customers import Customer, FixCredentials
from tests.support.gateways import ExampleGateway, running_gateway
from tests.support.issued import IssuedFix, issue_fix
from tests.support.verifiers import Served

LOGON, LOGOUT, REJECT, HEARTBEAT, RESEND, RESET = "A", "5", "3", "0", "2", "4"
ORDER = {"11": "one", "55": "BTC/USD", "54": 1, "38": "0.5", "40": 2, "44": "50000"}


@pytest.fixture
async def fix(customer: Customer) -> FixCredentials:
    return await customer.fix()


@pytest.fixture
async def client(gateway: ExampleGateway, fix: FixCredentials) -> AsyncIterator[FixClient]:
    async with fix_client(gateway.settings.fix_trade_port, fix.session_name) as connected:
        yield connected


@pytest.fixture
async def session(client: FixClient, fix: FixCredentials) -> FixClient:
    assert (await client.log_on(fix))[35] == LOGON
    return client


def refusal(said: Said) -> str:
    assert said[35] == LOGOUT, said
    return said[58]


async def test_a_session_trades_until_its_credentials_are_deactivated(cast: Cast, gateway: ExampleGateway) -> None:
    fix = await issue_fix(cast)
    async with fix_client(gateway.settings.fix_trade_port, fix.session_name) as session:
        assert (await session.log_on(fix))[35] == LOGON
        await trades_until_deactivated(session, fix)


async def trades_until_deactivated(session: FixClient, fix: IssuedFix) -> None:
    assert (await session.ask("1", **{"112": "hello"}))[112] == "hello"
    report = await session.ask("D", **ORDER)
    assert (report[35], report[39], report[11], report[151]) == ("8", "0", "one", "0.5")

    await fix.deactivate()
    assert refusal(await session.hear()) == "Your credential was changed or deactivated"
    # A revoked session can do nothing more, whatever it says.
    await session.say("D", **ORDER)
    await session.say(LOGOUT)
    assert await session.hear() == {}


async def test_who_is_not_let_in_learns_nothing_but_that(
    cast: Cast, gateway: ExampleGateway, fix: FixCredentials
) -> None:
    inactive, other = await issue_fix(cast, active=False), await issue_fix(cast, "market_data")
    attempts: list[tuple[IssuedFix | FixCredentials, dict[str, object]]] = [
        (fix, {"554": other.password}),
        (fix, {"553": other.username}),
        (inactive, {}),
        (other, {}),
    ]
    texts = set()
    for credentials, fields in attempts:
        async with fix_client(gateway.settings.fix_trade_port, credentials.session_name) as client:
            texts.add(refusal(await client.log_on(credentials, **fields)))
            assert await client.hear() == {}
    assert texts == {"Logon refused: unknown or inactive credentials, wrong password, address or kind of session"}


async def test_market_data_is_told_to_market_data_sessions_alone(customer: Customer, gateway: ExampleGateway) -> None:
    fix = await customer.fix(SessionType.MARKET_DATA)
    async with fix_client(gateway.settings.fix_market_data_port, fix.session_name) as client:
        assert (await client.log_on(fix))[35] == LOGON
        assert (await client.ask("x", **{"320": "list", "559": 4}))[55] == "BTC/USD"
        picture = await client.ask("V", **{"262": "now", "263": 0, "264": 1, "55": "BTC/USD"})
        assert (picture[35], picture[268]) == ("W", "2")
        unknown = await client.ask("V", **{"262": "now", "263": 0, "264": 1, "55": "ETH/USD"})
        assert (unknown[35], unknown[281]) == ("Y", "0")
        assert (await client.ask("D", **ORDER))[373] == "11"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"8": "FIX.4.2"}, "BeginString must be FIX.4.4"),
        ({"56": "SOMEONE"}, "CompID problem"),
        ({"52": "20200101-00:00:00"}, "SendingTime accuracy problem: more than two minutes from ours"),
        ({"52": "yesterday"}, "SendingTime accuracy problem: more than two minutes from ours"),
        ({"34": "one"}, "MsgSeqNum is missing"),
        ({"98": 1}, "EncryptMethod must be 0: use TLS"),
        ({"108": 0}, "HeartBtInt must be 1 to 300 seconds"),
        ({"108": 10**12}, "HeartBtInt must be 1 to 300 seconds"),
        ({"554": None}, "Username and Password are needed"),
    ],
)
async def test_a_logon_that_is_none_is_refused_with_what_is_wrong(
    gateway: ExampleGateway, fields: dict[str, object], text: str
) -> None:
    good = {"98": 0, "108": 30, "553": "csu_nobody", "554": "csp_wrong"}
    async with fix_client(gateway.settings.fix_trade_port, "CS-T-0000-0000-0000") as client:
        assert refusal(await client.ask(LOGON, **good | fields)) == text


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n\r\n\x01\x01",
        b"8=FIX.4.4\x019=99999\x01",
        b"8=FIX.4.4\x019=-1\x01",
        b"8" * 40_000,
        b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01",
    ],
)
async def test_who_does_not_begin_with_a_logon_is_told_nothing(gateway: ExampleGateway, raw: bytes) -> None:
    async with fix_client(gateway.settings.fix_trade_port, "nobody") as client:
        await client.send(raw)
        assert await heard_or_cut_off(client) == {}


async def test_who_says_nothing_is_not_waited_for(verifier: Served, token: str) -> None:
    async with (
        running_gateway(verifier.url, token, hello_seconds=0.05) as gateway,
        fix_client(gateway.settings.fix_trade_port, "nobody") as client,
    ):
        assert await client.hear() == {}


async def test_what_is_not_known_is_rejected_and_the_session_goes_on(session: FixClient) -> None:
    unknown = await session.ask("U1")
    assert (unknown[35], unknown[45], unknown[372], unknown[373]) == (REJECT, "2", "U1", "11")
    missing = await session.ask("D", **{tag: value for tag, value in ORDER.items() if tag != "38"})
    assert (missing[371], missing[373]) == ("38", "1")
    wrong = await session.ask("D", **ORDER | {"38": "1e9"})
    assert (wrong[371], wrong[373]) == ("38", "5")
    too_much = await session.ask("D", **ORDER | {"38": "1000"})
    assert (too_much[39], too_much[58]) == ("8", "Insufficient funds")


async def test_a_gap_is_asked_for_once_and_filled(session: FixClient) -> None:
    session.number = 5
    asked_again = await session.ask("0")
    assert (asked_again[35], asked_again[7]) == (RESEND, "2")
    await session.say("0")
    await session.say(RESET, **{"34": 2, "43": "Y", "123": "Y", "36": 7})
    session.number = 7
    assert (await session.ask("1", **{"112": "again"}))[112] == "again"


async def test_what_was_sent_is_not_sent_again_but_passed_over(session: FixClient) -> None:
    await session.ask("D", **ORDER)
    filled = await session.ask(RESEND, **{"7": 1, "16": 0})
    assert (filled[35], filled[34], filled[123], filled[36]) == (RESET, "1", "Y", "3")


async def test_a_number_that_was_used_ends_the_session(session: FixClient) -> None:
    assert refusal(await session.ask("0", **{"34": 1})) == "MsgSeqNum too low, expecting 2 but received 1"


async def test_a_message_in_another_name_ends_the_session(session: FixClient) -> None:
    rejected = await session.ask("0", **{"49": "CS-T-0000-0000-0000"})
    assert (rejected[35], rejected[373]) == (REJECT, "9")
    assert refusal(await session.hear()) == "CompID problem"


async def test_a_garbled_message_is_passed_over(session: FixClient) -> None:
    await session.send(b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01")
    assert (await session.ask("1", **{"112": "next"}))[112] == "next"


async def test_numbers_go_on_in_the_next_connection_and_begin_anew_when_asked(
    session: FixClient, gateway: ExampleGateway, fix: FixCredentials
) -> None:
    assert (await session.ask(LOGOUT))[35] == LOGOUT
    assert await session.hear() == {}
    port = gateway.settings.fix_trade_port
    async with fix_client(port, fix.session_name) as second:
        assert refusal(await second.log_on(fix)) == "MsgSeqNum too low, expecting 3 but received 1"
    async with fix_client(port, fix.session_name) as third:
        third.number = 3
        assert (await third.log_on(fix))[35] == LOGON
        async with fix_client(port, fix.session_name) as fourth:
            assert refusal(await fourth.log_on(fix)) == "Already logged on"
        goodbye = await third.ask(LOGOUT)
        # Four went to the three connections before; the fourth has used none of their numbers.
        assert (goodbye[35], goodbye[34]) == (LOGOUT, "5")
        assert await third.hear() == {}
    async with fix_client(port, fix.session_name) as fifth:
        answer = await fifth.log_on(fix, **{"141": "Y"})
    assert (answer[34], answer[141]) == ("1", "Y")


async def test_sessions_are_logged_out_when_the_gateway_stops(
    verifier: Served, token: str, fix: FixCredentials
) -> None:
    async with running_gateway(verifier.url, token) as gateway:
        port = gateway.settings.fix_trade_port
        async with fix_client(port, fix.session_name) as client:
            assert (await client.log_on(fix))[35] == LOGON
            gateway.stop()
            assert refusal(await client.hear()) == "The gateway stops"
            await client.say(LOGOUT)
            assert await client.hear() == {}


async def test_without_a_verifier_nobody_is_let_in_and_that_is_told(token: str, fix: FixCredentials) -> None:
    async with (
        running_gateway("http://127.0.0.1:9", token) as gateway,
        fix_client(gateway.settings.fix_trade_port, fix.session_name) as client,
    ):
        assert refusal(await client.log_on(fix)) == "Logon is not possible now, try again later"


async def test_a_session_can_be_secured(verifier: Served, token: str, fix: FixCredentials, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    own, trust = authority.certify("127.0.0.1"), ssl.create_default_context(cafile=authority.file)
    async with (
        running_gateway(verifier.url, token, tls_cert_file=own.certificate, tls_key_file=own.key) as gateway,
        fix_client(gateway.settings.fix_trade_port, fix.session_name, tls=trust) as client,
    ):
        assert (await client.log_on(fix))[35] == LOGON


async def heard_or_cut_off(client: FixClient) -> Said:
    try:
        return await client.hear()
    except ConnectionResetError:
        return {}
