"""One side of a session: what was sent and received, by number and by time."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from examples.gateway.fix.wire import BEGIN_STRING, Message, make, sending_time, text_of

_WRITE_SECONDS = 2.0
_CLOCKS_DIFFER = timedelta(minutes=2)


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close, and drop what the other side does not read within a moment."""
    writer.close()
    asyncio.get_running_loop().call_later(_WRITE_SECONDS, writer.transport.abort)


@dataclass
class Numbers:
    """The next MsgSeqNum (34) in either direction; kept in memory from one connection to the next."""

    incoming: int = 1
    outgoing: int = 1

    def reset(self) -> None:
        """Begin with 1 again."""
        self.incoming = self.outgoing = 1


class Connection:
    """Sends messages with their header; ``sent_at`` and ``heard_at`` are moments of the monotonic clock."""

    def __init__(self, writer: asyncio.StreamWriter, *, own: str, client: str, numbers: Numbers) -> None:
        self._writer = writer
        self._own = own
        self._client = client
        self.numbers = numbers
        self.sent_at = self.heard_at = time.monotonic()

    async def send(self, message: Message) -> None:
        """Send a message under the next number."""
        number, self.numbers.outgoing = self.numbers.outgoing, self.numbers.outgoing + 1
        await self._write(message, number)

    async def fill_gap(self, begin: int) -> None:
        """Pass over what was sent from ``begin`` on: an example keeps no messages to send them again."""
        if begin >= self.numbers.outgoing:
            return
        message = make("4", (123, "Y"), (36, self.numbers.outgoing))
        message.append_pair(43, "Y", header=True)
        message.append_utc_timestamp(122, datetime.now(UTC), header=True)
        await self._write(message, begin)

    def hear(self) -> None:
        """Note that something came."""
        self.heard_at = time.monotonic()

    def hang_up(self) -> None:
        """Close."""
        hang_up(self._writer)

    def header_fault(self, message: Message) -> tuple[int, str] | None:
        """Return what is wrong with a message's header: SessionRejectReason (373) and a text."""
        if (text_of(message, 49), text_of(message, 56)) != (self._client, self._own):
            return 9, "CompID problem"
        sent_at = sending_time(message)
        if sent_at is None or abs(datetime.now(UTC) - sent_at) > _CLOCKS_DIFFER:
            return 10, "SendingTime accuracy problem: more than two minutes from ours"
        return None

    async def _write(self, message: Message, number: int) -> None:
        message.append_pair(8, BEGIN_STRING, header=True)
        message.append_pair(49, self._own, header=True)
        message.append_pair(56, self._client, header=True)
        message.append_pair(34, str(number), header=True)
        message.append_utc_timestamp(52, datetime.now(UTC), header=True)
        self._writer.write(message.encode())
        self.sent_at = time.monotonic()
        # Who does not read is not waited for.
        async with asyncio.timeout(_WRITE_SECONDS):
            await self._writer.drain()
