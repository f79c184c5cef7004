"""Errors as problem+json (RFC 9457), and their place in the OpenAPI document."""

import logging
import traceback
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.adapters.keyring import KeyFault
from countersign.domain.errors import (
    BY_SLUG,
    DomainError,
    InvalidInput,
    NotSignedIn,
    TooManyCodes,
    TooManyRequests,
    TooManySms,
    TooManyWrongCodes,
    Unavailable,
)
from countersign.domain.quoting import quote

_LOG = logging.getLogger(__name__)
_MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = {429: 60, 503: 2}
_OF_AN_ACCOUNT = (TooManyCodes, TooManyWrongCodes, TooManyRequests, TooManySms)
_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class Problem(BaseModel):
    """Problem details (RFC 9457); some types carry members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable; a path of this API that describes the problem.")
    title: str
    status: int
    detail: str


def internal_error(_request: Request) -> Response:
    """Return the 500 for what nobody foresaw."""
    body = {"type": "about:blank", "title": "Internal error", "status": 500, "detail": "This is our fault; try again."}
    return JSONResponse(body, status_code=500, media_type=_MEDIA_TYPE)


class Unforeseen:
    """ASGI middleware: ``answer``, a 500, for what nobody foresaw; the log does not show what the exception says.

    It ends here: the server would log the whole traceback, whose messages may hold what a person sent.
    """

    def __init__(self, app: ASGIApp, *, answer: Callable[[Request], Response] = internal_error) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer where the app cannot."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_seen(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_seen)
        except Exception as error:  # noqa: BLE001 - whatever it is
            _LOG.error("An unforeseen error of type %s at %s", type(error).__qualname__, _place(error))
            if not started:
                await self._answer(Request(scope))(scope, receive, send)


def problem_response(error: DomainError) -> JSONResponse:
    """Return the error as a response, with Retry-After, RateLimit or WWW-Authenticate where they belong."""
    body = {**error.extra, **_members(type(error)), "detail": error.detail}
    headers = {"Cache-Control": "no-store", **retry_after(error)}
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="countersign"'
    return JSONResponse(body, status_code=error.status, media_type=_MEDIA_TYPE, headers=headers)


def retry_after(error: DomainError) -> dict[str, str]:
    """Return the header fields that say when to try again, and which limit of an account was reached."""
    seconds = error.extra.get("retry_after", _RETRY_AFTER_SECONDS.get(error.status))
    if seconds is None:
        return {}
    headers = {"Retry-After": str(seconds)}
    if isinstance(error, _OF_AN_ACCOUNT):
        headers["RateLimit"] = f'"{error.slug}";r=0;t={seconds}'
    return headers


def note(request: Request, error: DomainError) -> None:
    """Let the metrics know what was refused, and why."""
    request.state.problem = error.slug


def documented(*errors: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for the errors of a route, an example each; ``api.document`` adds the schema."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        content = {_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}}
        response = responses.setdefault(error.status, {"description": "", "content": content})
        response["description"] = f"{response['description']} {error.title()}".strip()
        example = {**_members(error), "detail": error.title()}
        response["content"][_MEDIA_TYPE]["examples"][error.slug] = {"value": example}
    return responses


def install(app: FastAPI) -> None:
    """Let every error of the app become a problem, and describe each type of them."""
    install_handlers(app)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_api_route("/problems/{slug}", _describe, include_in_schema=False)


def install_handlers(app: Starlette) -> None:
    """Let every error of the app, which may be a mounted one, become a problem."""
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(KeyFault, _key_fault)
    app.add_exception_handler(HTTPException, _http_error)


def _members(error: type[DomainError]) -> dict[str, Any]:
    return {"type": f"/problems/{error.slug}", "title": error.title(), "status": error.status}


async def _describe(slug: str) -> dict[str, Any]:
    error = BY_SLUG.get(slug)
    if error is None:
        raise HTTPException(404)
    return _members(error)


async def _domain_error(request: Request, error: Exception) -> JSONResponse:
    told = error if isinstance(error, DomainError) else Unavailable()
    note(request, told)
    return problem_response(told)


async def _key_fault(_request: Request, error: Exception) -> JSONResponse:
    _LOG.error("A key is missing or does not fit: %s", error)
    return problem_response(Unavailable("This cannot be opened at present; nothing is lost, and ops are told."))


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    # The input itself is left out: it may be a code.
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [
        {"pointer": "/" + "/".join(quote(str(part)) for part in each["loc"][1:]), "detail": each["msg"]}
        for each in found
    ]
    detail = "; ".join(f"{each['pointer']}: {each['detail']}" for each in errors[:5])
    return problem_response(InvalidInput(detail[:1000], errors=errors[:50]))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 400
    # FastAPI answers a body that it cannot decode (no UTF-8, a thousand brackets deep) so, unlike other broken JSON.
    if status == HTTPStatus.BAD_REQUEST and error.__cause__ is not None:
        return problem_response(InvalidInput("The body is no JSON in UTF-8."))
    title = error.detail if isinstance(error, HTTPException) else "Bad request"
    body = {"type": "about:blank", "title": title, "status": status, "detail": title}
    headers = dict(getattr(error, "headers", None) or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return JSONResponse(body, status_code=status, media_type=_MEDIA_TYPE, headers=headers)


def _methods(request: Request) -> list[str]:
    # The framework names those of the first route of that path alone; RFC 9110 (15.5.6) wants all.
    def fits(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in _METHODS if fits(method)]


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-5:]))
