"""The security headers of every answer."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countersign.settings import Settings

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The copy buttons write to the clipboard; nothing else of a browser is needed.
_OFF = (
    "accelerometer", "autoplay", "camera", "clipboard-read", "display-capture", "encrypted-media", "fullscreen",
    "geolocation", "gyroscope", "hid", "idle-detection", "magnetometer", "microphone", "midi", "payment",
    "picture-in-picture", "publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip
_CODEC = "/codec/"


class SecurityHeaders:
    """ASGI middleware: sets the headers, whatever an answer says itself."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._headers = _encoded(security_headers(settings))
        # The Temporal UI reads these answers from another origin (CORS decides from which).
        self._codec_headers = _encoded(security_headers(settings, cross_origin=True))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = self._codec_headers if scope["path"].startswith(_CODEC) else self._headers

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                theirs = {name.lower(): value for name, value in ours}
                kept = [(name, value) for name, value in message["headers"] if name.lower() not in theirs]
                message["headers"] = [*kept, *ours]
            await send(message)

        await self._app(scope, receive, send_completed)


def security_headers(settings: Settings, *, cross_origin: bool = False) -> dict[str, str]:
    """Return the headers of every answer; ``cross_origin`` ones may be read by pages of other sites."""
    headers = {
        "content-security-policy": _CONTENT_SECURITY_POLICY,
        # With `no-referrer` browsers would send `Origin: null`, which tells us nothing.
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "cross-origin" if cross_origin else "same-origin",
        "permissions-policy": ", ".join(f"{feature}=()" for feature in _OFF),
    }
    if settings.is_https:
        headers["strict-transport-security"] = "max-age=31536000"
    return headers


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
