"""What ops look up: accounts at a glance, the codes and audit events of one request, the accounts of one person."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.names import fold_name
from countersign.domain.requests import Channel, Delivery, Journey, Step
from countersign.storage import requests
from countersign.storage.database import Connection, column, many
from countersign.storage.ledger import EVENT_COLUMNS, AuditEvent
from countersign.storage.requests import Request


class AccountOverview(BaseModel, frozen=True):
    """An account as ops see it in a list."""

    id: UUID
    name: str
    prime_liquidity: bool
    wrong_codes_in_a_row: int
    frozen_at: datetime | None
    open_requests: int


class CodeDelivery(BaseModel, frozen=True):
    """One send of a code (or one opening of the authenticator's window), and what became of it."""

    step: Step
    number: int
    channel: Channel
    opened_at: datetime
    expires_at: datetime
    delivery: Delivery
    failure: str | None
    settled_at: datetime | None
    provider_id: str | None
    tries: int | None
    wrong_codes: int
    solved_at: datetime | None


class _Named(BaseModel, frozen=True):
    id: UUID
    name: str


class Narrowing(BaseModel, frozen=True):
    """What a search over requests is narrowed to; None narrows nothing.

    ``text`` begins an API key's name or a Session Name, or is part of an account's name; ``id`` is that of a request, a
    credential or an account. ``before`` is the last request of the page above.
    """

    text: str | None = None
    id: UUID | None = None
    is_open: bool | None = None
    journey: Journey | None = None
    step: Step | None = None
    before: tuple[datetime, UUID] | None = None


async def every_account(connection: Connection) -> list[AccountOverview]:
    """Return all accounts by name."""
    query = """SELECT a.id, a.name, a.prime_liquidity, a.wrong_codes_in_a_row, a.frozen_at,
                      (SELECT count(*) FROM requests r WHERE r.account_id = a.id AND r.outcome IS NULL) AS open_requests
               FROM accounts a ORDER BY a.name, a.id"""
    return await many(connection, AccountOverview, query)


async def search(connection: Connection, narrowing: Narrowing, *, at: datetime, limit: int) -> list[Request]:
    """Return the requests that fit, newest first; past its deadline at ``at`` a request is open no more."""
    text = narrowing.text
    values = {
        **narrowing.model_dump(exclude={"before"}),
        "at": at,
        "limit": limit,
        "begins": _like(fold_name(text)) + "%" if text else None,
        "holds": f"%{_like(text)}%" if text else None,
        "before_at": narrowing.before[0] if narrowing.before else None,
        "before_id": narrowing.before[1] if narrowing.before else None,
    }
    found: list[UUID] = await column(connection, _search(narrowing), values)
    return await requests.of_ids(connection, found)


async def account_names(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of those accounts."""
    rows = await many(connection, _Named, "SELECT id, name FROM accounts WHERE id = ANY(%s)", (list(ids),))
    return {row.id: row.name for row in rows}


async def deliveries_of(connection: Connection, request_id: UUID) -> list[CodeDelivery]:
    """Return the sends of all of a request's codes, oldest first; ``wrong_codes`` counts those of the whole step."""
    query = """SELECT c.step, s.number, s.channel, s.opened_at, s.expires_at, s.delivery, s.failure, s.settled_at,
                      s.provider_id, s.tries, c.wrong_codes, c.solved_at
               FROM challenges c JOIN code_sends s ON s.challenge_id = c.id
               WHERE c.request_id = %s ORDER BY s.opened_at, s.number"""
    return await many(connection, CodeDelivery, query, (request_id,))


async def events_of(connection: Connection, request: Request) -> list[AuditEvent]:
    """Return the audit events of a request, oldest first."""
    query = f"SELECT {EVENT_COLUMNS} FROM audit_events WHERE account_id = %s AND request_id = %s ORDER BY number"
    return await many(connection, AuditEvent, query, (request.account_id, request.id))


async def accounts_concerning(connection: Connection, user_id: UUID) -> list[UUID]:
    """Return the ids of the accounts that the user belongs to, looks after, or has an open request in, in lock order.

    An account manager who activates by name has begun a request in an account that he or she does not belong to.
    """
    query = """SELECT account_id FROM memberships WHERE user_id = %(user)s
               UNION SELECT account_id FROM account_manager_assignments WHERE user_id = %(user)s
               UNION SELECT account_id FROM requests WHERE user_id = %(user)s AND outcome IS NULL
               ORDER BY account_id"""
    return await column(connection, query, {"user": user_id})


def _search(narrowing: Narrowing) -> LiteralString:
    wanted = {
        # Each way to be found has an index of its own; the planner joins them.
        "(lower(r.name_key) LIKE %(begins)s OR r.account_id = ANY (ARRAY("
        "SELECT a.id FROM accounts a WHERE a.name ILIKE %(holds)s)))": narrowing.text,
        "(r.id = %(id)s OR r.credential_id = %(id)s OR r.account_id = %(id)s)": narrowing.id,
        "(r.outcome IS NULL AND (r.deadline IS NULL OR r.deadline > %(at)s)) = %(is_open)s": narrowing.is_open,
        # Says no more than the line above, or below: but of this the indexes over what is open can be made use of.
        "r.outcome IS NULL": narrowing.is_open or narrowing.step not in {None, Step.CLOSED} or None,
        "r.journey = %(journey)s": narrowing.journey,
        "r.step = %(step)s": narrowing.step,
        "(r.created_at, r.id) < (%(before_at)s, %(before_id)s)": narrowing.before,
    }
    conditions: list[LiteralString] = [condition for condition, value in wanted.items() if value is not None]
    return f"""SELECT r.id FROM requests r WHERE {" AND ".join(["true", *conditions])}
               ORDER BY r.created_at DESC, r.id DESC LIMIT %(limit)s"""


def _like(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
