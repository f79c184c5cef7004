"""``countersign versions``: which build of the workers gets new requests, and who still needs the others."""

import asyncio
import getpass
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from countersign.dispatch.version_changes import VersionChanges
    from countersign.dispatch.versions import Deployment

app = typer.Typer(no_args_is_help=True, help="For ops: the builds of the workers (COUNTERSIGN_BUILD_ID).")

BuildId = Annotated[str, typer.Argument(metavar="BUILD", help="What COUNTERSIGN_BUILD_ID says at its workers.")]
Force = Annotated[bool, typer.Option("--force", help="Although no worker of it asks for work.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@app.command()
def show(*, as_json: AsJson = False) -> None:
    """Show all builds, newest first: part, share of new requests, workers, and open workflows that they ran last."""
    from countersign.cli.output import print_json

    found = asyncio.run(_read())
    if as_json:
        print_json(found.builds if found else [])
    elif found is None:
        typer.echo("No worker with a build was ever seen: COUNTERSIGN_BUILD_ID is not set at any.")
    else:
        _print(found)


@app.command()
def promote(build: BuildId, *, force: Force = False) -> None:
    """Let all new requests begin on a build, and those that wait for account managers go on there."""

    async def now() -> int:
        async with _changes() as changes:
            return await changes.promote(build, force=force)

    released = asyncio.run(now())
    typer.echo(f"New requests begin on {build}; so do the next steps of those that wait for account managers.")
    if released:
        typer.echo(f"{released} that were held with an older build are let go.")


@app.command()
def back(
    build: BuildId,
    *,
    force: Force = False,
    hold: Annotated[
        bool, typer.Option("--hold/--no-hold", help="Hold what the newer build ran, or let it go back too.")
    ] = True,
) -> None:
    """Let new requests begin on an older build again; what the newer one ran stays there, and needs its workers."""

    async def now() -> int:
        async with _changes() as changes:
            return await changes.go_back(build, force=force, hold=hold)

    held = asyncio.run(now())
    typer.echo(f"New requests begin on {build}.")
    _tell_held(held)


@app.command()
def ramp(
    build: Annotated[str, typer.Argument(metavar="BUILD", help="The build.")] = "",
    percent: Annotated[float, typer.Argument(metavar="PERCENT", min=0, max=100, help="Of new requests.")] = 0,
    *,
    end: Annotated[bool, typer.Option("--end", help="Let all begin on the current build again.")] = False,
    force: Force = False,
) -> None:
    """Let a share of new requests, and of those that wait for account managers, go to a build; or end that."""
    if end == bool(build):
        raise typer.BadParameter("name a build and a percentage, or --end")

    async def now() -> int:
        async with _changes() as changes:
            return await (changes.end_ramp() if end else changes.ramp(build, percent, force=force))

    held = asyncio.run(now())
    typer.echo("All new requests begin on the current build." if end else f"{percent:g} % begin on {build}.")
    _tell_held(held)


@app.command()
def drained(build: BuildId) -> None:
    """Tell whether the workers of a build can go: exit code 0 if so, 1 while something needs them."""
    from countersign.dispatch.versions import Status

    found = asyncio.run(_read())
    seen = found.find(build) if found else None
    if seen is None or (seen.status in {Status.DRAINED, Status.NEW} and not seen.open_workflows):
        typer.echo(f"Nothing needs {build}.")
        return
    typer.echo(f"{build} is {seen.status}, and {seen.open_workflows} open workflows need it.")
    raise typer.Exit(1)


async def _read() -> "Deployment | None":
    async with _changes() as changes:
        return await changes.versions.read()


@asynccontextmanager
async def _changes() -> "AsyncIterator[VersionChanges]":
    from temporalio.service import RPCError

    from countersign.adapters.temporal_tls import NotConnected
    from countersign.cli.context import command_settings
    from countersign.domain.errors import Unavailable
    from countersign.wiring import frontend, version_changes

    settings = command_settings()
    try:
        client = await frontend(settings).connect_without_keys()
        yield version_changes(client, settings, identity=f"{getpass.getuser()}@{socket.gethostname()}")
    except NotConnected as error:
        raise Unavailable(str(error)) from None
    except RPCError as error:
        raise Unavailable(f"Temporal answered {error.status.name}: {error.message}.") from None


def _tell_held(held: int) -> None:
    if held:
        typer.echo(
            f"{held} workflows are held with the build that ran them, for the older one could not read what it wrote:\n"
            "leave its workers running until a newer build is promoted."
        )


def _print(found: "Deployment") -> None:
    from countersign.cli.output import console, listing, moment

    table = listing("Build", "Part / since", "New", "Workers / last poll", "Open")
    for build in found.builds:
        part = f"{build.status}\n{moment(build.since, seconds=False)}"
        workers = f"{build.workers}\n{moment(build.last_poll)}"
        table.add_row(build.build_id, part, f"{build.percent:g} %", workers, str(build.open_workflows))
    console().print(table)
    for build in found.builds:
        if build.is_deserted:
            typer.echo(build.plight)
