"""Open sessions while the verifier is away, and what a session in itself does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from countersign.domain.verification import Outcome
from countersign.gateway_client import Allowed, SessionType
from countersign.local.tcp_ports import free_port
from examples.gateway.fix.connection import Connection, Numbers
from examples.gateway.fix.market_data import MarketData
from examples.gateway.fix.session import FixSession
from examples.gateway.fix.wire import make
from examples.gateway.sessions import Refused
from tests.examples.fix_client import FixClient, fix_client
from tests.support.customers import Customer, FixCredentials, asked
from tests.support.gateways import ExampleGateway, running_gateway
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.verifiers import Served
from tests.verifier.test_verifying import until

VerifierAt = Callable[[int], AbstractAsyncContextManager[Served]]
TRADER = Allowed(credential_id=uuid4(), account_id=uuid4(), permissions=(), session_type=SessionType.TRADE, version=1)


@asynccontextmanager
async def logged_on(
    fix: FixCredentials, verifier_at: VerifierAt, *, port: int, token: str, doubt_seconds: float
) -> AsyncIterator[FixClient]:
    """A session whose verifier, at that port, has gone meanwhile."""
    async with (
        running_gateway(f"http://127.0.0.1:{port}", token, doubt_seconds=doubt_seconds) as gateway,
        fix_client(gateway.settings.fix_trade_port, fix.session_name) as client,
    ):
        async with verifier_at(port):
            assert (await client.log_on(fix))[35] == "A"
        yield client


async def test_a_deactivation_that_was_missed_ends_the_session_once_the_verifier_is_back(
    customer: Customer, verifier_at: VerifierAt, token: str
) -> None:
    fix, port = await customer.fix(), free_port()
    async with logged_on(fix, verifier_at, port=port, token=token, doubt_seconds=60) as client:
        await customer.deactivate(fix.id)
        assert (await client.ask("1", **{"112": "still there"}))[112] == "still there"
        async with verifier_at(port):
            assert (await client.hear())[58] == "Your credential was changed or deactivated"


async def test_a_session_outlives_a_verifier_that_comes_back(
    customer: Customer, verifier_at: VerifierAt, token: str
) -> None:
    fix, port = await customer.fix(), free_port()
    async with (
        logged_on(fix, verifier_at, port=port, token=token, doubt_seconds=60) as client,
        verifier_at(port) as second,
    ):
        await eventually(lambda: asked_about_sessions(second))
        assert (await client.ask("1", **{"112": "still there"}))[112] == "still there"


async def test_a_session_that_cannot_be_verified_for_too_long_ends(
    customer: Customer, verifier_at: VerifierAt, token: str
) -> None:
    fix, port = await customer.fix(), free_port()
    async with logged_on(fix, verifier_at, port=port, token=token, doubt_seconds=0.1) as client:
        assert (await client.hear())[58] == "Your credential cannot be verified now, try again later"


@dataclass(eq=False)
class OpenSession:
    """A session that only notes how it ended."""

    decision: Allowed
    ip: str = "127.0.0.1"
    ended: str = ""

    async def end(self, text: str) -> None:
        self.ended = text


async def test_a_deactivation_between_the_decision_and_the_session_is_not_missed(
    customer: Customer, gateway: ExampleGateway
) -> None:
    fix, client = await customer.fix(), gateway.parts.gateway
    [decision] = await client.verify([asked(fix.logon())])
    assert isinstance(decision, Allowed)
    async with gateway.parts.sessions.opened(OpenSession(decision)):
        assert len(gateway.parts.sessions) == 1

    await customer.deactivate(fix.id)
    await until(client, fix.logon(), allowed=False)
    with pytest.raises(Refused):
        async with gateway.parts.sessions.opened(OpenSession(decision)):
            pytest.fail("it was let in")


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.gateway.fix.connection._WRITE_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    connection = Connection(writer, own="EXAMPLE", client="client", numbers=Numbers())
    with pytest.raises(TimeoutError):
        await send_for_ever(connection)
    connection.hang_up()
    # It ends although nobody took what was sent.
    assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
    theirs.close()


async def send_for_ever(connection: Connection) -> None:
    while True:
        await connection.send(make("0", (112, "x" * 4000)))


async def test_a_silent_client_is_asked_for_a_word_and_then_logged_out() -> None:
    async with session_alone(heartbeat=0.05) as client:
        kinds = []
        while (said := await client.hear())[35] != "5":
            kinds.append(said[35])
        assert said[58] == "No heartbeat came"
        assert set(kinds) == {"0", "1"}
        assert kinds.count("1") == 1


async def asked_about_sessions(served: Served) -> int:
    """Return how often a session was verified anew."""
    return served.verifier.outcomes["session", Outcome.ALLOWED]


@asynccontextmanager
async def session_alone(*, heartbeat: float) -> AsyncIterator[FixClient]:
    """A session without gateway and verifier, whose client promised a word every so many seconds."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    connection = Connection(writer, own="EXAMPLE", client="client", numbers=Numbers())
    session = FixSession(connection, MarketData(), TRADER, ip="127.0.0.1", heartbeat=heartbeat)
    conversing = asyncio.create_task(session.converse(reader))
    client = FixClient(*await asyncio.open_connection(sock=theirs), sender="client")
    yield client
    client.writer.close()
    await conversing
    writer.close()
