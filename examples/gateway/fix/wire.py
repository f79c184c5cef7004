"""Messages on the wire: whole ones are read, and nothing without an end is gathered."""

import asyncio
import re
from datetime import UTC, datetime
from typing import TypeAlias

from simplefix import FixMessage, FixParser
from simplefix.errors import ParsingError

BEGIN_STRING = "FIX.4.4"
LONGEST_BODY = 8192
_HEAD = re.compile(rb"8=([\w.]{1,16})\x019=([0-9]{1,5})\x01", re.ASCII)
_LONGEST_HEAD = 32
_TRAILER = len(b"10=000\x01")
_TIME = re.compile(r"\d{8}-\d{2}:\d{2}:\d{2}(\.\d{3,6})?", re.ASCII)
SOH = b"\x01"
Message: TypeAlias = FixMessage


class NoFix(Exception):
    """What came is not FIX, or too long: the connection is worth no word."""


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Return the next message that is not garbled; those that are, are passed over as FIX asks.

    Raises ``NoFix``, and ``IncompleteReadError`` at the end of the connection.
    """
    while True:
        try:
            head = await reader.readuntil(SOH) + await reader.readuntil(SOH)
        except asyncio.LimitOverrunError:
            raise NoFix from None
        found = _HEAD.fullmatch(head) if len(head) <= _LONGEST_HEAD else None
        if found is None or int(found[2]) > LONGEST_BODY:
            raise NoFix
        message = _parse(head, await reader.readexactly(int(found[2]) + _TRAILER))
        if message is not None:
            return message


def _parse(head: bytes, rest: bytes) -> Message | None:
    body, trailer = rest[:-_TRAILER], rest[-_TRAILER:]
    if trailer != b"10=%03d\x01" % (sum(head + body) % 256):
        return None
    parser = FixParser()
    parser.append_buffer(head + rest)
    try:
        message: Message | None = parser.get_message()
    except ParsingError:
        return None
    is_whole = message is not None and not parser.get_buffer() and message.message_type is not None
    return message if is_whole else None


def text_of(message: Message, tag: int) -> str:
    """Return a field's text, or an empty one where there is no such field."""
    value: bytes | None = message.get(tag)
    return (value or b"").decode(errors="replace")


def type_of(message: Message) -> str:
    """Return the type (35)."""
    return text_of(message, 35)


def number_of(message: Message, tag: int) -> int | None:
    """Return a field's number, or None where there is none; at most nine digits."""
    text = text_of(message, tag)
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def sending_time(message: Message) -> datetime | None:
    """Return SendingTime (52), or None where there is none."""
    text = text_of(message, 52)
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text[:17], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def make(kind: str, *fields: tuple[int, object]) -> Message:
    """Return a message without its header."""
    message = Message()
    message.append_pair(35, kind, header=True)
    for tag, value in fields:
        message.append_pair(tag, str(value))
    return message
