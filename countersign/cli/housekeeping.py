"""``countersign housekeeping``: removes what is over and old, as the schedule does every day."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from countersign.domain.housekeeping import Swept


def housekeeping(
    *, dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False
) -> None:
    """Remove finished requests, notices and links that were kept long enough; what is open never goes."""
    if dry_run:
        typer.echo(asyncio.run(_would_be_removed()))
    else:
        typer.echo(asyncio.run(_sweep()).told())


async def _would_be_removed() -> str:
    from datetime import UTC, datetime

    from countersign.cli.server_side import opened
    from countersign.domain.housekeeping import counted
    from countersign.effects.housekeeping import old

    async with opened() as core:
        rows = await old(core.desk, at=datetime.now(UTC))
    return f"Would be removed: {counted(rows)}. Requests take with them what belongs to them."


async def _sweep() -> "Swept":
    from collections import Counter
    from datetime import UTC, datetime

    from countersign.cli.server_side import opened
    from countersign.domain.housekeeping import Swept
    from countersign.effects.housekeeping import archivable_before, sweep

    at, removed = datetime.now(UTC), Counter[str]()
    async with opened() as core:
        async for batch in sweep(core.desk, at=at):
            removed.update(batch)
        return Swept(removed=dict(removed), archivable_before=await archivable_before(core.desk, at=at))
