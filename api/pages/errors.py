"""Errors as pages: what the API tells as a problem (RFC 9457), a browser gets as a page, and no form loses its text."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from api.pages.rendering import fragment, is_fragment, page, plain_page, wants_html
from api.problems import internal_error, problem_response
from countersign.adapters.keyring import KeyFault
from countersign.domain.errors import ActingForAnother, DomainError, SessionEnded

_KINDS = (DomainError, KeyFault, RequestValidationError, HTTPException)
_DIALOG = frozenset({"dialog", "dialog-panel"})
_NOT_REPEATED = frozenset({"code"})
Handler = Callable[[Request, Exception], Awaitable[Response]]


def install(app: FastAPI) -> None:
    """Let browsers see pages where the API answers problems."""
    for kind in _KINDS:
        app.add_exception_handler(kind, _negotiated(app.exception_handlers[kind]))


def unforeseen(request: Request) -> Response:
    """Return the 500 as a page, or as a problem to whoever did not ask for one."""
    return _plainly(request, internal_error(request))


def refused(request: Request, error: DomainError) -> Response:
    """Return what is refused before anything looks at it as a page, or as a problem to whoever did not ask for one."""
    return _plainly(request, problem_response(error))


def _plainly(request: Request, problem: Response) -> Response:
    if is_fragment(request) or not wants_html(request):
        return problem
    return plain_page(request, "problem.html", status=problem.status_code, **_told(problem))


def _told(problem: Response) -> dict[str, Any]:
    told = json.loads(bytes(problem.body))
    title, detail = told["title"], told["detail"]
    return {"title": title, "detail": detail if detail != title else ""}


def _negotiated(as_problem: Any) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        if not wants_html(request):
            problem: Response = await as_problem(request, error)
            return problem
        if isinstance(error, SessionEnded):
            return await _session_ended(request)
        if isinstance(error, ActingForAnother) and request.method == "POST" and not is_fragment(request):
            return await _form_kept(request, "acting_for_another.html", status=error.status, error=error)
        return await _shown(request, await as_problem(request, error))

    return answer


async def _session_ended(request: Request) -> Response:
    if is_fragment(request):
        return Response(status_code=401)
    if request.method == "GET":
        there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(there)}", status_code=303)
    return await _form_kept(request, "session_ended.html", status=401)


async def _form_kept(request: Request, template: str, *, status: int, **context: Any) -> Response:
    form = await request.form()
    typed = [(name, str(value)) for name, value in form.multi_items() if name not in _NOT_REPEATED]
    return await page(request, template, status=status, typed=typed, **context)


async def _shown(request: Request, problem: Response) -> Response:
    context = _told(problem)
    if not is_fragment(request):
        shown = await page(request, "problem.html", status=problem.status_code, **context)
    else:
        shown = fragment("panels/problem.html", status=problem.status_code, **context)
        if not _opens_panel(request):
            # What stands on the page stays there: it may hold what a person typed, or be a list.
            shown.headers["HX-Reswap"] = "none"
            shown.headers["HX-Trigger"] = json.dumps({"problem": " ".join(filter(None, context.values()))})
    if "retry-after" in problem.headers:
        shown.headers["Retry-After"] = problem.headers["retry-after"]
    return shown


def _opens_panel(request: Request) -> bool:
    asked_by_itself = "x-live" in request.headers
    return request.method == "GET" and not asked_by_itself and request.headers.get("hx-target") in _DIALOG
