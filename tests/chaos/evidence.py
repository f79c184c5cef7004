"""Everything a run leaves behind: rows, mails and texts, histories, and what people were told."""

import asyncio
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowExecutionStatus

from tests.adapters.standins import Received
from tests.chaos.calling import Call
from tests.chaos.faults import Happened
from tests.chaos.stack import Stack
from tests.support.production import ROOT

Row = dict[str, Any]
# The schedule's own comes and goes.
_OF_REQUESTS = "WorkflowType != 'reconcile'"
_NON_DETERMINISTIC = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
_TABLES: dict[str, LiteralString] = {
    "requests": "SELECT *, id::text, user_id::text, credential_id::text, deadline < now() AS overdue FROM requests",
    "credentials": "SELECT *, id::text, account_id::text FROM credentials",
    "events": """SELECT *, account_id::text, request_id::text, credential_id::text
                 FROM audit_events ORDER BY audit_events.account_id, number""",
    "challenges": "SELECT *, id::text, request_id::text FROM challenges",
    "sends": "SELECT *, challenge_id::text FROM code_sends",
    "notices": "SELECT *, id::text, request_id::text, due_at < now() AS due FROM notices",
    "keys": "SELECT *, request_id::text, user_id::text FROM idempotency_keys",
}


@dataclass
class History:
    """A workflow as Temporal tells of it; ``acted_otherwise`` counts replays that did not fit its history."""

    status: str
    events: Counter[str] = field(default_factory=Counter)
    acted_otherwise: int = 0


@dataclass
class Evidence:
    """What the checker judges; it looks at nothing else."""

    requests: list[Row]
    credentials: list[Row]
    events: list[Row]
    challenges: list[Row]
    sends: list[Row]
    notices: list[Row]
    keys: list[Row]
    histories: dict[str, History]
    texts: list[Received]
    mails: list[Received]
    confirmed_mails: list[Received]
    confirmed_texts: list[Received]
    calls: list[Call]
    happened: list[Happened]
    audit: str
    _events: dict[Any, list[Row]] = field(default_factory=dict, init=False, repr=False)

    def events_of(self, request_id: str) -> list[Row]:
        """Return the request's audit events, oldest first."""
        return self._events[request_id]

    def index(self) -> None:
        """Look through the events; to be called whenever they have changed."""
        self._events = by(self.events, "request_id")


async def settled(stack: Stack, *, seconds: float) -> None:
    """Return once nothing is left that goes by itself: starts, sends, notices, workflows of closed requests.

    Returns after ``seconds`` at the latest: what is left then is the checker's to judge.
    """
    deadline = time.time() + seconds
    client = await Client.connect(stack.temporal.address)
    while await _is_busy(stack) or await _running_without_need(stack, client):
        if time.time() > deadline:
            return
        await asyncio.sleep(0.5)


async def gather(stack: Stack, *, calls: list[Call], happened: list[Happened]) -> Evidence:
    """Read everything."""
    audited = asyncio.create_task(asyncio.to_thread(_audit, stack))
    rows = await asyncio.to_thread(_rows, stack)
    return Evidence(
        **rows,
        histories=await _histories(await Client.connect(stack.temporal.address)),
        texts=list(stack.twilio.received),
        mails=list(stack.sendgrid.received),
        confirmed_mails=list(stack.sendgrid.confirmed),
        confirmed_texts=list(stack.twilio.confirmed),
        calls=calls,
        happened=happened,
        audit=await audited,
    )


_BUSY: LiteralString = """
    SELECT (SELECT count(*) FROM requests WHERE step = 'starting' OR nudge)
         + (SELECT count(*) FROM requests WHERE outcome IS NULL AND deadline < now())
         + (SELECT count(*) FROM notices WHERE sent_at IS NULL AND failed_at IS NULL AND due_at < now())
         + (SELECT count(*) FROM code_sends s JOIN challenges c ON c.id = s.challenge_id
            JOIN requests r ON r.id = c.request_id AND r.step = c.step
            WHERE s.delivery = 'sending' AND s.expires_at > now() AND r.outcome IS NULL)"""


async def _is_busy(stack: Stack) -> bool:
    async with await psycopg.AsyncConnection.connect(_url(stack)) as connection:
        row = await (await connection.execute(_BUSY)).fetchone()
        return bool(row and row[0])


def _rows(stack: Stack) -> dict[str, list[Row]]:
    with psycopg.connect(_url(stack), row_factory=dict_row) as connection:
        connection.execute("SET timezone = 'UTC'")
        return {name: connection.execute(query).fetchall() for name, query in _TABLES.items()}


def _url(stack: Stack) -> str:
    return stack.postgres.owner_url


async def _running_without_need(stack: Stack, client: Client) -> bool:
    rows = await asyncio.to_thread(_rows, stack)
    needed = {workflow_id(each) for each in rows["requests"] if each["outcome"] is None}
    running = {each.id async for each in client.list_workflows(f"{_OF_REQUESTS} AND ExecutionStatus = 'Running'")}
    return running != needed


def workflow_id(request: Row) -> str:
    """Return the id of the request's workflow."""
    return f"{request['journey']}/{request['id']}"


async def _histories(client: Client) -> dict[str, History]:
    found: dict[str, History] = {}
    async for each in client.list_workflows(_OF_REQUESTS):
        status = each.status.name if isinstance(each.status, WorkflowExecutionStatus) else "UNKNOWN"
        found[each.id] = History(status)
    names = list(found)
    for start in range(0, len(names), 20):
        await asyncio.gather(*(_read(client, name, found[name]) for name in names[start : start + 20]))
    return found


async def _read(client: Client, name: str, history: History) -> None:
    async for event in client.get_workflow_handle(name).fetch_history_events():
        history.events[EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")] += 1
        if event.workflow_task_failed_event_attributes.cause == _NON_DETERMINISTIC:
            history.acted_otherwise += 1


def _audit(stack: Stack) -> str:
    """Return what ``countersign audit verify`` finds wrong; nothing if all is well."""
    command = (sys.executable, "-m", "countersign", "audit", "verify")
    environment = stack.environment(database_url=stack.postgres.app_url)
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}".strip() or "failed"


def by(rows: Iterable[Row], column: str) -> dict[Any, list[Row]]:
    """Return the rows by the value of a column."""
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return found
