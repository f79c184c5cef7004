"""``countersign users find`` and ``add``: people, as ops look them up, and those who work for the exchange."""

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from countersign.cli.output import console, fields, print_json

if TYPE_CHECKING:
    from countersign.storage.looking_up import Found


class StaffRole(StrEnum):
    """What somebody of the exchange may be."""

    ACCOUNT_MANAGER = "account_manager"
    OPS = "ops"


def find(
    text: Annotated[str, typer.Argument(help="A part of the name, the whole email address, or the id.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Find people: how they confirm, and which accounts are theirs; numbers and addresses are masked."""
    found = [_masked(person) for person in asyncio.run(_find(text))]
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo("Nobody is called that.")
    out = console()
    for place, person in enumerate(found):
        if place:
            out.print()
        out.print(fields(person))


def add(
    user_id: Annotated[UUID, typer.Argument(metavar="USER_ID", help="The subject at the identity provider.")],
    *,
    name: Annotated[str, typer.Option(help="As colleagues and customers read it.")],
    email: Annotated[str, typer.Option(help="Where mails go.")],
    role: Annotated[StaffRole, typer.Option(help="What he or she is to the exchange.")],
) -> None:
    """Add an account manager, or somebody of ops."""
    asyncio.run(_add(user_id, name=name, email=email, role=role))
    typer.echo(f"Added {user_id}.")


async def _find(text: str) -> "list[Found]":
    from countersign.cli.server_side import opened
    from countersign.storage import looking_up

    async with opened() as core, core.database.connection() as connection:
        return await looking_up.people(connection, text.strip(), limit=20)


async def _add(user_id: UUID, *, name: str, email: str, role: StaffRole) -> None:
    from countersign.cli.server_side import opened
    from countersign.domain.people import Role
    from countersign.effects.staff import add_staff

    async with opened() as core:
        await add_staff(core.desk, user_id, name=name, email=email, role=Role(role))


def _masked(person: "Found") -> dict[str, object]:
    from countersign.domain.people import mask_email, mask_phone

    return {
        "user": person.id,
        "name": person.name,
        "email": mask_email(person.email),
        "phone": mask_phone(person.phone) if person.phone else "",
        "two-factor": person.two_factor_method,
        "recovery codes": person.recovery_codes,
        "staff": person.staff_role or "",
        "accounts": [f"{each['id']} {each['name']} ({each['role']})" for each in person.accounts],
    }
