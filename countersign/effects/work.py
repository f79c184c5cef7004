"""The unit of work: one transaction on one locked account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from countersign.adapters.keyring import KeyRing
from countersign.domain.audit import AuditTag, Place, Recorded
from countersign.domain.errors import NotFound
from countersign.domain.messages import Actor, Envelope
from countersign.domain.rules import Rules
from countersign.effects.trail import Trail
from countersign.storage import accounts, requests, verdicts
from countersign.storage.accounts import Account, LockedAccount
from countersign.storage.database import Connection, Database
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
    trail: Trail

    def audit(
        self, tag: AuditTag, *, request_id: UUID | None = None, credential_id: UUID | None = None, **details: Any
    ) -> None:
        """Tell the account's audit trail, when the transaction ends: details with floats let it fail."""
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
        self.trail.add(self.account.id, event)

    def audit_request(self, tag: AuditTag, request: Request, **details: Any) -> None:
        """Tell the account's audit trail about a request and its credential, if it is about one."""
        credential_id = request.credential_id if request.journey.kind else None
        self.audit(tag, request_id=request.id, credential_id=credential_id, **details)

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
    async def transaction(self) -> AsyncIterator[Trail]:
        """Open a transaction, whose audit events are stored when it ends without an exception."""
        async with self.database.transaction() as connection:
            trail = Trail(connection, self.keys)
            yield trail
            await trail.store()

    @asynccontextmanager
    async def on_account(self, account_id: UUID, *, at: datetime, actor: Actor) -> AsyncIterator[Work]:
        """Open a transaction with the account locked; raises ``NotFound``."""
        async with self.transaction() as trail:
            yield await self.work_on(trail, account_id, at=at, actor=actor)

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

    async def work_on(self, trail: Trail, account_id: UUID, *, at: datetime, actor: Actor) -> Work:
        """Lock an account in an open transaction, several in the order of their ids; raises ``NotFound``."""
        return self._work(trail, await accounts.lock(trail.connection, account_id), at=at, actor=actor)

    @asynccontextmanager
    async def _at_request(self, request_id: UUID, *, at: datetime, actor: Actor) -> AsyncIterator[Work]:
        async with self.transaction() as trail:
            yield self._work(trail, await accounts.lock_of_request(trail.connection, request_id), at=at, actor=actor)

    def _work(self, trail: Trail, locked: LockedAccount | None, *, at: datetime, actor: Actor) -> Work:
        account = found(locked)
        trail.begin(account.id, Place(account.audit_number, account.audit_mac))
        return Work(trail.connection, account, at=at, actor=actor, rules=self.rules, keys=self.keys, trail=trail)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def found(thing: Thing | None) -> Thing:
    """Return what was looked up, or raise ``NotFound``."""
    if thing is None:
        raise NotFound
    return thing
