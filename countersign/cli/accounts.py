"""``countersign accounts`` and ``users``: what ops do for customers."""

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from countersign.cli.context import command_settings
from countersign.cli.output import console, fields, listing, moment, print_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from countersign.effects.people import UserChange
    from countersign.effects.work import Work
    from countersign.storage.oversight import AccountOverview
    from countersign.storage.requests import Request

AccountId = Annotated[UUID, typer.Argument(metavar="ID", help="The account.")]
ManagerId = Annotated[UUID, typer.Argument(metavar="USER_ID", help="The account manager.")]

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
def show(account_id: AccountId) -> None:
    """Show an account with its owners and the account managers who look after it."""
    console().print(fields(asyncio.run(_show(account_id))))


@accounts_app.command()
def thaw(account_id: Annotated[UUID, typer.Argument(metavar="ID")]) -> None:
    """End the freeze of issuing that too many wrong codes in a row brought about."""
    from countersign.effects.thawing import thaw as end_freeze

    asyncio.run(_on_account(account_id, end_freeze))
    typer.echo(f"Account {account_id} may issue again.")


@accounts_app.command()
def contain(
    account_ids: Annotated[list[UUID] | None, typer.Argument(metavar="[ID]...", help="These accounts.")] = None,
    *,
    checkpoints: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="All whose audit trail does not reach what these checkpoints signed."),
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="All accounts.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which accounts, and change nothing.")] = False,
) -> None:
    """After a restore: freeze accounts, end their requests, switch off their credentials, sign their people out."""
    from countersign.domain.errors import InvalidInput

    if [bool(account_ids), checkpoints is not None, everyone].count(True) != 1:
        raise InvalidInput("Name accounts, or give --checkpoints FILE, or --all.")
    concerned = account_ids or _behind(checkpoints, everyone=everyone)
    for line in asyncio.run(_contain(concerned, dry_run=dry_run)):
        typer.echo(line)
    if not concerned:
        typer.echo("Every account's trail reaches as far as the checkpoints say.")


@accounts_app.command()
def assign(account_id: AccountId, user_id: ManagerId) -> None:
    """Let an account manager look after the account."""
    from countersign.effects.staff import assign as let_look_after

    asyncio.run(_on_account(account_id, lambda work: let_look_after(work, user_id)))
    typer.echo(f"{user_id} looks after account {account_id}.")


@accounts_app.command()
def withdraw(account_id: AccountId, user_id: ManagerId) -> None:
    """Let an account manager look after the account no more."""
    from countersign.effects.staff import withdraw as let_go

    asyncio.run(_on_account(account_id, lambda work: let_go(work, user_id)))
    typer.echo(f"{user_id} no longer looks after account {account_id}.")


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


async def _show(account_id: UUID) -> dict[str, Any]:
    from countersign.cli.server_side import opened
    from countersign.effects.work import found
    from countersign.storage import accounts, users

    async with opened() as core, core.database.connection() as connection:
        account = found(await accounts.get(connection, account_id))
        owners, managers = (
            await accounts.owners(connection, account_id),
            await accounts.managers(connection, account_id),
        )
        names = await users.names(connection, {*owners, *managers})
    people = {"owners": owners, "account managers": managers}
    named = {role: [f"{each} {names[each]}" for each in ids] or ["none"] for role, ids in people.items()}
    return {**account.model_dump(), **named}


async def _on_account(account_id: UUID, effect: "Callable[[Work], Awaitable[None]]") -> None:
    from countersign.cli.server_side import OPS, opened

    async with opened() as core, core.desk.on_account(account_id, at=datetime.now(UTC), actor=OPS) as work:
        await effect(work)


def _behind(checkpoints: Path | None, *, everyone: bool) -> list[UUID]:
    from countersign.auditing.verifying import Verifier
    from countersign.cli.audit import audit_keys, database_address
    from countersign.storage.audit_reading import snapshot

    settings = command_settings()
    with snapshot(database_address(settings)) as trails:
        if everyone:
            return [UUID(account_id) for account_id in trails.heads()]
        report = Verifier(audit_keys(settings)).verify_database(trails, checkpoint_file=checkpoints)
    return sorted({UUID(finding.account_id) for finding in report.findings if finding.account_id})


async def _contain(account_ids: list[UUID], *, dry_run: bool) -> list[str]:
    from countersign.cli.server_side import OPS, opened
    from countersign.domain.errors import NotFound
    from countersign.effects.containing import contain as contain_account

    if dry_run:
        return [f"Account {account_id} would be contained." for account_id in account_ids]
    lines = []
    async with opened() as core:
        for account_id in account_ids:
            try:
                done = await contain_account(core.desk, account_id, at=datetime.now(UTC), actor=OPS)
            except NotFound:
                lines.append(f"Account {account_id} is not in the database at all.")
                continue
            off = f"{done.credentials} credentials off, {done.requests} requests ended"
            lines.append(f"Account {account_id}: issuing frozen, {off}.")
    return lines


async def _change(user_id: UUID, wanted: "UserChange") -> "list[Request]":
    from countersign.cli.server_side import OPS, opened
    from countersign.effects.people import change_user

    async with opened() as core:
        return await change_user(core.desk, user_id, wanted, at=datetime.now(UTC), actor=OPS)
