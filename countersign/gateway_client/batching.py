"""Questions as they are sent: what comes while others are on their way waits, and goes with the next."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import aiohttp
from pydantic import ValidationError

from countersign.domain.verification import MOST_CALLS, Allowed, Answer, Call, Denied
from countersign.gateway_client.errors import NotLetIn, QuestionRefused, VerifierUnavailable

_MOST_BYTES = 1_000_000
_REFUSED = frozenset({400, 404, 405, 413, 414, 422, 431})
_UNKNOWN = frozenset({401, 403})


class _Asked(NamedTuple):
    text: bytes
    decision: "asyncio.Future[Allowed | Denied]"


class Batches:
    """Sends at most ``at_once`` questions at a time, each of at most a hundred calls."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        headers: Callable[[], dict[str, str]],
        *,
        timeout: float,
        at_once: int,
    ) -> None:
        self._http = http
        self._url = url
        self._headers = headers
        self._timeout = timeout
        self._at_once = at_once
        self._waiting: deque[_Asked] = deque()
        self._sending: set[asyncio.Task[None]] = set()
        self._is_due = False

    async def ask(self, call: Call) -> Allowed | Denied:
        """Return the decision; raises ``VerifierUnavailable``."""
        loop = asyncio.get_running_loop()
        asked = _Asked(call.model_dump_json().encode(), loop.create_future())
        self._waiting.append(asked)
        if not self._is_due:
            # Whatever else comes in this turn of the loop goes along.
            self._is_due = True
            loop.call_soon(self._send_on)
        try:
            async with asyncio.timeout(self._timeout):
                return await asked.decision
        except TimeoutError:
            raise VerifierUnavailable(f"The verifier did not answer within {self._timeout:g} seconds.") from None

    async def close(self) -> None:
        """End what is on its way."""
        for sending in tuple(self._sending):
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        _fail(list(self._waiting), VerifierUnavailable("The client was closed."))
        self._waiting.clear()

    def _send_on(self) -> None:
        self._is_due = False
        while self._waiting and len(self._sending) < self._at_once:
            batch = self._next()
            if batch:
                sending = asyncio.create_task(self._send(batch))
                self._sending.add(sending)
                sending.add_done_callback(self._sent)

    def _sent(self, sending: "asyncio.Task[None]") -> None:
        self._sending.discard(sending)
        self._send_on()

    def _next(self) -> list[_Asked]:
        batch: list[_Asked] = []
        size = 0
        while self._waiting and len(batch) < MOST_CALLS:
            asked = self._waiting[0]
            if batch and size + len(asked.text) > _MOST_BYTES:
                break
            self._waiting.popleft()
            # Nobody waits any more for one that was given up.
            if not asked.decision.done():
                batch.append(asked)
                size += len(asked.text)
        return batch

    async def _send(self, batch: list[_Asked]) -> None:
        try:
            decisions = await self._decisions(batch)
        except VerifierUnavailable as error:
            _fail(batch, error)
        except asyncio.CancelledError:
            _fail(batch, VerifierUnavailable("The client was closed."))
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _fail(batch, VerifierUnavailable(f"The verifier cannot be reached: {type(error).__name__}."))
        else:
            for asked, decision in zip(batch, decisions, strict=True):
                if not asked.decision.done():
                    asked.decision.set_result(decision)

    async def _decisions(self, batch: list[_Asked]) -> tuple[Allowed | Denied, ...]:
        body = b'{"calls":[' + b",".join(asked.text for asked in batch) + b"]}"
        headers = {**self._headers(), "Content-Type": "application/json"}
        patience = aiohttp.ClientTimeout(total=self._timeout)
        async with self._http.post(self._url, data=body, headers=headers, timeout=patience) as answer:
            text = await answer.read()
            status = answer.status
        if status in _UNKNOWN:
            raise NotLetIn(f"The verifier answered {status}: it does not let this gateway in.")
        if status in _REFUSED:
            raise QuestionRefused(f"The verifier answered {status}: it could not read the question.")
        return _read(text, status=status, count=len(batch))


def _read(text: bytes, *, status: int, count: int) -> tuple[Allowed | Denied, ...]:
    if status != 200:  # noqa: PLR2004 - OK
        raise VerifierUnavailable(f"The verifier answered {status}.")
    try:
        answers = Answer.model_validate_json(text).answers
    except ValidationError:
        raise VerifierUnavailable("What answered is no verifier.") from None
    if len(answers) != count:
        raise VerifierUnavailable("The verifier answered another question.")
    return answers


def _fail(batch: list[_Asked], error: VerifierUnavailable) -> None:
    for asked in batch:
        if not asked.decision.done():
            asked.decision.set_exception(error)
