"""``countersign demo``: a whole creation on the running local stack, as the people in it meet it."""

from enum import StrEnum
from typing import Annotated

import typer

from countersign.cli.context import command_settings


class DemoKind(StrEnum):
    """What is created."""

    API_KEY = "api-key"
    FIX = "fix"


class DemoOwner(StrEnum):
    """Who creates it: one owner confirms with an authenticator, the other by SMS."""

    OLIVIA = "olivia"
    SAM = "sam"


def demo(
    *,
    kind: Annotated[DemoKind, typer.Option(help="What to create.")] = DemoKind.API_KEY,
    user: Annotated[DemoOwner, typer.Option(help="Olivia has an authenticator, Sam gets SMS.")] = DemoOwner.OLIVIA,
    pause: Annotated[bool, typer.Option("--pause", help="Wait for Enter after each step.")] = False,
) -> None:
    """Walk through a whole creation on the running local stack; it leaves an active credential behind."""
    from countersign.cli.demo_walk import Walk
    from countersign.cli.http import Api, api_url
    from countersign.cli.narrator import Narrator
    from countersign.local.sign_in import demo_token

    settings = command_settings()
    url = api_url(settings)
    with Api(url, demo_token(settings, user)) as owner, Api(url, demo_token(settings, "amy")) as manager:
        owner.get("/readyz")
        walk = Walk(settings=settings, owner_name=user, owner=owner, manager=manager, narrator=Narrator(pause=pause))
        if kind is DemoKind.FIX:
            walk.create_fix_credentials()
        else:
            walk.create_api_key()
