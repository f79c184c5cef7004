"""``countersign token`` and ``otp``: be a demo user of the local stack."""

from typing import Annotated

import typer

from countersign.cli.context import command_settings

DemoName = Annotated[str, typer.Argument(metavar="USER", help="A demo user, as `countersign up` lists them.")]


def token(user: DemoName, hours: Annotated[int, typer.Option(min=1, max=24)] = 1) -> None:
    """Print a bearer token of a demo user."""
    from countersign.local.sign_in import demo_token

    typer.echo(demo_token(command_settings(), user, hours=hours))


def otp(user: DemoName) -> None:
    """Print the present code of a demo user's authenticator."""
    import asyncio

    from countersign.local.sign_in import demo_otp

    typer.echo(asyncio.run(demo_otp(command_settings(), user)))
