"""The HTTP application as the local stack serves it: with an identity provider of its own beside the pages."""

from fastapi import FastAPI

from api.app import create_app
from api.identity_provider import CALLBACK_PATH
from api.pages.sign_in import DemoPerson
from countersign.local.collector import collector
from countersign.local.demo import DEMO_USERS
from countersign.local.environment import COLLECTOR_PATH, IDENTITY_PATH, identity_issuer
from countersign.local.identity import Client, Identity
from countersign.local.issuer import load_or_make_issuer
from countersign.settings import Settings


def local_application(settings: Settings) -> FastAPI:
    """Return the application; where the settings name another identity provider, the demo people are not its own."""
    app = create_app(settings)
    app.mount(COLLECTOR_PATH, collector(settings.data))
    if settings.oidc_issuer == identity_issuer(settings.api_port):
        app.mount(IDENTITY_PATH, _identity(settings).app())
        app.state.demo_people = tuple(DemoPerson(user.name, user.name.title(), user.description) for user in DEMO_USERS)
    return app


def _identity(settings: Settings) -> Identity:
    client = Client(
        settings.oidc_client_id,
        settings.oidc_client_secret.get_secret_value(),
        redirect_uri=settings.public_url.rstrip("/") + CALLBACK_PATH,
    )
    people = {user.name: user.id for user in DEMO_USERS}
    return Identity(settings.oidc_issuer, key=load_or_make_issuer(settings.data), client=client, people=people)
