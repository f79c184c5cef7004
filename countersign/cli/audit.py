"""``countersign audit``: verify, export and archive audit trails, and write checkpoints over them."""

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from countersign.cli.context import command_settings

if TYPE_CHECKING:
    from countersign.adapters.keyring import KeyRing
    from countersign.auditing.verifying import Report
    from countersign.domain.audit_chain import Finding
    from countersign.settings import Settings
    from countersign.storage.ledger import AuditEvent

app = typer.Typer(no_args_is_help=True, help="For ops: audit trails, whether they are whole, and files of them.")

AccountId = Annotated[UUID | None, typer.Option("--account", metavar="ID", help="Of this account alone.")]
ToFile = Annotated[Path | None, typer.Option("--to", metavar="FILE", help="A new file.")]

_MOST_LINES = 100
_LOOKED_AT = 10_000


@app.command()
def verify(
    *,
    account: AccountId = None,
    checkpoints: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also those that were kept outside of the database.")
    ] = None,
    archives: Annotated[
        list[Path] | None, typer.Option("--archive", metavar="FILE", help="An archive or export; may be repeated.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Verify the files alone, without the database.")] = False,
) -> None:
    """Verify every event against its chain, its account's head and the checkpoints; exit code 1 if one is wrong."""
    began = time.monotonic()
    report = _verify(account, checkpoints, archives or [], offline=offline)
    for finding in report.findings[:_MOST_LINES]:
        typer.echo(_line(finding))
    if report.findings:
        typer.echo(f"{len(report.findings)} findings in {_counts(report)}.", err=True)
        raise typer.Exit(1)
    seconds = time.monotonic() - began
    typer.echo(f"Verified {_counts(report)} in {seconds:.1f} s ({report.events / seconds:,.0f} a second).")


@app.command("list")
def list_events(
    account: Annotated[UUID, typer.Argument(metavar="ID", help="The account.")],
    *,
    event: Annotated[str | None, typer.Option(metavar="TEXT", help="Only those whose name has this in it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """List an account's newest events, the newest first: what happened, by whom and from where."""
    from countersign.cli.output import console, events

    found = [each for each in asyncio.run(_newest(account)) if event is None or event in each.event]
    console().print(events(found[:limit]))


@app.command()
def export(
    *,
    account: AccountId = None,
    since: Annotated[int, typer.Option(min=1, metavar="N", help="From this number of each account on.")] = 1,
    to: ToFile = None,
) -> None:
    """Write events as JSON lines, with all that verifying them needs but the keys; to the terminal without --to."""
    import sys

    from countersign.auditing.exporting import export as write
    from countersign.domain.errors import Conflict
    from countersign.storage.audit_reading import snapshot

    with snapshot(database_address(command_settings())) as trails:
        if to is None:
            write(trails, sys.stdout.buffer, account_id=account, since=since)
            return
        try:
            to.touch(mode=0o600, exist_ok=False)
            with to.open("wb") as file:
                written = write(trails, file, account_id=account, since=since)
        except OSError as error:
            raise Conflict(f"{to} cannot be written: {error.strerror}.") from None
    typer.echo(
        f"Exported {written:,} events to {to}; verify them with: countersign audit verify --offline --archive {to}"
    )


@app.command()
def checkpoint() -> None:
    """Write a checkpoint over all chains that went on since the last, in the database and the checkpoint file."""
    written = asyncio.run(_checkpoint())
    counted = "1 checkpoint" if written == 1 else f"{written} checkpoints"
    typer.echo(f"Wrote {counted}." if written else "Nothing is newer than the last checkpoint.")


@app.command()
def archive(
    *,
    before: Annotated[datetime, typer.Option(formats=["%Y-%m"], metavar="YYYY-MM", help="Whole months before this.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A new file.")],
    drop: Annotated[
        bool, typer.Option("--drop", help="Delete them from the database, and not only detach them.")
    ] = False,
) -> None:
    """Move whole months into a file, as the owner role; what remains still verifies, with the file or without it."""
    from datetime import UTC

    from countersign.auditing.archiving import archive as move

    settings = command_settings()
    url = settings.migration_database_url.get_secret_value() or database_address(settings)
    done = move(url, keys=audit_keys(settings), before=before.replace(tzinfo=UTC), file=to, drop=drop)
    kept = "deleted" if drop else "detached"
    typer.echo(f"Archived {done.events:,} events to {to}; {kept}: {', '.join(done.partitions)}.")


def _verify(account: UUID | None, checkpoints: Path | None, archives: list[Path], *, offline: bool) -> "Report":
    from countersign.auditing.verifying import Verifier
    from countersign.domain.errors import InvalidInput
    from countersign.storage.audit_reading import snapshot

    settings = command_settings()
    verifier = Verifier(audit_keys(settings))
    if offline:
        if account is not None or not archives:
            raise InvalidInput("--offline verifies the files of --archive, whole.")
        return verifier.verify_files(archives, checkpoint_file=checkpoints)
    with snapshot(database_address(settings)) as trails:
        return verifier.verify_database(trails, account, checkpoint_file=checkpoints, archives=archives)


async def _newest(account: UUID) -> "list[AuditEvent]":
    from countersign.cli.server_side import opened
    from countersign.storage import ledger

    async with opened() as core, core.database.connection() as connection:
        return await ledger.events(connection, account, before=None, limit=_LOOKED_AT)


async def _checkpoint() -> int:
    from countersign.adapters.keyring import Purpose
    from countersign.cli.server_side import OPS_PURPOSES, opened
    from countersign.wiring import audit_keeper

    async with opened(purposes=OPS_PURPOSES | {Purpose.CHECKPOINT}) as core:
        return await audit_keeper(core).checkpoint_now()


def database_address(settings: "Settings") -> str:
    """Return where the database is; raises ``SettingsMissing``."""
    from countersign.wiring import SettingsMissing

    url = settings.database_url.get_secret_value()
    if not url:
        raise SettingsMissing("DATABASE_URL is not set.")
    return url


def audit_keys(settings: "Settings") -> "KeyRing":
    """Return the keys that trails are verified with; raises ``SettingsMissing``."""
    from countersign.adapters.keyring import Purpose, load_key_ring
    from countersign.adapters.ring_text import KeyRingInvalid
    from countersign.wiring import SettingsMissing

    try:
        return load_key_ring(
            json_text=settings.key_ring.get_secret_value(),
            file=settings.key_ring_file,
            purposes={Purpose.AUDIT, Purpose.CHECKPOINT},
        )
    except KeyRingInvalid as error:
        raise SettingsMissing(str(error)) from None


def _line(finding: "Finding") -> str:
    whose = f"account {finding.account_id} event" if finding.account_id else "checkpoint"
    return f"{whose} {finding.number}: {finding.fault}: {finding.detail}"


def _counts(report: "Report") -> str:
    counts = [f"{report.events:,} events of {report.accounts:,} accounts"]
    if report.unchained:
        counts.append(f"{report.unchained:,} from before the chain")
    if report.elsewhere:
        counts.append(f"{report.elsewhere:,} more elsewhere")
    if report.unjudged:
        counts.append(f"{report.unjudged:,} credentials not compared: give the archives that tell of them")
    if report.checkpoint:
        counts.append(f"{report.newer_than_checkpoint:,} newer than their checkpoint")
        counts.append(
            f"the newest of {report.checkpoint.number:,} checkpoints from {report.checkpoint.at:%Y-%m-%d %H:%M} UTC"
        )
    else:
        counts.append("no checkpoint")
    return ", ".join(counts)
