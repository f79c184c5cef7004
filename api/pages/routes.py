"""All pages."""

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from api.pages import (
    account_manager,
    activation_link,
    api_keys,
    credentials,
    fix_credentials,
    live,
    ops,
    ops_stop,
    requests,
    security,
    sessions,
    sign_in,
    stop,
)
from api.pages.visitors import UsedVisitor
from countersign.domain.people import Role

router = APIRouter(include_in_schema=False)
_HOMES: dict[Role | None, str] = {Role.ACCOUNT_MANAGER: "/account-manager", Role.OPS: "/ops/requests"}


@router.get("/")
async def home(visitor: UsedVisitor) -> RedirectResponse:
    """Lead to the page that this person came for."""
    return RedirectResponse(_HOMES.get(visitor.user.staff_role, "/settings/api-keys"), status_code=303)


_PAGES = (
    sign_in,
    live,
    activation_link,
    stop,
    account_manager,
    ops,
    ops_stop,
    security,
    sessions,
    api_keys,
    fix_credentials,
    requests,
    credentials,  # last: its paths would take "new" for an id
)
ROUTERS = (router, *(module.router for module in _PAGES))
