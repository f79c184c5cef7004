"""How long funds permissions are held back after how a person is reached or confirms was changed."""

from datetime import datetime

from countersign.domain.rules import Rules


def hold_ends(changed_at: datetime | None, *, rules: Rules) -> datetime | None:
    """Return the end of the hold that a person's latest change brings about; None where nothing was ever changed."""
    return None if changed_at is None else changed_at + rules.funds_hold


def held_until(*ends: datetime | None, at: datetime) -> datetime | None:
    """Return the latest of the ends if it is still to come at ``at``, else None: no hold shortens another."""
    return max((end for end in ends if end is not None and end > at), default=None)
