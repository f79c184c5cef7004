"""What gateways call. Plain ASGI: a call is answered in less than what a framework's request and response take."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.verifier.identity import Identity
from api.verifier.metrics import VerifierMetrics
from countersign.dispatch.key_watch import KeyWatch
from countersign.domain.errors import InvalidInput, Unavailable
from countersign.domain.quoting import quote
from countersign.domain.verification import Alive, Allowed, Denied, Lost, Question
from countersign.effects.key_fitness import KeysUnfit
from countersign.verification.subscribing import Subscription
from countersign.verification.verifier import Verifier

NDJSON = "application/x-ndjson"
_ANSWERS: TypeAdapter[list[Allowed | Denied]] = TypeAdapter(list[Allowed | Denied])
_HEADERS = [(b"content-type", b"application/json")]
_SHOWN = 20


@dataclass(frozen=True)
class Parts:
    """What the routes of one verifier work with."""

    verifier: Verifier
    identity: Identity
    watch: KeyWatch
    metrics: VerifierMetrics
    silence_seconds: float


def parts_of(scope: Scope) -> Parts:
    """Return the parts of this process."""
    found: Parts = scope["app"].state.parts
    return found


class Verifications:
    """``POST /v1/verifications``: ``{"calls": […]}``, answered in the same order."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; raises ``NotSignedIn``, ``InvalidInput`` and ``Unavailable``, which become problems."""
        parts = parts_of(scope)
        await parts.identity.require(scope)
        answers = await parts.verifier.verify(_question(await _body(receive)).calls)
        body = b'{"answers":' + _ANSWERS.dump_json(answers) + b"}"
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, length]})
        await send({"type": "http.response.body", "body": body})


class Revocations:
    """``GET /v1/revocations``: a line of JSON for each, and one each second that says whether all is heard."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the gateway hangs up; raises ``NotSignedIn`` and ``Unavailable``."""
        parts = parts_of(scope)
        await parts.identity.require(scope)
        with parts.verifier.subscribers.subscribed() as subscription:
            answer = StreamingResponse(_told(parts, subscription), media_type=NDJSON)
            await answer(scope, receive, send)


async def _told(parts: Parts, subscription: Subscription) -> AsyncIterator[bytes]:
    yield _line(_state(parts))
    while not subscription.is_over:
        news = await subscription.next(seconds=parts.silence_seconds)
        for each in news:
            yield _line(each)
        if not (news or subscription.is_over):
            yield _line(_state(parts))


def _state(parts: Parts) -> Alive | Lost:
    return Alive() if parts.verifier.follower.is_proven else Lost()


def _line(told: BaseModel) -> bytes:
    return told.model_dump_json().encode() + b"\n"


class Aliveness:
    """``GET /healthz``: 200 while the process lives."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await JSONResponse({"status": "alive"})(scope, receive, send)


class Readiness:
    """``GET /readyz``: 200 while calls can be verified; ``changes`` that are not followed only cost time."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        parts = parts_of(scope)
        told = {
            "database": "up" if await _database_is_up(parts) else "down",
            "keys": "up" if await _keys_fit(parts) else "down",
            "changes": "up" if parts.verifier.follower.is_proven else "down",
        }
        is_ready = told["database"] == told["keys"] == "up"
        await JSONResponse(told, status_code=200 if is_ready else 503)(scope, receive, send)


class Exposition:
    """``GET /metrics``: in Prometheus' text format."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        parts = parts_of(scope)
        body = parts.metrics.exposition(parts.verifier)
        await Response(body, media_type="text/plain; version=0.0.4")(scope, receive, send)


async def _body(receive: Receive) -> bytes:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    # It is whole: api.limits.BodyLimit has read it before.
    return bytes(message.get("body", b""))


def _question(body: bytes) -> Question:
    try:
        return Question.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidInput:
    # The input itself is left out: it may be a password.
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_SHOWN]
    errors: list[dict[str, Any]] = [
        {"pointer": "/" + "/".join(quote(str(part)) for part in each["loc"]), "detail": each["msg"]} for each in found
    ]
    detail = "; ".join(f"{each['pointer']}: {each['detail']}" for each in errors[:5])
    return InvalidInput(detail[:1000], errors=errors)


async def _database_is_up(parts: Parts) -> bool:
    try:
        await parts.verifier.credentials.ping()
    except Unavailable:
        return False
    return True


async def _keys_fit(parts: Parts) -> bool:
    try:
        await parts.watch.require()
    except (KeysUnfit, Unavailable):
        return False
    return True
