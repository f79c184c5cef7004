"""``countersign notices``: the mails that tell people what happened, and whether they went out."""

import asyncio
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from countersign.cli.output import console, listing, moment, print_json

if TYPE_CHECKING:
    from countersign.storage.looking_up import Mailed

app = typer.Typer(no_args_is_help=True, help="For ops: mails, sent or waiting. Codes by mail are with their request.")


@app.command("list")
def list_notices(
    *,
    account: Annotated[UUID | None, typer.Option(metavar="ID", help="Of this account, newest first.")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="What is not out yet, of all, the oldest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """List mails: what they tell, whom, and what became of them."""
    from countersign.domain.errors import InvalidInput

    if (account is None) is not waiting:
        raise InvalidInput("Give --account ID, or --waiting.")
    found = asyncio.run(_read(account, limit))
    if as_json:
        print_json(found)
    elif not found:
        typer.echo("No mails wait." if waiting else "No mails.")
    else:
        _print(found)


async def _read(account: UUID | None, limit: int) -> "list[Mailed]":
    from countersign.cli.server_side import opened
    from countersign.storage import looking_up

    async with opened() as core, core.database.connection() as connection:
        if account is None:
            return await looking_up.mails_waiting(connection, limit=limit)
        return await looking_up.mails_of_account(connection, account, limit=limit)


def _print(found: "list[Mailed]") -> None:
    table = listing("Mail / to", "Made / settled or tried next", "What became of it")
    for each in found:
        settled = each.sent_at or each.failed_at or each.due_at
        table.add_row(f"{each.event}\n{each.name}", f"{moment(each.created_at)}\n{moment(settled)}", _became(each))
    table.columns[2].no_wrap, table.columns[2].overflow = False, "fold"
    console().print(table)


def _became(mail: "Mailed") -> str:
    word = "sent" if mail.sent_at else "failed" if mail.failed_at else "waits"
    told = f"{word}, tries: {mail.tries}"
    return "\n".join(filter(None, (told, mail.failure, mail.provider_id)))
