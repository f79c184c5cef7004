"""The local stack's own OpenID provider: it signs demo people in at one click, over the code path of production."""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape
from urllib.parse import unquote_plus, urlencode
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from countersign.local.issuer import Issuer

_CODE_SECONDS = 60.0
_ELSEWHERE = frozenset({"cross-site", "same-site"})
_ID_TOKEN_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True)
class Client:
    """The one program that may ask this provider to sign people in."""

    id: str
    secret: str = field(repr=False)
    redirect_uri: str


class Asked(BaseModel):
    """An authentication request (OpenID Connect Core 1.0, 3.1.2.1) with PKCE (RFC 7636, 4.3)."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    client_id: str
    redirect_uri: str
    response_type: str
    scope: str
    state: str
    nonce: str
    code_challenge: str
    code_challenge_method: str
    login_hint: str = ""


@dataclass(frozen=True)
class Grant:
    """What a code stands for."""

    asked: Asked
    user_id: UUID
    made_at: float

    @property
    def is_fresh(self) -> bool:
        """Whether the code is still good."""
        return time.monotonic() - self.made_at < _CODE_SECONDS


class Identity:
    """The provider at ``issuer``, an address; ``people`` are the ids of those it knows, by the hint that names them."""

    def __init__(self, issuer: str, *, key: Issuer, client: Client, people: Mapping[str, UUID]) -> None:
        self._issuer = issuer
        self._key = key
        self._client = client
        self._people = people
        self._grants: dict[str, Grant] = {}

    def app(self) -> Starlette:
        """Return the provider as an application."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.describe),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/jwks.json", self.jwks),
            ]
        )

    async def describe(self, _request: Request) -> Response:
        """Return the metadata (OpenID Connect Discovery 1.0, section 3)."""
        return JSONResponse(
            {
                "issuer": self._issuer,
                "authorization_endpoint": f"{self._issuer}/authorize",
                "token_endpoint": f"{self._issuer}/token",
                "jwks_uri": f"{self._issuer}/jwks.json",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid"],
            }
        )

    async def jwks(self, _request: Request) -> Response:
        """Return the key that ID tokens are signed with (RFC 7517)."""
        return JSONResponse(self._key.jwks)

    async def authorize(self, request: Request) -> Response:
        """Send the person back with a code; without a hint, or from another site, let him or her choose who to be."""
        asked = self._asked(request)
        user_id = self._people.get(asked.login_hint)
        # Another site's link must not sign anyone in unasked; browsers tell where a chain of redirects began.
        if user_id is None or request.headers.get("sec-fetch-site") in _ELSEWHERE:
            return HTMLResponse(_choice(request.query_params, list(self._people)))
        code, self._grants = secrets.token_urlsafe(32), self._fresh_grants()
        self._grants[code] = Grant(asked, user_id, time.monotonic())
        answer = urlencode({"code": code, "state": asked.state, "iss": self._issuer})
        return RedirectResponse(f"{asked.redirect_uri}?{answer}", status_code=303)

    async def token(self, request: Request) -> Response:
        """Give an ID token for a code, once (OpenID Connect Core 1.0, 3.1.3)."""
        if not self._is_client(request):
            return JSONResponse(
                {"error": "invalid_client"}, status_code=401, headers={"WWW-Authenticate": 'Basic realm="identity"'}
            )
        form = await request.form()
        grant = self._grants.pop(str(form.get("code")), None)
        if form.get("grant_type") != "authorization_code" or grant is None or not _fits(grant, form):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse(
            {
                "access_token": secrets.token_urlsafe(16),  # there is nothing here that it would open
                "token_type": "Bearer",
                "expires_in": int(_ID_TOKEN_LIFETIME.total_seconds()),
                "id_token": self.id_token(grant),
            }
        )

    def id_token(self, grant: Grant) -> str:
        """Return who signed in, for the client alone (OpenID Connect Core 1.0, section 2)."""
        return self._key.sign(self.claims(grant), lifetime=_ID_TOKEN_LIFETIME)

    def claims(self, grant: Grant) -> dict[str, str]:
        """Return what an ID token says, its times left out."""
        return {
            "iss": self._issuer,
            "aud": self._client.id,
            "sub": str(grant.user_id),
            "nonce": grant.asked.nonce,
        }

    def _asked(self, request: Request) -> Asked:
        try:
            asked = Asked.model_validate(dict(request.query_params))
        except ValidationError:
            raise HTTPException(400, "The request is not complete.") from None
        known = (asked.client_id, asked.redirect_uri) == (self._client.id, self._client.redirect_uri)
        # Nobody is sent to an address that was not agreed on, not even with an error.
        if not known or (asked.response_type, asked.code_challenge_method) != ("code", "S256"):
            raise HTTPException(400, "The request is not one of the client that is known here.")
        if "openid" not in asked.scope.split():
            raise HTTPException(400, "The scope is not openid.")
        return asked

    def _fresh_grants(self) -> dict[str, Grant]:
        return {code: grant for code, grant in self._grants.items() if grant.is_fresh}

    def _is_client(self, request: Request) -> bool:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        # RFC 6749, 2.3.1: both parts are form-encoded first.
        given = f"{unquote_plus(name)}:{unquote_plus(secret)}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(
            given, f"{self._client.id}:{self._client.secret}".encode()
        )


def _fits(grant: Grant, form: Mapping[str, object]) -> bool:
    digest = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return (
        grant.is_fresh
        and form.get("redirect_uri") == grant.asked.redirect_uri
        and hmac.compare_digest(challenge, grant.asked.code_challenge.encode())
    )


def _choice(asked: Mapping[str, str], people: list[str]) -> str:
    links = "".join(
        f'<li><a href="?{escape(urlencode({**asked, "login_hint": name}))}">{escape(name)}</a></li>' for name in people
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Local sign-in</title></head>'
        f"<body><main><h1>Local sign-in</h1><p>Who are you? No password is asked for: this is a local stack.</p>"
        f"<ul>{links}</ul></main></body></html>"
    )
