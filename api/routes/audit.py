"""The account's audit trail."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.problems import documented
from api.schemas import AuditEventOut
from api.services import UsedCaller, UsedServices, owner
from api.trail import HIDDEN_FROM_OWNERS, as_owners_see
from countersign.domain.errors import NotSignedIn, PrimeLiquidityRequired, Unavailable
from countersign.domain.people import Role
from countersign.storage import ledger

router = APIRouter(prefix="/v1/audit-events", tags=["Audit"])


@router.get("", responses=documented(NotSignedIn, PrimeLiquidityRequired, Unavailable))
async def list_audit_events(
    caller: UsedCaller,
    services: UsedServices,
    account_id: Annotated[UUID | None, Query(description="For ops: whose trail.")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="Only events with a lower number.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[AuditEventOut]:
    """Return the audit events of the owner's account, newest first; ops may name any account, and see all of them.

    Owners see neither decisions that were refused nor the addresses of the exchange's own people; numbers may skip.
    """
    if caller.staff_role is Role.OPS and account_id is not None:
        async with services.core.database.connection() as connection:
            events = await ledger.events(connection, account_id, before=before, limit=limit)
        return [AuditEventOut.of(event) for event in events]
    account_id = (await owner(caller)).account_id
    async with services.core.database.connection() as connection:
        events = await ledger.events(connection, account_id, before=before, limit=limit, hidden=HIDDEN_FROM_OWNERS)
        events = await as_owners_see(connection, account_id, events)
    return [AuditEventOut.of(event) for event in events]
