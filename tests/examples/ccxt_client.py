"""ccxt in a process of its own, started once: importing it takes seconds."""

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.customers import ApiKey
from tests.support.install_clients import python_of
from tests.support.issued import IssuedKey

_SCRIPT = Path(__file__).with_name("clients") / "ccxt_calls.py"
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"


@dataclass(frozen=True)
class Ccxt:
    """Its `cex` exchange, pointed at a gateway."""

    process: Process
    url: str

    @classmethod
    @asynccontextmanager
    async def started(cls, url: str) -> AsyncIterator["Ccxt"]:
        python = await asyncio.to_thread(python_of, "ccxt")
        process = await asyncio.create_subprocess_exec(python, _SCRIPT, stdin=PIPE, stdout=PIPE, limit=2**24)
        client = cls(process, url)
        try:
            assert "version" in await client._next()
            yield client
        finally:
            assert process.stdin
            process.stdin.close()
            await process.wait()

    async def call(
        self, key: IssuedKey | ApiKey, method: str, *arguments: object, ip: str = HERE, url: str = ""
    ) -> Any:
        """Return what a method of ccxt returns, or ``{"error": …, "text": …}`` with the class that it raises."""
        told = {"key": key.key, "secret": key.secret, "url": url or self.url, "ip": ip}
        line = json.dumps({**told, "method": method, "arguments": arguments})
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())
        answer = await self._next()
        return answer.get("result", answer)

    async def _next(self) -> dict[str, Any]:
        assert self.process.stdout
        async with asyncio.timeout(60):
            line = await self.process.stdout.readline()
        return dict(json.loads(line))
