"""``countersign stop``: a key, an account, everything; at once, whatever else is going on."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from countersign.cli.orders import By, Reason, order_of

if TYPE_CHECKING:
    from countersign.effects.halting import Halted
    from countersign.effects.orders import Order
    from countersign.storage.halting import Counts

app = typer.Typer(no_args_is_help=True, help="For ops in an emergency: stop a key, an account, everything.")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be stopped, and change nothing.")]

_UNKNOWN = "WebSocket and FIX sessions that are open: unknown here; gateways close them as they hear of it."
_TOLD_EVERY = 100


@app.command()
def key(
    credential: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="The API key, the Session Name, or the id.")],
    *,
    dry_run: DryRun = False,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Stop an API key or FIX credentials, and what is open about them. The owners may activate them again."""
    order = None if dry_run else order_of(reason=reason, by=by)
    typer.echo(asyncio.run(_key(credential, order)))


@app.command()
def account(
    name: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id, or its whole name.")],
    *,
    dry_run: DryRun = False,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Stop all of an account, and freeze its issuing: nothing is active again before `issuance thaw`."""
    order = None if dry_run else order_of(reason=reason, by=by)
    typer.echo(asyncio.run(_account(name, order)))


@app.command()
def everything(
    *,
    dry_run: DryRun = False,
    yes: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="How many credentials are active, as --dry-run says.")
    ] = None,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Freeze issuing for the whole exchange and stop every account. Interrupted, it goes on when it is repeated."""
    if dry_run:
        typer.echo(asyncio.run(_count_everything()))
    else:
        asyncio.run(_everything(order_of(reason=reason, by=by), typed=-1 if yes is None else yes))


async def _key(text: str, order: "Order | None") -> str:
    from countersign.cli.server_side import opened
    from countersign.effects.halting import halt_credential
    from countersign.effects.naming import credential_called
    from countersign.storage import halting

    async with opened() as core:
        async with core.database.connection() as connection:
            found = await credential_called(connection, text)
            counts = await halting.of_credential(connection, found.id)
        what = f"{found.id} of account {found.account_id}"
        return _would(what, counts) if order is None else _done(what, await halt_credential(core.desk, found, order))


async def _account(text: str, order: "Order | None") -> str:
    from countersign.cli.server_side import opened
    from countersign.effects.halting import halt_account
    from countersign.effects.naming import account_called
    from countersign.storage import halting

    async with opened() as core:
        async with core.database.connection() as connection:
            found = await account_called(connection, text)
            counts = await halting.of_account(connection, found.id)
        what = f"Account {found.id} ({found.name})"
        return _would(what, counts) if order is None else _done(what, await halt_account(core.desk, found.id, order))


async def _count_everything() -> str:
    from countersign.cli.server_side import opened
    from countersign.storage import halting

    async with opened() as core, core.database.connection() as connection:
        counts = await halting.of_everything(connection)
    return f"{_would('Everything', counts)}\nTo do it: countersign stop everything --yes {counts.active} --reason TEXT"


async def _everything(order: "Order", *, typed: int) -> None:
    from countersign.cli.server_side import opened
    from countersign.effects.halting import halt_everything, require_confirmed
    from countersign.storage import halting

    async with opened() as core:
        async with core.database.connection() as connection:
            require_confirmed(await halting.of_everything(connection), typed)
        credentials = requests = accounts = 0
        async for done in halt_everything(core.desk, order):
            accounts, credentials = accounts + 1, credentials + done.credentials
            requests += done.requests
            if accounts % _TOLD_EVERY == 0:
                typer.echo(f"{accounts} accounts so far: {_sum(credentials, requests)}.")
    typer.echo(f"Stopped in {accounts} accounts: {_sum(credentials, requests)}. Issuing is frozen everywhere.")


def _would(what: str, counts: "Counts") -> str:
    active = f"{counts.api_keys} API keys and {counts.fix_credentials} FIX credentials active"
    return f"{what}:\n{active}, {counts.open_requests} requests open.\n{_UNKNOWN}"


def _done(what: str, done: "Halted") -> str:
    if not done.anything:
        return f"{what}:\nNothing was left to stop."
    return f"{what}:\n{_sum(done.credentials, done.requests)}{', issuing frozen' if done.froze else ''}."


def _sum(credentials: int, requests: int) -> str:
    return f"{credentials} credentials off, {requests} requests ended"
