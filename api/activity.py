"""What came of the calls made with a credential, for its owners alone: it tells from where they trade."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, Field

from api.services import Services, now
from countersign.domain.credentials import CredentialKind
from countersign.domain.verification import Outcome
from countersign.effects.work import found
from countersign.storage import activity, credentials
from countersign.storage.activity import LastUse

SHOWN_DAYS = 30


class CountedOut(BaseModel):
    """How many calls ended so on one day (UTC), and the last of them."""

    day: date
    outcome: Outcome = Field(description="`allowed`, or why calls were denied.")
    count: int
    last_at: datetime
    last_ip: str


class ActivityOut(BaseModel):
    """The calls of the last 30 days, the newest day first, and the last one that was allowed."""

    last_used_at: datetime | None
    last_used_ip: str | None
    days: list[CountedOut]


async def read_activity(
    services: Services, *, account_id: UUID, credential_id: UUID, kind: CredentialKind
) -> ActivityOut:
    """Return the activity of a credential of the account; raises ``NotFound``."""
    async with services.core.database.connection() as connection:
        found(await credentials.get(connection, account_id=account_id, credential_id=credential_id, kind=kind))
        last = await activity.last_uses(connection, [credential_id])
        since_day = (now() - timedelta(days=SHOWN_DAYS - 1)).date()
        counted = await activity.of_credential(connection, credential_id, since_day=since_day)
    return ActivityOut(
        last_used_at=last[0].at if last else None,
        last_used_ip=str(last[0].ip) if last else None,
        days=[CountedOut.model_validate({**each.model_dump(), "last_ip": str(each.last_ip)}) for each in counted],
    )


async def last_uses(services: Services, credential_ids: Sequence[UUID]) -> dict[UUID, LastUse]:
    """Return when and from where each of the credentials was last used; those that never were are left out."""
    async with services.core.database.connection() as connection:
        return {each.credential_id: each for each in await activity.last_uses(connection, credential_ids)}


def totals(days: Sequence[CountedOut]) -> list[CountedOut]:
    """Return one count for each outcome: how many in all, and the newest of the last ones."""
    added: list[CountedOut] = []
    for outcome in Outcome:
        of_outcome = [each for each in days if each.outcome is outcome]
        if of_outcome:
            newest = max(of_outcome, key=lambda each: each.last_at)
            added.append(newest.model_copy(update={"count": sum(each.count for each in of_outcome)}))
    return added
