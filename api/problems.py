"""Errors as problem+json (RFC 9457), and their place in the OpenAPI document."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from countersign.domain.errors import BY_SLUG, DomainError, InvalidInput, NotSignedIn, Unavailable

_LOG = logging.getLogger(__name__)
_MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Problem details (RFC 9457); some types carry members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable; a path of this API that describes the problem.")
    title: str
    status: int
    detail: str


def problem_response(error: DomainError) -> JSONResponse:
    """Return the error as a response, with Retry-After or WWW-Authenticate where they belong."""
    body = {**error.extra, **_members(type(error)), "detail": error.detail}
    headers = {"Cache-Control": "no-store"}
    retry_after = error.extra.get("retry_after", 2 if isinstance(error, Unavailable) else None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="countersign"'
    return JSONResponse(body, status_code=error.status, media_type=_MEDIA_TYPE, headers=headers)


def documented(*errors: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for the errors of a route, an example each."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        response = responses.setdefault(
            error.status, {"model": Problem, "description": "", "content": {_MEDIA_TYPE: {"examples": {}}}}
        )
        response["description"] = f"{response['description']} {error.title()}".strip()
        example = {**_members(error), "detail": error.title()}
        response["content"][_MEDIA_TYPE]["examples"][error.slug] = {"value": example}
    return responses


def install(app: FastAPI) -> None:
    """Let every error of the app become a problem."""
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)
    app.add_api_route("/problems/{slug}", _describe, include_in_schema=False)


def _members(error: type[DomainError]) -> dict[str, Any]:
    return {"type": f"/problems/{error.slug}", "title": error.title(), "status": error.status}


async def _describe(slug: str) -> dict[str, Any]:
    error = BY_SLUG.get(slug)
    if error is None:
        raise HTTPException(404)
    return _members(error)


async def _domain_error(_request: Request, error: Exception) -> JSONResponse:
    return problem_response(error if isinstance(error, DomainError) else Unavailable())


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    # The input itself is left out: it may be a code.
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [
        {"pointer": "/" + "/".join(str(part)[:60] for part in each["loc"][1:]), "detail": each["msg"]} for each in found
    ]
    detail = "; ".join(f"{each['pointer']}: {each['detail']}" for each in errors[:5])
    return problem_response(InvalidInput(detail[:1000], errors=errors[:50]))


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 400
    title = error.detail if isinstance(error, HTTPException) else "Bad request"
    body = {"type": "about:blank", "title": title, "status": status, "detail": title}
    headers = getattr(error, "headers", None)
    return JSONResponse(body, status_code=status, media_type=_MEDIA_TYPE, headers=headers)


async def _unforeseen(_request: Request, error: Exception) -> JSONResponse:
    # Only the type: a message or a traceback may hold what a person sent.
    _LOG.error("An unforeseen error of type %s", type(error).__qualname__)
    body = {"type": "about:blank", "title": "Internal error", "status": 500, "detail": "This is our fault; try again."}
    return JSONResponse(body, status_code=500, media_type=_MEDIA_TYPE)
