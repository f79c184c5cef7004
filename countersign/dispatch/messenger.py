"""Delivering a message to a request's workflow and bringing back the verdict."""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID
from weakref import WeakValueDictionary

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from countersign.adapters.temporal import answered_within
from countersign.adapters.temporal_tls import why_not
from countersign.domain.errors import BY_SLUG, DomainError, Unavailable
from countersign.domain.messages import AGAIN, AnyMessage, Verdict
from countersign.effects.ending import is_overdue
from countersign.effects.steps import closed
from countersign.effects.work import Desk, found
from countersign.storage import requests, verdicts
from countersign.storage.requests import Address

_LOG = logging.getLogger(__name__)
# Temporal allows 10 updates in flight a workflow, and shares local activities among too many of them.
_AT_ONCE = 4
# How long an update that a failure of ours has ended is not tried again.
_FAILS_FOR_SECONDS = 15
_GONE = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}


@dataclass(frozen=True)
class Messenger:
    """Sends updates, a few at a time per request."""

    client: Client
    desk: Desk
    timeout: timedelta
    _turns: WeakValueDictionary[UUID, asyncio.Semaphore] = field(default_factory=WeakValueDictionary)

    async def send(self, request: Address, message: AnyMessage, *, key: str) -> None:
        """Deliver the message and return once it had its effect; the same key again has no second one.

        Raises the problem it met as a ``DomainError``, and ``Unavailable`` when no worker answers in time.
        """
        if request.outcome is not None or is_overdue(request, at=datetime.now(UTC)):
            await self._answer_closed(request, key)
            return
        turn = self._turns.setdefault(request.id, asyncio.Semaphore(_AT_ONCE))
        try:
            async with asyncio.timeout(2 * self.timeout.total_seconds()), turn:
                await self._update(request, message, key)
        except TimeoutError:
            await self._nudge(request)
            raise _unanswered() from None
        except Unavailable:
            await self._nudge(request)
            raise

    async def _update(self, request: Address, message: AnyMessage, key: str) -> None:
        try:
            async with answered_within(self.timeout):
                await self._ask(request, message, key)
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            raise _unanswered() from None
        except RPCError as error:
            if error.status not in _GONE:
                raise _unanswered() from None
            await self._answer_gone(request.id, key)
        except RuntimeError as error:  # a lazy client that never reached Temporal
            _LOG.warning("%s", why_not(error, address=self.client.service_client.config.target_host))
            raise _unanswered() from None

    async def _ask(self, request: Address, message: AnyMessage, key: str) -> None:
        handle = self.client.get_workflow_handle(request.workflow_id)
        problem: DomainError = _unanswered()
        for update_id in (key, f"{key}{AGAIN}{int(time.time() / _FAILS_FOR_SECONDS)}"):
            try:
                await handle.execute_update(message.kind, message, id=update_id, result_type=Verdict)
            except WorkflowUpdateFailedError as failure:
                problem = _problem(failure)
                if not isinstance(problem, Unavailable):
                    break
            else:
                return
        raise problem

    async def _nudge(self, request: Address) -> None:
        # An update that got no answer may have had its effect, and then be lost with worker or server.
        async with self.desk.database.connection() as connection:
            await requests.set_nudge(connection, request.id)

    async def _answer_gone(self, request_id: UUID, key: str) -> None:
        async with self.desk.database.connection() as connection:
            request = found(await requests.address(connection, request_id))
            stored = await verdicts.find(connection, request_id=request_id, key=key)
        # A workflow task that fails takes its updates with it, while the database has kept their effects.
        await self._nudge(request)
        if request.outcome is None and stored is None:
            raise Unavailable("The approval has not begun yet, or is being closed; try again.", retry_after=2)
        await self._answer_closed(request, key)

    async def _answer_closed(self, request: Address, key: str) -> None:
        async with self.desk.database.connection() as connection:
            stored = await verdicts.find(connection, request_id=request.id, key=key)
        if stored is None:
            raise closed(request)
        problem = stored.as_error()
        if problem is not None:
            raise problem


def _problem(failure: WorkflowUpdateFailedError) -> DomainError:
    cause = failure.cause
    if not isinstance(cause, ApplicationError) or cause.type not in BY_SLUG:
        return _unanswered()
    extra = cause.details[0]["extra"] if cause.details else {}
    return BY_SLUG[cause.type](cause.message, **extra)


def _unanswered() -> Unavailable:
    return Unavailable("No worker answered in time; send the same again, it counts once.", retry_after=2)
