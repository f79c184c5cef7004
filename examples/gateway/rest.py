"""REST as CEX.IO's: headers X-AGGR-KEY, X-AGGR-TIMESTAMP and X-AGGR-SIGNATURE, a body of JSON."""

import asyncio
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from countersign.gateway_client import Allowed, Denied, VerifierUnavailable
from examples.gateway.errors import BadRequest, OrderRefused
from examples.gateway.methods import METHODS, Body, Method
from examples.gateway.parts import Parts, parts_of
from examples.gateway.public import ANSWERS

# One sentence for whatever is wrong: who guesses learns nothing. The owner reads the reason in Countersign.
DENIED = "API key not passed or incorrect, or it may not do this"
UNAVAILABLE = "The service is not available now, try again later"
_TOO_LARGE = "The body is too large"
_TOO_SLOW = "The body did not come in time"


async def call_public(request: Request) -> JSONResponse:
    """Answer a method that needs no key."""
    found = ANSWERS.get(request.path_params["action"])
    return _error(404, "There is no such method") if found is None else _ok(found)


async def call_private(request: Request) -> JSONResponse:
    """Answer a method that needs a key: verify first, and only then look at what is wanted."""
    action, parts = request.path_params["action"], parts_of(request.scope)
    method = METHODS.get(action)
    if method is None:
        return _error(404, "There is no such method")
    try:
        body = await _read(request, parts)
        decision = await _verify(request, parts, action=action, method=method, body=body)
    except BadRequest as error:
        return _error(400, str(error))
    except VerifierUnavailable:
        return _error(503, UNAVAILABLE)
    if isinstance(decision, Denied):
        return _error(401, DENIED)
    return _carry_out(parts, decision, method, body)


async def _verify(request: Request, parts: Parts, *, action: str, method: Method, body: bytes) -> Allowed | Denied:
    headers = request.headers
    try:
        return await parts.gateway.verify_rest(
            key=headers.get("x-aggr-key", ""),
            timestamp=headers.get("x-aggr-timestamp", ""),
            signature=headers.get("x-aggr-signature", ""),
            action=action,
            body=body,
            ip=request.client.host if request.client else "",
            permission=method.permission,
            changes_state=method.changes_state,
        )
    except ValueError:
        # Some proxies write "unknown" for where a client is.
        return Denied()


def _carry_out(parts: Parts, decision: Allowed, method: Method, body: bytes) -> JSONResponse:
    try:
        return _ok(method.carry_out(parts.exchange, decision, _parse(body)))
    except BadRequest as error:
        return _error(400, str(error))
    except OrderRefused as error:
        return _ok({"messageType": "executionReport", "status": "REJECTED", "rejectReason": str(error)})


async def _read(request: Request, parts: Parts) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(parts.settings.hello_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > parts.settings.body_bytes:
                    raise BadRequest(_TOO_LARGE)
    except (TimeoutError, ClientDisconnect):
        raise BadRequest(_TOO_SLOW) from None
    return body


def _parse(body: bytes) -> Body:
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise BadRequest("The body must be JSON") from None
    if not isinstance(parsed, dict):
        raise BadRequest("The body must be a JSON object")
    return parsed


def _ok(data: Any) -> JSONResponse:
    return JSONResponse({"ok": "ok", "data": data})


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status)
