"""``countersign token`` and ``otp``: be a demo user of the local stack, or a gateway."""

from typing import Annotated

import typer

from countersign.cli.context import command_settings

DemoName = Annotated[str, typer.Argument(metavar="USER", help="A demo user, as `countersign up` lists them.")]


def token(
    user: Annotated[str, typer.Argument(metavar="USER", help="A demo user, as `countersign up` lists them.")] = "",
    *,
    gateway: Annotated[bool, typer.Option("--gateway", help="Of a trading gateway, for the verifier.")] = False,
    hours: Annotated[int, typer.Option(min=1, max=24)] = 1,
) -> None:
    """Print a bearer token of a demo user, or of a trading gateway."""
    from countersign.local.sign_in import demo_token, gateway_token

    settings = command_settings()
    typer.echo(gateway_token(settings, hours=hours) if gateway else demo_token(settings, user, hours=hours))


def otp(user: DemoName) -> None:
    """Print the present code of a demo user's authenticator."""
    import asyncio

    from countersign.local.sign_in import demo_otp

    typer.echo(asyncio.run(demo_otp(command_settings(), user)))
