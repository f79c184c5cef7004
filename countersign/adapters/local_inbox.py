"""The inbox of the local stack: SMS and mails that go to a file instead of to people."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkstemp
from typing import Literal

from pydantic import BaseModel, ConfigDict

from countersign.adapters.senders import Mail

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    key TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    html TEXT NOT NULL,
    at TEXT NOT NULL
)
"""
_INSERT = "INSERT OR IGNORE INTO messages VALUES (:id, :channel, :to, :subject, :text, :html, :at)"
_SELECT = """
SELECT key AS id, channel, recipient AS "to", subject, text, html, at FROM messages
WHERE :to IS NULL OR recipient = :to ORDER BY rowid DESC LIMIT :limit
"""
_WAIT_SECONDS = 10


class InboxMessage(BaseModel):
    """One message as it would have reached a person; ``id`` is the key of the send."""

    model_config = ConfigDict(frozen=True)

    id: str
    channel: Literal["sms", "mail"]
    to: str
    subject: str
    text: str
    html: str
    at: datetime


class LocalInbox:
    """Implements ``SmsSender`` and ``MailSender`` for the local stack; several processes may use one file."""

    def __init__(self, data: Path) -> None:
        """Keep the messages in ``inbox.db`` in the folder ``data``, which is made if need be."""
        self._file = data / "inbox.db"

    async def send_sms(self, *, to: str, text: str, key: str) -> str:
        """Store the message, once per ``key``, which is its id."""
        await self._store(InboxMessage(id=key, channel="sms", to=to, subject="", text=text, html="", at=_now()))
        return key

    async def send_mail(self, *, to: str, mail: Mail, key: str) -> str:
        """Store the mail, once per ``key``, which is its id."""
        message = InboxMessage(
            id=key, channel="mail", to=to, subject=mail.subject, text=mail.text, html=mail.html, at=_now()
        )
        await self._store(message)
        return key

    async def messages(self, *, to: str | None = None, limit: int = 100) -> list[InboxMessage]:
        """Return at most ``limit`` messages, newest first; only those for ``to`` if it is given."""
        return await asyncio.to_thread(self._select, to, limit)

    async def aclose(self) -> None:
        """Do nothing: no connection is kept."""

    async def _store(self, message: InboxMessage) -> None:
        await asyncio.to_thread(self._insert, message)

    def _insert(self, message: InboxMessage) -> None:
        with self._opened() as connection, connection:
            connection.execute(_INSERT, message.model_dump(mode="json"))

    def _select(self, to: str | None, limit: int) -> list[InboxMessage]:
        with self._opened() as connection:
            rows = connection.execute(_SELECT, {"to": to, "limit": max(0, limit)})
            return [InboxMessage.model_validate(dict(row)) for row in rows]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        if not self._file.exists():
            self._make_private()
        with closing(sqlite3.connect(self._file, timeout=_WAIT_SECONDS)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_SCHEMA)
            yield connection

    def _make_private(self) -> None:
        # Made for its mode (SQLite gives its side files the same), and under another name: a process that closes a
        # file loses all locks it holds on it (POSIX), those of SQLite in its other threads too.
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = mkstemp(prefix=".inbox-", dir=self._file.parent)
        os.close(handle)
        with suppress(FileExistsError):
            self._file.hardlink_to(name)
        Path(name).unlink()


def _now() -> datetime:
    return datetime.now(UTC)
