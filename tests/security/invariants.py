"""What must hold in the database after every move, whatever the move was."""

from collections import Counter
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from countersign.wiring import Parts
from tests.security.rulebook import Rulebook

Rows = list[dict[str, Any]]
_REQUESTS: LiteralString = """SELECT id::text, credential_id::text, step, outcome, credential_version FROM requests
                              WHERE account_id = ANY(%s) ORDER BY id"""
_CREDENTIALS: LiteralString = """SELECT id::text, status, version, permissions, ip_whitelist, trading_limits
                                 FROM credentials WHERE account_id = ANY(%s) ORDER BY id"""
_EVENTS: LiteralString = """SELECT account_id, number, event, request_id::text, credential_id::text, details
                            FROM audit_events WHERE account_id = ANY(%s) ORDER BY account_id, number"""


class Violated(AssertionError):
    """Something is as it must never be."""


def require(holds: object, told: str) -> None:
    """Raise ``Violated`` with what is told unless it holds."""
    if not holds:
        raise Violated(told)


async def standing(core: Parts, accounts: list[UUID]) -> tuple[Rows, Rows]:
    """Return all requests and credentials of the accounts, as far as moves change them."""
    return await _rows(core, _REQUESTS, accounts), await _rows(core, _CREDENTIALS, accounts)


async def check(core: Parts, accounts: list[UUID], book: Rulebook) -> None:
    """Raise ``Violated`` unless the database is as the book says it may be, and the trail tells how it came so."""
    requests, credentials = await standing(core, accounts)
    _active_only_with_every_step(credentials, book)
    _closed_stays_closed(requests, book)
    _one_open_at_most(requests)
    _explained(await _rows(core, _EVENTS, accounts), requests, credentials)


async def check_trails(core: Parts, accounts: list[UUID]) -> None:
    """Raise ``Violated`` unless each credential has one open request at most, and the trails tell how all came so."""
    requests, credentials = await standing(core, accounts)
    _one_open_at_most(requests)
    _explained(await _rows(core, _EVENTS, accounts), requests, credentials)


def _active_only_with_every_step(credentials: Rows, book: Rulebook) -> None:
    active = {each["id"] for each in credentials if each["status"] == "active"}
    unproven = active - book.may_be_active
    told = {each.journey: each.proofs for each in book.approvals if each.credential in unproven}
    require(not unproven, f"active without every step that its journey demands: {told}")


def _closed_stays_closed(requests: Rows, book: Rulebook) -> None:
    is_open = {each["id"] for each in requests if each["outcome"] is None}
    for approval in book.approvals:
        require(not approval.closed or approval.flow.id not in is_open, f"{approval.journey} is open though it ended")
        approval.closed |= approval.flow.id not in is_open


def _one_open_at_most(requests: Rows) -> None:
    counted = Counter(each["credential_id"] for each in requests if each["outcome"] is None)
    require(all(count == 1 for count in counted.values()), "two requests are open about one credential")


def _explained(events: Rows, requests: Rows, credentials: Rows) -> None:
    numbers: dict[UUID, int] = {}
    status: dict[str, str] = {}
    ended: dict[str, str | None] = {}
    for event in events:
        numbers[event["account_id"]] = numbers.get(event["account_id"], 0) + 1
        require(event["number"] == numbers[event["account_id"]], "the trail has a gap")
        _follow(event, status, ended)
    told = {each["id"]: each["status"] for each in credentials}
    require(status == told, f"the trail says {status}, the database {told}")
    outcomes = {each["id"]: each["outcome"] for each in requests}
    require(ended == outcomes, f"the trail says {ended}, the database {outcomes}")


def _follow(event: dict[str, Any], status: dict[str, str], ended: dict[str, str | None]) -> None:
    about, details = event["credential_id"], event["details"]
    if event["event"] == "credential:created":
        require(about not in status, "a credential came into being twice")
        status[about] = "inactive"
    if event["event"] == "credential:status":
        require(status[about] == details["before"], "a change of status begins where the last one did not end")
        status[about] = details["after"]
    if event["event"] == "request:opened":
        require(event["request_id"] not in ended, "a request was opened twice")
        ended[event["request_id"]] = None
    if event["event"] == "request:ended":
        require(ended[event["request_id"]] is None, "a request ended twice")
        ended[event["request_id"]] = details["outcome"]


async def _rows(core: Parts, query: LiteralString, accounts: list[UUID]) -> Rows:
    async with core.database.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        return await (await cursor.execute(query, (accounts,))).fetchall()
