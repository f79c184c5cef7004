"""Templates: whole pages, and panels that open in a dialog where the browser can, and as a page where it can't."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.pages import wording
from api.pages.holds import hold_of
from api.pages.visitors import Visitor
from api.problems import note, retry_after
from api.services import Services, now, services
from api.static_files import STATIC, address
from countersign.domain.errors import DomainError
from countersign.storage import heartbeats

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_LATE_AFTER = timedelta(seconds=12)
_ASKED_ANEW_AFTER = timedelta(seconds=2)


@dataclass
class Delay:
    """Whether steps are delayed because no worker says that it is at work; asked at most every two seconds."""

    delayed: bool = False
    asked_at: datetime = field(default=datetime.min.replace(tzinfo=UTC))

    async def seen_by(self, parts: Services) -> bool:
        """Return whether steps are delayed now."""
        at = now()
        if at - self.asked_at > _ASKED_ANEW_AFTER:
            self.asked_at = at
            async with parts.core.database.connection() as connection:
                newest = await heartbeats.newest(connection, parts.settings.task_queue)
            self.delayed = newest is None or at - newest > _LATE_AFTER
        return self.delayed


def load_templates() -> None:
    """Read all templates: a deployment that replaces the files must not mix its own with this process's."""
    for name in _templates().list_templates():
        _templates().get_template(name)


def wants_html(request: Request) -> bool:
    """Tell whether a browser asks, for a page or for a part of one."""
    return is_fragment(request) or "text/html" in request.headers.get("accept", "")


def is_fragment(request: Request) -> bool:
    """Tell whether htmx asks for a part of a page."""
    return "hx-request" in request.headers


async def page(
    request: Request, template: str, *, visitor: Visitor | None = None, status: int = 200, **context: Any
) -> HTMLResponse:
    """Return a whole page."""
    delayed = visitor is not None and await request.app.state.delay.seen_by(services(request))
    return plain_page(request, template, visitor=visitor, delayed=delayed, status=status, **context)


def plain_page(
    request: Request,
    template: str,
    *,
    visitor: Visitor | None = None,
    delayed: bool = False,
    status: int = 200,
    **context: Any,
) -> HTMLResponse:
    """Return a whole page, and ask the database for nothing."""
    frame = {
        "visitor": visitor,
        "delayed": delayed,
        "local": services(request).settings.mode == "local",
        "path": request.url.path,
        "status": status,
        "fragment": False,
    }
    return HTMLResponse(_templates().get_template(template).render({**frame, **context}), status_code=status)


async def panel(
    request: Request, template: str, *, visitor: Visitor, status: int = 200, changed: bool = False, **context: Any
) -> HTMLResponse:
    """Return a panel: as a fragment for htmx, else as a page of its own.

    ``changed`` tells the page below the dialog that its lists have changed; an error in it is told in the headers, too.
    """
    answer = await _panel(request, template, visitor=visitor, status=status, changed=changed, **context)
    error = context.get("error")
    if isinstance(error, DomainError):
        note(request, error)
        answer.headers.update(retry_after(error))
    return answer


async def _panel(
    request: Request, template: str, *, visitor: Visitor, status: int, changed: bool, **context: Any
) -> HTMLResponse:
    settings = services(request).settings
    context["enable_at"] = settings.enable_two_factor_at
    context["hold"] = hold_of(visitor.user, context.get("credential"), rules=settings.rules, at=now())
    if not is_fragment(request):
        return await page(request, template, visitor=visitor, status=status, frame="frames/page.html", **context)
    standing_alone = request.headers.get("hx-target") == "panel"
    # A panel that is a page of its own has no dialog that its buttons could close.
    frame = {
        "visitor": visitor,
        "frame": "frames/dialog.html",
        "standing_alone": standing_alone,
        "fragment": not standing_alone,
    }
    headers = {"HX-Trigger": "changed"} if changed else None
    html = _templates().get_template(template).render({**frame, **context})
    return HTMLResponse(html, status_code=status, headers=headers)


def fragment(template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a part of a page."""
    return HTMLResponse(_templates().get_template(template).render(context), status_code=status)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        cache_size=-1,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(wording.FILTERS)
    environment.globals.update(static=address, icon=_icons().__getitem__, new_key=lambda: str(uuid4()), now=now)
    environment.globals.update(wording.GLOBALS)
    return environment


def _icons() -> dict[str, Markup]:
    drawn = (STATIC / "icons").glob("*.svg")
    return {each.stem: Markup(each.read_text(encoding="utf-8")) for each in drawn}  # noqa: S704 - files of ours
