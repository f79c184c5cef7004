"""``countersign credentials``: any account's keys and FIX credentials, as ops find them and switch them off."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from countersign.cli.output import console, fields, print_json

if TYPE_CHECKING:
    from countersign.storage.credentials import Credential

app = typer.Typer(no_args_is_help=True, help="For ops: any account's API keys and FIX credentials.")

Named = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="The API key, the Session Name, or the id.")]


@app.command()
def show(
    credential: Named, *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False
) -> None:
    """Show whose it is, what it may do, and whether it works."""
    found = asyncio.run(_show(credential))
    if as_json:
        print_json(found)
    else:
        console().print(fields(found.model_dump()))


@app.command()
def deactivate(credential: Named) -> None:
    """Switch it off at once, also while Temporal is down; the owners are told, what is open about it ends."""
    typer.echo(asyncio.run(_deactivate(credential)))


async def _show(text: str) -> "Credential":
    from countersign.cli.server_side import opened
    from countersign.effects.naming import credential_called

    async with opened() as core, core.database.connection() as connection:
        return await credential_called(connection, text)


async def _deactivate(text: str) -> str:
    from datetime import UTC, datetime

    from countersign.cli.server_side import OPS, opened
    from countersign.effects.deactivation import deactivate_found
    from countersign.effects.naming import credential_called

    async with opened() as core:
        async with core.database.connection() as connection:
            found = await credential_called(connection, text)
        async with core.desk.on_account(found.account_id, at=datetime.now(UTC), actor=OPS) as work:
            after, ended = await deactivate_found(work, found)
    told = f"{found.id} of account {found.account_id} is {after.status if after else 'discarded'}."
    return f"{told}\nEnded {ended.workflow_id}." if ended else told
