"""Ending a freeze, after ops have looked into what caused it."""

from countersign.domain.audit import AuditTag
from countersign.domain.errors import Conflict
from countersign.effects.work import Work
from countersign.storage import accounts


async def thaw(work: Work) -> None:
    """Let the account issue credentials again; the count of wrong codes begins anew. ``Conflict`` if not frozen."""
    if work.account.frozen_at is None:
        raise Conflict("Issuing is not frozen for this account.")
    await accounts.set_frozen(work.connection, work.account.id, None)
    work.audit(AuditTag.ISSUING_THAWED, frozen_at=work.account.frozen_at.isoformat())
