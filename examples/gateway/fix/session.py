"""A session that is open: numbers without gaps, heartbeats, and a Logout with a text at its end."""

import asyncio
import time

from countersign.gateway_client import Allowed
from examples.gateway.fix.application import Application, FieldFault, Unsupported
from examples.gateway.fix.connection import Connection
from examples.gateway.fix.wire import BEGIN_STRING, Message, make, number_of, read_message, text_of, type_of

_GOODBYE_SECONDS = 2.0
_LATE = 1.2
_DEAD = 2.4
# SessionRejectReason (373).
_MISSING, _INCORRECT, _INVALID_TYPE = 1, 5, 11


class FixSession:
    """What was let in by ``decision``; the client promised a word every ``heartbeat`` seconds, and gets as many."""

    def __init__(
        self, connection: Connection, application: Application, decision: Allowed, *, ip: str, heartbeat: float
    ) -> None:
        self.decision = decision
        self.ip = ip
        self._connection = connection
        self._application = application
        self._heartbeat = heartbeat
        self._is_ending = False
        self._asked_from: int | None = None

    async def end(self, text: str) -> None:
        """Log out with this text, and wait a moment for the client to do so too; nothing else is taken from it."""
        if self._is_ending:
            return
        self._is_ending = True
        asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, self._connection.hang_up)
        await self._connection.send(make("5", (58, text)))

    async def greet(self, *, reset: bool) -> None:
        """Answer the Logon."""
        flag = ((141, "Y"),) if reset else ()
        await self._connection.send(make("A", (98, 0), (108, f"{self._heartbeat:g}"), *flag))

    async def converse(self, reader: asyncio.StreamReader) -> None:
        """Answer until the connection ends; raises ``NoFix`` and what reading and writing raise."""
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(self._keep_time())
            try:
                while True:
                    message = await read_message(reader)
                    self._connection.hear()
                    await self.take(message)
            except asyncio.IncompleteReadError:
                # The client hung up, or it was done from here.
                return
            finally:
                beating.cancel()

    async def take(self, message: Message) -> None:
        """Take a message if it is the next one, ask for those between, or end where numbers cannot be right."""
        kind, number = type_of(message), number_of(message, 34)
        if self._is_ending:
            self._hang_up_after(kind)
        elif text_of(message, 8) != BEGIN_STRING or number is None:
            await self.end(f"Every message needs BeginString {BEGIN_STRING} and MsgSeqNum")
        elif (fault := self._connection.header_fault(message)) is not None:
            reason, text = fault
            await self._reject(message, reason, text)
            await self.end(text)
        elif kind == "4" and text_of(message, 123) != "Y":
            await self._begin_anew(message)
        else:
            await self._take_in_turn(message, kind, number)

    async def _take_in_turn(self, message: Message, kind: str, number: int) -> None:
        numbers = self._connection.numbers
        if number < numbers.incoming:
            if text_of(message, 43) != "Y":
                await self.end(f"MsgSeqNum too low, expecting {numbers.incoming} but received {number}")
            return
        if number > numbers.incoming:
            await self.ask_for_missing()
            # These two are served even so, or both sides might wait for each other.
            if kind in {"2", "5"}:
                await self._answer(message, kind)
            return
        numbers.incoming += 1
        await self._answer(message, kind)

    async def ask_for_missing(self) -> None:
        """Ask once for what did not come."""
        expected = self._connection.numbers.incoming
        if self._asked_from != expected:
            self._asked_from = expected
            await self._connection.send(make("2", (7, expected), (16, 0)))

    async def _answer(self, message: Message, kind: str) -> None:
        match kind:
            case "0" | "3":
                return
            case "1":
                await self._connection.send(make("0", (112, text_of(message, 112))))
            case "2":
                await self._connection.fill_gap(number_of(message, 7) or 1)
            case "4":
                await self._begin_anew(message)
            case "5":
                await self.end("Goodbye")
                self._connection.hang_up()
            case "A":
                await self.end("Already logged on")
            case _:
                await self._ask_application(message)

    async def _ask_application(self, message: Message) -> None:
        try:
            answers = self._application.answer(self.decision, message)
        except Unsupported:
            await self._reject(message, _INVALID_TYPE, "Messages of this type are not served here")
        except FieldFault as fault:
            reason = _INCORRECT if text_of(message, fault.tag) else _MISSING
            await self._reject(message, reason, str(fault), (371, fault.tag))
        else:
            for answer in answers:
                await self._connection.send(answer)

    async def _begin_anew(self, message: Message) -> None:
        """Take a SequenceReset, which may only go forward."""
        number, numbers = number_of(message, 36), self._connection.numbers
        if number is None or number < numbers.incoming:
            await self._reject(message, _INCORRECT, "NewSeqNo goes back", (371, 36))
        else:
            numbers.incoming = number

    async def _reject(self, message: Message, reason: int, text: str, *more: tuple[int, object]) -> None:
        about = ((45, number_of(message, 34) or 0), (372, type_of(message)))
        await self._connection.send(make("3", *about, *more, (373, reason), (58, text)))

    def _hang_up_after(self, kind: str) -> None:
        if kind == "5":
            self._connection.hang_up()

    async def _keep_time(self) -> None:
        has_asked = False
        while True:
            await asyncio.sleep(self._heartbeat / 4)
            now = time.monotonic()
            silent = now - self._connection.heard_at
            if silent > _DEAD * self._heartbeat:
                await self.end("No heartbeat came")
            elif silent > _LATE * self._heartbeat and not has_asked:
                await self._connection.send(make("1", (112, "are you there")))
            elif now - self._connection.sent_at >= self._heartbeat:
                await self._connection.send(make("0"))
            has_asked = silent > _LATE * self._heartbeat
