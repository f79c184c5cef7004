"""Ending a freeze, after ops have looked into what caused it."""

from typing import Any

from countersign.domain.audit import AuditTag
from countersign.domain.errors import Conflict
from countersign.effects.work import Work
from countersign.storage import accounts


async def thaw(work: Work, **told: Any) -> None:
    """Let the account issue credentials again; the count of wrong codes begins anew. ``Conflict`` if not frozen.

    What is ``told`` of it stands in the account's audit trail.
    """
    if work.account.frozen_at is None:
        raise Conflict("Issuing is not frozen for this account.")
    await accounts.set_frozen(work.connection, work.account.id, None)
    work.audit(AuditTag.ISSUING_THAWED, frozen_at=work.account.frozen_at.isoformat(), **told)
