"""Requests as a server hands them to the application."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.types import Message

from tests.support.house import IP


def asking(
    method: str = "GET", *, client: str | None = IP, form: dict[str, str] | None = None, **headers: str
) -> Request:
    """Return a request with those headers (``sec_fetch_site`` for Sec-Fetch-Site), or with a form filled in."""
    body = urlencode(form or {}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if form is not None:
        named |= {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": (client, 4711) if client is not None else None,
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)
