"""The local stack's inbox: SMS and mails that would have gone out."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.services import UsedServices
from countersign.adapters.local_inbox import InboxMessage
from countersign.domain.errors import NotFound

router = APIRouter(tags=["Local stack"])


@router.get("/local/inbox")
async def read_inbox(
    services: UsedServices, to: Annotated[str | None, Query(max_length=320)] = None
) -> list[InboxMessage]:
    """Return SMS and mails, newest first; on the local stack alone."""
    if services.inbox is None:
        raise NotFound
    return await services.inbox.messages(to=to)
