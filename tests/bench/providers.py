"""Twilio and SendGrid in this process: they answer at once, and a moment later the message reaches a person."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web

# Nobody enters a code before the provider has said that it took it.
ON_ITS_WAY_SECONDS = 0.05
_CODE = re.compile(r"\b\d{6}\b")
_LINK = re.compile(r"/activate/([\w-]+)#")
_TWILIO = "/2010-04-01/Accounts/{account}/Messages.json"


@dataclass
class Inbox:
    """Codes by phone number, or by the request that a mail is to activate; ``taken`` counts messages."""

    taken: Counter[str] = field(default_factory=Counter)
    _codes: dict[str, asyncio.Future[str]] = field(default_factory=dict)

    async def code(self, address: str) -> str:
        """Return the next code for the address."""
        try:
            return await asyncio.wait_for(self._waiting(address), 60)
        finally:
            del self._codes[address]

    def put(self, address: str, text: str) -> None:
        """Take a text; one that nobody has waited for yet is kept."""
        if found := _CODE.search(text):
            asyncio.get_running_loop().call_later(ON_ITS_WAY_SECONDS, self._arrive, address, found[0])

    def _arrive(self, address: str, code: str) -> None:
        if not (waiting := self._waiting(address)).done():
            waiting.set_result(code)

    def _waiting(self, address: str) -> asyncio.Future[str]:
        return self._codes.setdefault(address, asyncio.get_running_loop().create_future())


@asynccontextmanager
async def providers(inbox: Inbox, port: int) -> AsyncIterator[str]:
    """Answer for both on ``port`` of loopback for the length of a block; yields the URL."""

    async def twilio(request: web.Request) -> web.Response:
        form = await request.post()
        inbox.taken["sms"] += 1
        inbox.put(str(form["To"]), str(form["Body"]))
        return web.json_response({"sid": f"SM{uuid4().hex}", "status": "queued"}, status=201)

    async def sendgrid(request: web.Request) -> web.Response:
        text = (await request.json())["content"][0]["value"]
        inbox.taken["mails"] += 1
        if link := _LINK.search(text):
            inbox.put(link[1], text)
        return web.Response(status=202)

    app = web.Application()
    app.add_routes([web.post(_TWILIO, twilio), web.post("/v3/mail/send", sendgrid)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
