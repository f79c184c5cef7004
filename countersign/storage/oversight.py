"""What ops look up: accounts at a glance, the codes and audit events of one request, the accounts of one person."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from countersign.domain.requests import Channel, Delivery, Step
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
    wrong_codes: int
    solved_at: datetime | None


async def every_account(connection: Connection) -> list[AccountOverview]:
    """Return all accounts by name."""
    query = """SELECT a.id, a.name, a.prime_liquidity, a.wrong_codes_in_a_row, a.frozen_at,
                      (SELECT count(*) FROM requests r WHERE r.account_id = a.id AND r.outcome IS NULL) AS open_requests
               FROM accounts a ORDER BY a.name, a.id"""
    return await many(connection, AccountOverview, query)


async def deliveries_of(connection: Connection, request_id: UUID) -> list[CodeDelivery]:
    """Return the sends of all of a request's codes, oldest first; ``wrong_codes`` counts those of the whole step."""
    query = """SELECT c.step, s.number, s.channel, s.opened_at, s.expires_at, s.delivery, s.failure, c.wrong_codes,
                      c.solved_at
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
