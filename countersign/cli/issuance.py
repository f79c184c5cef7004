"""``countersign issuance``: freezing and thawing what is issued, for one account or the whole exchange."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from countersign.cli.orders import By, Reason, order_of
from countersign.cli.output import console, fields

if TYPE_CHECKING:
    from countersign.effects.orders import Order
    from countersign.storage.house_freezes import StoredFreeze

app = typer.Typer(no_args_is_help=True, help="For ops in an emergency: freeze what is issued, and thaw it.")

Account = Annotated[
    str | None, typer.Option(metavar="ACCOUNT", help="Only this one: its id, or its whole name. Otherwise all.")
]


@app.command()
def freeze(
    *,
    account: Account = None,
    open_too: Annotated[
        bool, typer.Option("--open-too", help="What is open waits, too; of one account it always does.")
    ] = False,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Let nothing new begin: no creation, edit or activation. What is active goes on working."""
    order = order_of(reason=reason, by=by)
    typer.echo(asyncio.run(_freeze_account(account, order) if account else _freeze(order, open_too=open_too)))


@app.command()
def thaw(*, account: Account = None, reason: Reason = None, by: By = None) -> None:
    """End the freeze of the whole exchange, or of one account."""
    order = order_of(reason=reason, by=by)
    typer.echo(asyncio.run(_thaw_account(account, order) if account else _thaw(order)))


@app.command()
def show() -> None:
    """Say whether issuing is frozen for the whole exchange, since when, by whom and why."""
    found = asyncio.run(_show())
    if found is None:
        typer.echo("Issuing is not frozen for the whole exchange. For accounts see `countersign accounts list`.")
    else:
        console().print(fields(found.model_dump()))


async def _freeze(order: "Order", *, open_too: bool) -> str:
    from countersign.cli.server_side import opened
    from countersign.domain.freezing import HouseFreeze
    from countersign.effects.issuance import freeze_house

    async with opened() as core:
        froze = await freeze_house(core.desk, HouseFreeze.ALL if open_too else HouseFreeze.NEW, order)
    if not froze:
        return "It was frozen already."
    return "Nothing new begins" + ("; what is open waits, too." if open_too else "; what is open may go on.")


async def _thaw(order: "Order") -> str:
    from countersign.cli.server_side import opened
    from countersign.effects.issuance import thaw_house

    async with opened() as core:
        await thaw_house(core.desk, order)
    return "All accounts that are not frozen themselves may issue again."


async def _freeze_account(text: str, order: "Order") -> str:
    from countersign.cli.server_side import opened
    from countersign.effects.issuance import freeze_account
    from countersign.effects.naming import account_called

    async with opened() as core:
        async with core.database.connection() as connection:
            found = await account_called(connection, text)
        async with core.desk.on_account(found.id, at=order.at, actor=order.actor) as work:
            froze = await freeze_account(work, order)
    return f"Account {found.id} ({found.name}) {'is frozen now' if froze else 'was frozen already'}."


async def _thaw_account(text: str, order: "Order") -> str:
    from countersign.cli.server_side import opened
    from countersign.effects.issuance import thaw_account
    from countersign.effects.naming import account_called

    async with opened() as core:
        async with core.database.connection() as connection:
            found = await account_called(connection, text)
        async with core.desk.on_account(found.id, at=order.at, actor=order.actor) as work:
            await thaw_account(work, order)
    return f"Account {found.id} ({found.name}) may issue again."


async def _show() -> "StoredFreeze | None":
    from countersign.cli.server_side import opened
    from countersign.effects.issuance import frozen_house

    async with opened() as core:
        return await frozen_house(core.desk)
