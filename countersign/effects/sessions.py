"""Signed-in browsers: each beginning and end of a session is an audit event of the accounts of its person."""

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from countersign.domain.audit import AuditTag
from countersign.domain.messages import Actor
from countersign.effects.trail import Trail
from countersign.effects.work import Desk
from countersign.storage import accounts, sessions
from countersign.storage.sessions import Session

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class SessionWork:
    """Whose sessions are worked on, from where and when."""

    desk: Desk
    user_id: UUID
    at: datetime
    actor: Actor

    async def begin(self, session: Session, *, replacing: bytes | None) -> None:
        """Store the session in the place of the one that the browser had before."""
        async with self.desk.transaction() as trail:
            await self._note(trail, AuditTag.SESSION_BEGUN)
            if replacing is not None:
                await sessions.delete(trail.connection, replacing)
            await sessions.insert(trail.connection, session)

    async def end(self, token_hash: bytes) -> None:
        """End one session."""
        async with self.desk.transaction() as trail:
            await self._note(trail, AuditTag.SESSION_ENDED)
            await sessions.delete(trail.connection, token_hash)

    async def end_others(self, kept: bytes) -> None:
        """End all of the person's sessions but one."""
        async with self.desk.transaction() as trail:
            await self._note(trail, AuditTag.OTHER_SESSIONS_ENDED)
            await sessions.delete_of_user(trail.connection, self.user_id, kept=kept)

    async def _note(self, trail: Trail, tag: AuditTag) -> None:
        # Before any session is touched: whatever else ends sessions holds the accounts first, too.
        account_ids = sorted(account.id for account, _ in await accounts.of_user(trail.connection, self.user_id))
        for account_id in account_ids:
            work = await self.desk.work_on(trail, account_id, at=self.at, actor=self.actor)
            work.audit(tag)
        if not account_ids:
            _LOG.info("%s: user %s from %s", tag, self.user_id, self.actor.ip or "an unknown address")
