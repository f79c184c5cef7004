"""WebSocket as CEX.IO's: the first message authenticates the connection, which is then good until it is revoked."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from countersign.gateway_client import Allowed, Denied, Permission, VerifierUnavailable
from examples.gateway.errors import BadRequest
from examples.gateway.methods import wallet_balance
from examples.gateway.parts import Parts, parts_of
from examples.gateway.sessions import Refused

# RFC 6455, 7.4.1.
_POLICY_VIOLATION = 1008
_TRY_AGAIN_LATER = 1013
_DENIED = "Invalid API key"
_CLOSE_SECONDS = 2.0
Message = Mapping[str, Any]


class WebSocketSession:
    """One connection that was let in."""

    def __init__(self, socket: WebSocket, decision: Allowed, ip: str) -> None:
        self.decision = decision
        self.ip = ip
        self._socket = socket
        self._serving = asyncio.current_task()

    async def end(self, text: str) -> None:
        """Close with this reason."""
        if not await _close(self._socket, _POLICY_VIOLATION, text) and self._serving is not None:
            # It does not read, so it cannot be told.
            self._serving.cancel()

    async def converse(self, parts: Parts) -> None:
        """Answer until the client hangs up, or has nothing to say even when it is pinged."""
        was_pinged = False
        while True:
            try:
                message = await _receive(self._socket, parts, seconds=parts.settings.idle_seconds)
            except TimeoutError:
                if was_pinged:
                    await _close(self._socket, _POLICY_VIOLATION, "No pong")
                    return
                await self._socket.send_json({"e": "ping"})
                was_pinged = True
                continue
            was_pinged = False
            answer = self._answer(parts, message)
            if answer is not None:
                await self._socket.send_json(answer)

    def _answer(self, parts: Parts, message: Message) -> Message | None:
        match message.get("e"):
            case "ping":
                return {"e": "pong"}
            case "pong":
                return None
            case "get-balance" if Permission.READ in self.decision.permissions:
                balance = wallet_balance(parts.exchange, self.decision, {})
                return {"e": "get-balance", "oid": message.get("oid"), "ok": "ok", "data": {"balance": balance}}
            case _:
                return {"oid": message.get("oid"), "ok": "error", "data": {"error": "There is no such method"}}


async def converse(socket: WebSocket) -> None:
    """Serve one connection."""
    parts, ip = parts_of(socket.scope), socket.client.host if socket.client else ""
    await socket.accept()
    try:
        decision = await _authenticate(socket, parts, ip)
        if isinstance(decision, Denied):
            await _deny(socket)
            return
        session = WebSocketSession(socket, decision, ip)
        async with parts.sessions.opened(session):
            await socket.send_json({"e": "auth", "ok": "ok", "data": {"ok": "ok"}})
            await session.converse(parts)
    except (WebSocketDisconnect, RuntimeError):
        # It hung up, or was closed from here while it was being answered.
        return
    except Refused:
        await _deny(socket)
    except VerifierUnavailable:
        await _close(socket, _TRY_AGAIN_LATER, "Try again later")
    except BadRequest as error:
        await _close(socket, _POLICY_VIOLATION, str(error))
    except TimeoutError:
        await _close(socket, _POLICY_VIOLATION, "No auth message came in time")


async def _authenticate(socket: WebSocket, parts: Parts, ip: str) -> Allowed | Denied:
    message = await _receive(socket, parts, seconds=parts.settings.hello_seconds)
    auth = message.get("auth")
    told = auth if message.get("e") == "auth" and isinstance(auth, dict) else {}
    key, timestamp, signature = (told.get(name) for name in ("key", "timestamp", "signature"))
    if not (isinstance(key, str) and isinstance(timestamp, str) and isinstance(signature, str)):
        raise BadRequest("The first message must be auth, with key, timestamp and signature")
    try:
        return await parts.gateway.verify_websocket(key=key, timestamp=timestamp, signature=signature, ip=ip)
    except ValueError:
        # JSON can hold halves of characters, which no text can; and some proxies write "unknown" for an address.
        return Denied()


async def _receive(socket: WebSocket, parts: Parts, *, seconds: float) -> Message:
    async with asyncio.timeout(seconds):
        text = await socket.receive_text()
    if len(text) > parts.settings.body_bytes:
        raise BadRequest("The message is too large")
    try:
        # The signature covers the timestamp as it was sent, so numbers stay the text that they are.
        message = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise BadRequest("Messages must be JSON") from None
    if not isinstance(message, dict):
        raise BadRequest("Messages must be JSON objects")
    return message


async def _deny(socket: WebSocket) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.send_json({"e": "auth", "ok": "error", "data": {"error": _DENIED}})
    await _close(socket, _POLICY_VIOLATION, _DENIED)


async def _close(socket: WebSocket, code: int, reason: str) -> bool:
    """Return whether it is closed."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await socket.close(code, reason)
    except TimeoutError:
        return False
    except (RuntimeError, WebSocketDisconnect):
        pass
    return True
