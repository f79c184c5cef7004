"""``countersign accounts`` and ``users``: what ops do for customers."""

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from countersign.cli.output import console, listing, moment, print_json

if TYPE_CHECKING:
    from countersign.effects.people import UserChange
    from countersign.storage.oversight import AccountOverview
    from countersign.storage.requests import Request

accounts_app = typer.Typer(no_args_is_help=True, help="For ops: accounts, and the freeze of issuing.")
users_app = typer.Typer(no_args_is_help=True, help="For ops: how people are reached and confirm.")


class TwoFactor(StrEnum):
    """What ops may set; an authenticator is set up by its owner alone."""

    OFF = "off"
    SMS = "sms"


@accounts_app.command("list")
def list_accounts(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False
) -> None:
    """List all accounts by name."""
    found = asyncio.run(_accounts())
    if as_json:
        print_json(found)
        return
    table = listing("Account / name", "Prime", "Frozen since", "Wrong", "Open")
    for account in found:
        prime = "yes" if account.prime_liquidity else "no"
        frozen = moment(account.frozen_at, seconds=False) or "-"
        wrong, under_way = str(account.wrong_codes_in_a_row), str(account.open_requests)
        table.add_row(f"{account.id}\n{account.name}", prime, frozen, wrong, under_way)
    out = console()
    out.print(table)
    out.print("\nWrong: codes in a row. Open: requests.")


@accounts_app.command()
def thaw(account_id: Annotated[UUID, typer.Argument(metavar="ID")]) -> None:
    """End the freeze of issuing that too many wrong codes in a row brought about."""
    asyncio.run(_thaw(account_id))
    typer.echo(f"Account {account_id} may issue again.")


@users_app.command()
def change(
    user_id: Annotated[UUID, typer.Argument(metavar="USER_ID")],
    *,
    email: Annotated[str | None, typer.Option(help="The new email address.")] = None,
    phone: Annotated[str | None, typer.Option(help="The new phone number, with + and country code.")] = None,
    two_factor: Annotated[TwoFactor | None, typer.Option(help="The new two-factor method.")] = None,
) -> None:
    """Change how a person is reached or confirms; open requests are cancelled, browsers signed out."""
    from countersign.domain.people import TwoFactorMethod
    from countersign.effects.people import UserChange

    methods = {None: None, TwoFactor.OFF: TwoFactorMethod.NONE, TwoFactor.SMS: TwoFactorMethod.SMS}
    wanted = UserChange(email=email, phone=phone, two_factor=methods[two_factor])
    cancelled = asyncio.run(_change(user_id, wanted))
    typer.echo(f"Changed user {user_id}.")
    for request in cancelled:
        typer.echo(f"Cancelled {request.workflow_id}.")


async def _accounts() -> "list[AccountOverview]":
    from countersign.cli.server_side import opened
    from countersign.storage import oversight

    async with opened() as core, core.database.connection() as connection:
        return await oversight.every_account(connection)


async def _thaw(account_id: UUID) -> None:
    from countersign.cli.server_side import OPS, opened
    from countersign.effects.thawing import thaw as end_freeze

    async with opened() as core, core.desk.on_account(account_id, at=datetime.now(UTC), actor=OPS) as work:
        await end_freeze(work)


async def _change(user_id: UUID, wanted: "UserChange") -> "list[Request]":
    from countersign.cli.server_side import OPS, opened
    from countersign.effects.people import change_user

    async with opened() as core:
        return await change_user(core.desk, user_id, wanted, at=datetime.now(UTC), actor=OPS)
