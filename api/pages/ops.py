"""What ops see: a search over the requests of all accounts, and one request with its codes and events. Read-only."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api.pages.rendering import is_fragment, page
from api.pages.timeline import told
from api.pages.viewing import state_of
from api.pages.visitors import UsedOpsVisitor, limited
from api.pages.wording import visible
from api.quotas import Quota
from api.schemas import RequestOut
from api.services import Services, UsedServices, now
from countersign.domain.requests import Journey, Step
from countersign.domain.secrets import normalize_session_name
from countersign.effects.work import found
from countersign.settings import Settings
from countersign.storage import oversight, requests, users
from countersign.storage.oversight import Narrowing
from countersign.storage.requests import Request as Stored

router = APIRouter(prefix="/ops", include_in_schema=False)

_SHOWN = 50
_SESSION_NAME = re.compile(r"CS-(T|MD)(-[0-9A-Z]{4}){3}")
_OPEN = {"open": True, "ended": False}


class Asked(BaseModel):
    """What is looked for, as it stands in the address; what is not known narrows nothing."""

    q: str = Field(default="", max_length=200)
    status: str = Field(default="", max_length=20)
    journey: str = Field(default="", max_length=40)
    step: str = Field(default="", max_length=40)
    before: str = Field(default="", max_length=100)

    @property
    def narrows(self) -> bool:
        """Whether anything is looked for."""
        return any((self.q.strip(), self.status, self.journey, self.step))

    def narrowing(self) -> Narrowing:
        """Return the same as a query takes it."""
        text = " ".join(visible(self.q).split())
        named = _uuid(text.rpartition("/")[2])
        return Narrowing(
            text=None if named else _name(text) or None,
            id=named,
            is_open=_OPEN.get(self.status),
            journey=Journey(self.journey) if self.journey in set(Journey) else None,
            step=Step(self.step) if self.step in set(Step) else None,
            before=_moment_and_id(self.before),
        )

    def older_than(self, last: Stored) -> str:
        """Return the address of the page after the one that ends with ``last``."""
        before = f"{last.created_at.isoformat()}~{last.id}"
        kept = {name: value for name, value in self.model_dump(exclude={"before"}).items() if value}
        return f"/ops/requests?{urlencode({**kept, 'before': before})}"


@dataclass(frozen=True)
class Row:
    """A request as the list shows it."""

    shown: RequestOut
    account_name: str
    begun_by: str


@router.get("/requests", dependencies=[limited(Quota.PREVIEWS)])
async def search(
    http: Request, visitor: UsedOpsVisitor, services: UsedServices, asked: Annotated[Asked, Query()]
) -> Response:
    """Show the requests that fit, newest first."""
    async with services.core.database.connection() as connection:
        fitting = await oversight.search(connection, asked.narrowing(), at=now(), limit=_SHOWN + 1)
    on_this_page = fitting[:_SHOWN]
    return await page(
        http,
        "ops_requests.html",
        visitor=visitor,
        asked=asked,
        rows=await _rows(services, on_this_page),
        older=asked.older_than(on_this_page[-1]) if len(fitting) > _SHOWN else None,
    )


@router.get("/requests/{request_id}")
async def see(
    http: Request,
    request_id: UUID,
    visitor: UsedOpsVisitor,
    services: UsedServices,
    state: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Show one request; nothing (204) to an open page that shows it already."""
    async with services.core.database.connection() as connection:
        stored = found(await requests.get(connection, request_id))
    [row] = await _rows(services, [stored])
    present = f"{state_of(row.shown)}~{stored.decisions_refused}"
    if is_fragment(http) and state == present:
        return Response(status_code=204)
    return await page(
        http,
        "ops_request.html",
        visitor=visitor,
        stored=stored,
        row=row,
        shown=row.shown,
        state=present,
        temporal_ui=_temporal_ui(services.settings, row.shown.workflow_id),
        **await _history(services, stored),
    )


async def _rows(services: Services, stored: list[Stored]) -> list[Row]:
    async with services.core.database.connection() as connection:
        account_names = await oversight.account_names(connection, {each.account_id for each in stored})
        people = await users.names(connection, {each.user_id for each in stored})
    rules, at = services.settings.rules, now()
    return [
        Row(RequestOut.of(each, rules=rules, at=at), account_names[each.account_id], people[each.user_id])
        for each in stored
    ]


async def _history(services: Services, stored: Stored) -> dict[str, Any]:
    async with services.core.database.connection() as connection:
        sends = await oversight.deliveries_of(connection, stored.id)
        events = await oversight.events_of(connection, stored)
    return {"sends": sends, "events": await told(services, events[::-1])}


def _temporal_ui(settings: Settings, workflow_id: str) -> str | None:
    if not settings.temporal_ui_url:
        return None
    namespace = quote(settings.temporal_namespace, safe="")
    return f"{settings.temporal_ui_url.rstrip('/')}/namespaces/{namespace}/workflows/{quote(workflow_id, safe='')}"


def _name(text: str) -> str:
    session_name = normalize_session_name(text)
    return session_name if _SESSION_NAME.fullmatch(session_name) else text


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _moment_and_id(text: str) -> tuple[datetime, UUID] | None:
    moment, _, request_id = text.partition("~")
    try:
        return datetime.fromisoformat(moment), UUID(request_id)
    except ValueError:
        return None
