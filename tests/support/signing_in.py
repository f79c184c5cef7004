"""A browser that signs in, as far as HTTP goes, at an identity provider that can be made to lie."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import jwt
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from api.app import create_app
from api.identity_provider import CALLBACK_PATH, IdentityProvider
from api.pages.visitors import cookie_name
from countersign.local.identity import Client, Grant, Identity
from countersign.local.issuer import Issuer
from countersign.settings import Settings
from tests.support.cast import Person
from tests.support.pages import HTML
from tests.support.site import serving

SAME_ORIGIN = {**HTML, "Sec-Fetch-Site": "same-origin"}
PUBLIC_URL = "http://127.0.0.1"


@dataclass
class Lies:
    """What is different about the next ID tokens."""

    claims: dict[str, Any] = field(default_factory=dict)
    lifetime: timedelta = timedelta(minutes=5)
    signer: Issuer | None = None
    token: str | None = None
    down: bool = False


class Provider(Identity):
    """The local stack's provider, with people of one's own."""

    def __init__(self, issuer: str, key: Issuer, client: Client) -> None:
        self.known: dict[str, UUID] = {}
        self.lies = Lies()
        self.honest_key = self.published_key = key
        super().__init__(issuer, key=key, client=client, people=self.known)

    async def jwks(self, _request: Request) -> Response:
        return JSONResponse(self.published_key.jwks)

    async def token(self, request: Request) -> Response:
        return Response(status_code=503) if self.lies.down else await super().token(request)

    def id_token(self, grant: Grant) -> str:
        if self.lies.token is not None:
            return self.lies.token
        signer, now = self.lies.signer or self.honest_key, int(time.time())
        times = {"iat": now, "exp": now + int(self.lies.lifetime.total_seconds())}
        claims = {**self.claims(grant), **times, **self.lies.claims}
        told = {name: claim for name, claim in claims.items() if claim is not None}
        # PyJWT itself would refuse to make some of these.
        header = {"kid": signer.jwks["keys"][0]["kid"]}
        return jwt.PyJWS().encode(json.dumps(told).encode(), signer.key, algorithm="ES256", headers=header)


@dataclass
class Place:
    """An application whose people sign in at a provider beside it."""

    app: FastAPI
    settings: Settings
    provider: Provider

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, issuer: Issuer) -> AsyncIterator[Self]:
        """Serve both; ``settings`` say where the application is."""
        apps: list[Starlette] = []

        async def provide(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await apps[0](scope, receive, send)

        async with serving(provide) as url:
            client = Client(
                settings.oidc_client_id,
                settings.oidc_client_secret.get_secret_value(),
                redirect_uri=settings.public_url + CALLBACK_PATH,
            )
            provider = Provider(url, issuer, client)
            apps.append(provider.app())
            settings = settings.model_copy(update={"oidc_issuer": url})
            app = create_app(settings)
            async with app.router.lifespan_context(app):
                yield cls(app, settings, provider)

    @contextmanager
    def asking(self, **changes: Any) -> Iterator[None]:
        """Let the application think otherwise of its identity provider."""
        usual = self.app.state.identity_provider
        self.app.state.identity_provider = IdentityProvider(self.settings.model_copy(update=changes))
        try:
            yield
        finally:
            self.app.state.identity_provider = usual

    @asynccontextmanager
    async def browser(self) -> AsyncIterator["Browser"]:
        """A browser that knows nothing yet."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with (
            httpx.AsyncClient(transport=transport, base_url=self.settings.public_url) as client,
            httpx.AsyncClient() as outside,
        ):
            yield Browser(self, client, outside)


@dataclass
class Browser:
    """Keeps cookies, follows redirects one by one."""

    place: Place
    client: httpx.AsyncClient
    outside: httpx.AsyncClient

    @property
    def session_token(self) -> str | None:
        return self.client.cookies.get(cookie_name(self.place.settings))

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers={**HTML, **headers})

    async def post(self, path: str, **form: str) -> httpx.Response:
        return await self.client.post(path, data=form, headers=SAME_ORIGIN)

    async def leave(self, person: Person, wanted: str = "/") -> httpx.Response:
        """Press "Sign in"."""
        self.place.provider.known[person.name] = person.id
        query = {"next": wanted, "login_hint": person.name}
        return await self.client.get("/sign-in/start", params=query, headers=HTML)

    async def way_back(self, left: httpx.Response) -> str:
        """Return where the provider sends the browser."""
        sent = await self.outside.get(left.headers["location"])
        assert sent.status_code == 303, sent.text
        return str(sent.headers["location"])

    async def sign_in(self, person: Person, wanted: str = "/") -> httpx.Response:
        """Go there and back."""
        return await self.get(await self.way_back(await self.leave(person, wanted)))

    async def is_signed_in(self, **headers: str) -> bool:
        return (await self.get("/signed-in", **headers)).status_code == 200


def query_of(address: str) -> dict[str, str]:
    """Return the query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
