"""The identity provider that signs people in: OpenID Connect's code flow, with Authlib as its client."""

import asyncio
import logging
import time
import warnings
from typing import Any

import authlib.deprecate
import httpx
from authlib.common.errors import AuthlibBaseError
from joserfc.errors import JoseError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse

from countersign.domain.errors import SignInFailed, Unavailable
from countersign.settings import Settings

with warnings.catch_warnings():
    # Authlib has begun to ask for httpx2, and tells everyone who starts the program.
    warnings.simplefilter("ignore", authlib.deprecate.AuthlibDeprecationWarning)
    from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App

_LOG = logging.getLogger(__name__)
# At the level DEBUG Authlib logs the PKCE verifier.
logging.getLogger("authlib").setLevel(logging.INFO)

CALLBACK_PATH = "/sign-in/callback"
_ALGORITHMS = ["ES256", "RS256", "PS256"]
_FRESH_SECONDS = 300.0
_USABLE_SECONDS = 900.0
_PAUSE_SECONDS = 2.0
_LEEWAY_SECONDS = 30
_TIMEOUT_SECONDS = 5.0


class _Discovered(BaseModel):
    """What is used of the provider's metadata (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class IdentityProvider:
    """The provider that the settings name; asked for its metadata at first use, and anew every five minutes.

    It is asked by one at a time, and left alone for two seconds when it did not answer; metadata that could not be had
    anew stay in use until they are a quarter of an hour old.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: StarletteOAuth2App | None = None
        self._asked_at = 0.0
        self._asking = asyncio.Lock()
        self._failure: Unavailable | None = None
        self._failed_at = 0.0

    async def redirect(self, request: Request, *, login_hint: str | None = None) -> RedirectResponse:
        """Return the way to the provider, with state, nonce and PKCE challenge, which go into ``request.session``.

        Raises ``Unavailable`` when the provider does not answer.
        """
        hints = {"login_hint": login_hint} if login_hint else {}
        client = await self._fresh_client()
        response: RedirectResponse = await client.authorize_redirect(
            request, self._settings.public_url.rstrip("/") + CALLBACK_PATH, **hints
        )
        return response

    async def subject(self, request: Request) -> str:
        """Return whom the provider signed in: the subject of a checked ID token (OpenID Connect Core 1.0, 3.1.3.7).

        Raises ``SignInFailed`` whatever is wrong with the answer, and ``Unavailable`` when the provider is silent.
        """
        client = await self._fresh_client()
        try:
            token = await client.authorize_access_token(
                request, claims_options=self._expected_claims(), leeway=_LEEWAY_SECONDS
            )
            return str(token["userinfo"]["sub"])
        except httpx.HTTPError as error:
            raise self._silent(error) from None
        except (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError) as error:
            # The message may quote what came back, and that may be a code or a token.
            _LOG.warning("Signing in failed: %s", type(error).__qualname__)
            raise SignInFailed from None

    def _expected_claims(self) -> dict[str, Any]:
        # Left to itself, Authlib also takes a token made for another client, as long as its `azp` names us.
        return {
            "iss": {"essential": True, "value": self._settings.oidc_issuer},
            "aud": {"essential": True, "value": self._settings.oidc_client_id},
            "sub": {"essential": True},
        }

    async def discover(self) -> None:
        """Ask for the provider's metadata and hold them against the settings; raises ``Unavailable``."""
        await self._discover()

    async def _fresh_client(self) -> StarletteOAuth2App:
        async with self._asking:
            if self._client is None or _since(self._asked_at) > _FRESH_SECONDS:
                await self._ask_anew()
            if self._client is not None and _since(self._asked_at) < _USABLE_SECONDS:
                return self._client
        raise Unavailable(self._failure.detail if self._failure else "")

    async def _ask_anew(self) -> None:
        if self._failure is not None and _since(self._failed_at) < _PAUSE_SECONDS:
            return
        try:
            # Made anew and not kept up to date: Authlib would trust a key for ever that the provider has withdrawn.
            self._client = self._client_of(await self._discover())
        except Unavailable as error:
            self._failure, self._failed_at = error, time.monotonic()
        else:
            self._failure, self._asked_at = None, time.monotonic()

    def _client_of(self, found: _Discovered) -> StarletteOAuth2App:
        return StarletteOAuth2App(
            StarletteIntegration("countersign"),
            client_id=self._settings.oidc_client_id,
            client_secret=self._settings.oidc_client_secret.get_secret_value(),
            authorize_url=found.authorization_endpoint,
            access_token_url=found.token_endpoint,
            client_kwargs={"scope": "openid", "code_challenge_method": "S256", **self._manners()},
            jwks_uri=found.jwks_uri,
            # Not what the provider says it supports: that may name `none`.
            id_token_signing_alg_values_supported=_ALGORITHMS,
        )

    async def _discover(self) -> _Discovered:
        if not self._settings.oidc_issuer:
            raise Unavailable("Signing in is not set up here.")
        address = self._settings.oidc_issuer.rstrip("/") + "/.well-known/openid-configuration"
        try:
            async with httpx.AsyncClient(**self._manners()) as http:
                answer = (await http.get(address)).raise_for_status()
            return self._checked(_Discovered.model_validate_json(answer.content))
        except (httpx.HTTPError, ValidationError, ValueError) as error:
            raise self._silent(error) from None

    def _checked(self, found: _Discovered) -> _Discovered:
        if found.issuer != self._settings.oidc_issuer:
            raise ValueError("The metadata are another issuer's (OpenID Connect Discovery 1.0, section 4.3).")
        addresses = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        if self._settings.mode == "production" and not all(each.startswith("https://") for each in addresses):
            raise ValueError("An endpoint is not an https address.")
        return found

    def _manners(self) -> dict[str, Any]:
        # On the local stack the provider is on loopback, where no proxy leads.
        return {"timeout": _TIMEOUT_SECONDS, "trust_env": self._settings.mode == "production"}

    def _silent(self, error: Exception) -> Unavailable:
        _LOG.warning("The identity provider cannot be used: %s", type(error).__qualname__)
        return Unavailable("The service that signs people in does not answer; try again in a moment.")


def _since(moment: float) -> float:
    return time.monotonic() - moment
