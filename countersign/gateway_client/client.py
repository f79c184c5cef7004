"""The client itself."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address
from types import TracebackType
from typing import Self
from uuid import UUID

import aiohttp

from countersign.domain.credentials import SessionType
from countersign.domain.permissions import Permission
from countersign.domain.verification import (
    Allowed,
    Call,
    Denied,
    FixCall,
    Lost,
    RestCall,
    Revoked,
    SessionCall,
    WebSocketCall,
)
from countersign.gateway_client.batching import Batches
from countersign.gateway_client.errors import VerifierUnavailable
from countersign.gateway_client.revocations import follow

Ip = str | IPv4Address | IPv6Address
TokenSource = Callable[[], str]
_CONNECTIONS = 8
# Less than the verifier keeps an idle connection: it must not be closed while a question is on its way.
_KEPT_SECONDS = 10.0


class GatewayClient:
    """Asks the verifier at ``url``, and gathers calls that come at once into one question.

    ``token`` is the service's bearer token, or a function that returns the present one; ``tls`` holds its certificate
    where that is what lets it in. A question that is not answered within ``timeout`` seconds raises
    ``VerifierUnavailable``. Nothing is asked twice: a signature that changes something is good once.
    """

    def __init__(
        self, url: str, *, token: str | TokenSource = "", tls: ssl.SSLContext | None = None, timeout: float = 2.0
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._tls = tls
        self._timeout = timeout
        self._http: aiohttp.ClientSession | None = None
        self._batches: Batches | None = None

    async def __aenter__(self) -> Self:
        """Open the connections' pool."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS, ssl=self._tls or True)
        self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._batches = Batches(
            self._http, f"{self._url}/v1/verifications", self._headers, timeout=self._timeout, at_once=_CONNECTIONS
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; who still waits is told that there is no decision."""
        batches, http = self._opened
        self._http = self._batches = None
        await batches.close()
        await http.close()

    async def verify_rest(
        self,
        *,
        key: str,
        timestamp: str,
        signature: str,
        action: str,
        body: bytes,
        ip: Ip,
        permission: Permission,
        changes_state: bool,
    ) -> Allowed | Denied:
        """Return the decision about a REST call; all but the last three are passed on as the client sent them.

        Raises ``VerifierUnavailable``, as all of these do, and ``ValueError`` for what no gateway would ask.
        """
        told = {"key": key, "timestamp": timestamp, "signature": signature, "action": action, "body": body, "ip": ip}
        call = RestCall.model_validate({**told, "permission": permission, "changes_state": changes_state})
        return await self._one(call)

    async def verify_websocket(self, *, key: str, timestamp: str, signature: str, ip: Ip) -> Allowed | Denied:
        """Return the decision about a WebSocket connection; ``timestamp`` is the text that the client sent."""
        told = {"key": key, "timestamp": timestamp, "signature": signature, "ip": ip}
        return await self._one(WebSocketCall.model_validate(told))

    async def verify_fix(
        self, *, sender_comp_id: str, username: str, password: str, session_type: SessionType, ip: Ip
    ) -> Allowed | Denied:
        """Return the decision about a FIX Logon."""
        told = {"sender_comp_id": sender_comp_id, "username": username, "password": password}
        return await self._one(FixCall.model_validate({**told, "session_type": session_type, "ip": ip}))

    async def verify_session(self, *, credential_id: UUID, version: int, ip: Ip) -> Allowed | Denied:
        """Return whether a session may go on that was let in with this version of the credential."""
        told = {"credential_id": credential_id, "version": version, "ip": ip}
        return await self._one(SessionCall.model_validate(told))

    async def verify(self, calls: Sequence[Call]) -> list[Allowed | Denied]:
        """Return the decisions, in the order of the calls, of which there may be any number."""
        return list(await asyncio.gather(*(self._one(call) for call in calls)))

    async def revocations(self) -> AsyncGenerator[Revoked | Lost]:
        """Yield what is revoked, for as long as it is asked for; connects anew by itself.

        ``Lost`` means that some may have been missed: verify every open session anew (``verify_session``). It comes
        when the stream breaks off, each second that the verifier itself does not hear of changes, and once all is
        heard again.
        """
        _, http = self._opened
        async for news in follow(http, f"{self._url}/v1/revocations", self._headers):
            yield news

    async def _one(self, call: Call) -> Allowed | Denied:
        batches, _ = self._opened
        return await batches.ask(call)

    @property
    def _opened(self) -> tuple[Batches, aiohttp.ClientSession]:
        if self._batches is None or self._http is None:
            raise VerifierUnavailable("The client is not open: use it as `async with GatewayClient(…) as gateway`.")
        return self._batches, self._http

    def _headers(self) -> dict[str, str]:
        token = self._token() if callable(self._token) else self._token
        return {"Authorization": f"Bearer {token}"} if token else {}
