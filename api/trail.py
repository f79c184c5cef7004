"""What owners read of their account's audit trail: all but what concerns the exchange's own people alone."""

from uuid import UUID

from countersign.domain.audit import AuditTag
from countersign.storage import accounts
from countersign.storage.database import Connection
from countersign.storage.ledger import AuditEvent

HIDDEN_FROM_OWNERS = (AuditTag.DECISION_REFUSED,)


async def as_owners_see(connection: Connection, account_id: UUID, events: list[AuditEvent]) -> list[AuditEvent]:
    """Return the events without the addresses of all who do not belong to the account."""
    members = set(await accounts.members(connection, account_id))
    return [each if each.actor_id in members else each.model_copy(update={"ip": None}) for each in events]
