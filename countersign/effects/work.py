"""The unit of work: one transaction on one locked account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from countersign.adapters.keyring import KeyRing, Purpose
from countersign.domain.audit import AuditTag, Place, Recorded, canonical
from countersign.domain.errors import NotFound
from countersign.domain.messages import Actor, Envelope
from countersign.domain.rules import Rules
from countersign.storage import accounts, ledger, requests, verdicts
from countersign.storage.accounts import Account, LockedAccount
from countersign.storage.database import Connection, Database
from countersign.storage.ledger import AuditHeadMoved
from countersign.storage.requests import Request
from countersign.storage.verdicts import Asked

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Work:
    """What an effect works with; ``at`` is the moment that deadlines are held against."""

    connection: Connection
    account: Account
    at: datetime
    actor: Actor
    rules: Rules
    keys: KeyRing
    _heads: dict[UUID, Place] = field(default_factory=dict)

    async def audit(
        self, tag: AuditTag, *, request_id: UUID | None = None, credential_id: UUID | None = None, **details: Any
    ) -> None:
        """Append an audit event to the account's trail; raises ``NotCanonical`` for details with floats."""
        event = Recorded(
            account_id=str(self.account.id),
            number=0,
            event=tag,
            at=datetime.now(UTC),
            actor_kind=self.actor.kind,
            actor_id=_text(self.actor.user_id),
            ip=_text(self.actor.ip),
            request_id=_text(request_id),
            credential_id=_text(credential_id),
            details=details,
            key_id=self.keys.current,
            mac=None,
        )
        known = self._heads.pop(self.account.id, None)
        try:
            await self._append(event, after=known or await ledger.head(self.connection, self.account.id))
        except AuditHeadMoved:
            if known is None:
                raise
            # Another unit of work on the same account has appended in this transaction.
            await self._append(event, after=await ledger.head(self.connection, self.account.id))

    async def _append(self, event: Recorded, *, after: Place) -> None:
        numbered = event._replace(number=after.number + 1)
        mac = self.keys.mac(Purpose.AUDIT, after.mac + canonical(numbered))
        await ledger.append(self.connection, numbered._replace(mac=mac), after=after)
        self._heads[self.account.id] = Place(numbered.number, mac)

    async def audit_request(self, tag: AuditTag, request: Request, **details: Any) -> None:
        """Append an audit event about a request and its credential, if it is about one."""
        credential_id = request.credential_id if request.journey.kind else None
        await self.audit(tag, request_id=request.id, credential_id=credential_id, **details)

    async def reload(self, request: Request) -> Request:
        """Return the request as it stands now."""
        return found(await requests.get(self.connection, request.id))


@dataclass(frozen=True)
class Desk:
    """Opens units of work."""

    database: Database
    keys: KeyRing
    rules: Rules

    @asynccontextmanager
    async def on_account(self, account_id: UUID, *, at: datetime, actor: Actor) -> AsyncIterator[Work]:
        """Open a transaction with the account locked; raises ``NotFound``."""
        async with self.database.transaction() as connection:
            yield await self.work_on(connection, account_id, at=at, actor=actor)

    @asynccontextmanager
    async def on_request(self, request_id: UUID, *, at: datetime, actor: Actor) -> AsyncIterator[tuple[Work, Request]]:
        """Open a transaction with the request's account locked; raises ``NotFound``."""
        async with self._at_request(request_id, at=at, actor=actor) as work:
            yield work, found(await requests.get(work.connection, request_id))

    @asynccontextmanager
    async def on_message(self, envelope: Envelope) -> AsyncIterator[tuple[Work, Asked]]:
        """Open a transaction for a message to a request, with its account locked; raises ``NotFound``."""
        async with self._at_request(envelope.request_id, at=envelope.at, actor=envelope.message.actor) as work:
            yield work, found(await verdicts.asked(work.connection, request_id=envelope.request_id, key=envelope.key))

    @asynccontextmanager
    async def _at_request(self, request_id: UUID, *, at: datetime, actor: Actor) -> AsyncIterator[Work]:
        async with self.database.transaction() as connection:
            yield self._work(connection, await accounts.lock_of_request(connection, request_id), at=at, actor=actor)

    async def work_on(self, connection: Connection, account_id: UUID, *, at: datetime, actor: Actor) -> Work:
        """Lock an account in an open transaction, several in the order of their ids; raises ``NotFound``."""
        return self._work(connection, await accounts.lock(connection, account_id), at=at, actor=actor)

    def _work(self, connection: Connection, locked: LockedAccount | None, *, at: datetime, actor: Actor) -> Work:
        account = found(locked)
        heads = {account.id: Place(account.audit_number, account.audit_mac)}
        return Work(connection, account, at=at, actor=actor, rules=self.rules, keys=self.keys, _heads=heads)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def found(thing: Thing | None) -> Thing:
    """Return what was looked up, or raise ``NotFound``."""
    if thing is None:
        raise NotFound
    return thing
