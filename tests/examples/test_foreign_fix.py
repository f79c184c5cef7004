"""quickfix, which knows nothing of Countersign, with FIX credentials that people were issued."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cast import Cast
from tests.support.gateways import ExampleGateway
from tests.support.install_clients import python_of
from tests.support.issued import IssuedFix, issue_fix
from tests.support.patience import PATIENCE_SECONDS

_SCRIPT = Path(__file__).with_name("clients") / "quickfix_logon.py"
pytestmark = pytest.mark.prove

Event = dict[str, Any]
DENIED = "Logon refused: unknown or inactive credentials, wrong password, address or kind of session"


@dataclass(frozen=True)
class Quickfix:
    """An initiator with one session."""

    process: Process

    async def until(self, event: str, **fits: object) -> Event:
        """Return what it tells of the event."""
        assert self.process.stdout
        told: list[Event] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := await self.process.stdout.readline():
                # quickfix writes lines of its own.
                if line.startswith(b"{"):
                    told.append(json.loads(line))
                    if told[-1].items() >= {"event": event, **fits}.items():
                        return told[-1]
        raise AssertionError(told)

    async def refusal(self) -> str:
        """Return the text of the Logout; there was no Logon before."""
        return str((await self.until("admin"))["text"])


@asynccontextmanager
async def quickfix(fix: IssuedFix, folder: Path, *, port: int, **changes: Any) -> AsyncIterator[Quickfix]:
    python = await asyncio.to_thread(python_of, "quickfix")
    process = await asyncio.create_subprocess_exec(python, _SCRIPT, stdin=PIPE, stdout=PIPE)
    told = {
        "port": port,
        "sender_comp_id": fix.session_name,
        "target_comp_id": "EXAMPLE",
        "username": fix.username,
        "password": fix.password,
        "folder": str(folder),
        "order": False,
        "reset": "Y",
        **changes,
    }
    assert process.stdin
    process.stdin.write(f"{json.dumps(told)}\n".encode())
    try:
        yield Quickfix(process)
    finally:
        process.stdin.close()
        await process.wait()


async def test_quickfix_trades_with_issued_credentials_until_they_are_deactivated(
    cast: Cast, gateway: ExampleGateway, tmp_path: Path
) -> None:
    fix = await issue_fix(cast)
    async with quickfix(fix, tmp_path, port=gateway.settings.fix_trade_port, order=True) as initiator:
        await initiator.until("logon")
        # An ExecutionReport that holds before quickfix's own dictionary of FIX 4.4.
        await initiator.until("application", type="8")
        # And a heartbeat of ours: it hears one each second.
        await initiator.until("admin", type="0")
        await fix.deactivate()
        goodbye = await initiator.until("admin", type="5")
        assert goodbye["text"] == "Your credential was changed or deactivated"
        await initiator.until("logout")


async def test_quickfix_logs_out_and_on_again(cast: Cast, gateway: ExampleGateway, tmp_path: Path) -> None:
    fix = await issue_fix(cast, "market_data")
    async with quickfix(fix, tmp_path, port=gateway.settings.fix_market_data_port, reset="N") as initiator:
        await initiator.until("logon")
    async with quickfix(fix, tmp_path, port=gateway.settings.fix_market_data_port) as initiator:
        await initiator.until("logon")


@pytest.mark.parametrize("wrong", ["market_data", "password", "inactive"])
async def test_quickfix_is_not_let_in_to_the_trade_session_with_anything_else(
    cast: Cast, gateway: ExampleGateway, tmp_path: Path, wrong: str
) -> None:
    fix = await issue_fix(cast, "market_data" if wrong == "market_data" else "trade", active=wrong != "inactive")
    changes = {"password": "csp_wrong"} if wrong == "password" else {}
    async with quickfix(fix, tmp_path, port=gateway.settings.fix_trade_port, **changes) as initiator:
        assert await initiator.refusal() == DENIED
        await initiator.until("logout")
