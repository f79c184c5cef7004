"""A client of the HTTP API that turns its problems back into the errors they were."""

import os
import time
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from countersign.domain.errors import BY_SLUG, DomainError, NotSignedIn, Unavailable
from countersign.settings import Settings

# The API waits up to ten seconds for a worker before it says 503.
_TIMEOUT_SECONDS = 20.0
_PAUSES_SECONDS = (1.0, 2.0)
_OWN_MEMBERS = frozenset({"type", "title", "status", "detail"})


class Api:
    """The HTTP API as one person; every call raises a ``DomainError`` when it is refused."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_SECONDS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: str) -> Any:
        """Return what stands at ``path``."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: object = None) -> Any:
        """Post ``body``; a 503 is tried again under the same Idempotency-Key, so that it counts once."""
        return self._call("POST", path, json=body, headers={"Idempotency-Key": str(uuid4())})

    def _call(self, method: str, path: str, **options: Any) -> Any:
        for pause in _PAUSES_SECONDS:
            response = self._send(method, path, **options)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return _answer(response)
            time.sleep(pause)
        return _answer(self._send(method, path, **options))

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **options)
        except httpx.TransportError:
            hint = f"No API answers at {self.url}; `countersign up` starts a local one."
            raise Unavailable(hint) from None
        except httpx.InvalidURL:
            raise Unavailable(f"{self.url} is no address of an API.") from None


def api_url(settings: Settings) -> str:
    """Return where the API is: COUNTERSIGN_API_URL, or what the settings say."""
    return os.environ.get("COUNTERSIGN_API_URL") or settings.public_url


def bearer_token(settings: Settings, demo_user: str | None) -> str:
    """Return a demo user's token on the local stack, or the one in COUNTERSIGN_TOKEN; else ``NotSignedIn``."""
    if demo_user is not None:
        from countersign.local.sign_in import demo_token

        return demo_token(settings, demo_user)
    token = os.environ.get("COUNTERSIGN_TOKEN", "").strip()
    if not token:
        raise NotSignedIn("Put your token into COUNTERSIGN_TOKEN, or on the local stack say --as amy.")
    if not (token.isascii() and token.isprintable()):
        raise NotSignedIn("What stands in COUNTERSIGN_TOKEN is no token.")
    return token


def _answer(response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError:
        raise Unavailable(f"{response.url.host} answered {response.status_code}, not as this API does.") from None
    if response.is_success:
        return body
    raise _problem(body, response.status_code)


def _problem(body: Any, status: int) -> DomainError:
    if not isinstance(body, dict):
        return Unavailable(f"The API answered {status}.")
    kind = BY_SLUG.get(str(body.get("type", "")).rpartition("/")[2], DomainError)
    extra = {str(name): value for name, value in body.items() if name not in _OWN_MEMBERS}
    return kind(str(body.get("detail", f"The API answered {status}.")), **extra)
