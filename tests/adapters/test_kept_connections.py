"""Connections to SendGrid are kept, and none that breaks loses or doubles a mail."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from countersign.adapters.senders import Mail
from countersign.adapters.sendgrid_mail import SendGridMail
from countersign.domain.errors import DeliveryFailed

_MAIL = Mail(subject="Your code", text="042137", html="<p>042137</p>")
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


@dataclass
class KeepingSendGrid:
    """A SendGrid that keeps connections until it is told not to; counts them, and the keys of the mails it took."""

    answers: bool = True
    keeps: bool = True
    connections: int = 0
    taken: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            yield f"http://{host}:{port}"

    @asynccontextmanager
    async def sender(self) -> AsyncIterator[SendGridMail]:
        async with self.serving() as url, aclosing(_sender(url)) as sender:
            yield sender

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while await self._took(reader):
            if self.answers:
                writer.write(_ACCEPTED)
            if not (self.answers and self.keeps):
                break
        writer.close()

    async def _took(self, reader: asyncio.StreamReader) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        except asyncio.IncompleteReadError:
            return False
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        self.taken.append(json.loads(await reader.readexactly(length))["custom_args"]["countersign_key"])
        return True


def _sender(url: str) -> SendGridMail:
    return SendGridMail(api_key="key", sender="desk@example.com", base_url=url)


async def _send(sender: SendGridMail, key: str) -> None:
    await sender.send_mail(to="olivia.owner@example.com", mail=_MAIL, key=key)


async def test_mails_share_a_connection() -> None:
    sendgrid = KeepingSendGrid()
    async with sendgrid.sender() as sender:
        for key in ("1", "2", "3"):
            await _send(sender, key)

    assert sendgrid.taken == ["1", "2", "3"]
    assert sendgrid.connections == 1


async def test_a_connection_that_sendgrid_closed_between_two_mails_costs_none() -> None:
    sendgrid = KeepingSendGrid(keeps=False)
    async with sendgrid.sender() as sender:
        await _send(sender, "1")
        for _ in range(10):  # turns of the event loop, in which the end of the connection arrives
            await asyncio.sleep(0)
        await _send(sender, "2")

    assert sendgrid.taken == ["1", "2"]
    assert sendgrid.connections == 2


async def test_a_mail_on_a_kept_connection_that_breaks_is_told_as_failed_and_not_posted_twice() -> None:
    sendgrid = KeepingSendGrid()
    async with sendgrid.sender() as sender:
        await _send(sender, "1")
        sendgrid.answers = False
        with pytest.raises(DeliveryFailed, match=r"SendGrid cannot be reached\."):
            await _send(sender, "2")

        assert sendgrid.taken == ["1", "2"]
        sendgrid.answers = True
        await _send(sender, "2")

    assert sendgrid.taken == ["1", "2", "2"]


@pytest.mark.parametrize(("direct", "taken"), [("", ["1"]), ("sendgrid.invalid", [])])
async def test_a_proxy_of_the_environment_is_used_unless_it_is_to_be_passed_by(
    monkeypatch: pytest.MonkeyPatch, direct: str, taken: list[str]
) -> None:
    proxy = KeepingSendGrid()
    async with proxy.serving() as url:
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", direct)
        async with aclosing(_sender("http://sendgrid.invalid")) as sender:
            with suppress(DeliveryFailed):
                await _send(sender, "1")

    assert proxy.taken == taken
