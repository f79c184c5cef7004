"""How clients sign (the scheme of CEX.IO's API): HMAC-SHA256 under the secret, which is used as the text it is."""

import base64
import hmac
import re

WINDOW_SECONDS = 20.0

# Digits of ASCII alone: `float` would take ``1e9``, ``nan``, underscores and the digits of every script.
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


def rest_mac(secret: bytes, *, action: str, timestamp: str, body: bytes) -> bytes:
    """Return the MAC over action, timestamp and raw body; ``rest_signature`` writes it as the header has it."""
    return hmac.digest(secret, action.encode() + timestamp.encode() + body, "sha256")


def rest_signature(mac: bytes) -> str:
    """Return X-AGGR-SIGNATURE: the MAC in base64."""
    return base64.b64encode(mac).decode()


def websocket_signature(secret: bytes, *, timestamp: str, key: str) -> str:
    """Return the signature of the message that authenticates a connection, in lower-case hexadecimal digits."""
    return hmac.digest(secret, timestamp.encode() + key.encode(), "sha256").hex()


def is_same(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def is_in_time(timestamp: str, *, at: float) -> bool:
    """Tell whether a timestamp (Unix seconds, as it was sent) is within 20 seconds of ``at``, either way.

    Milliseconds are not: they lie tens of thousands of years ahead.
    """
    return _SECONDS.fullmatch(timestamp) is not None and abs(at - float(timestamp)) <= WINDOW_SECONDS
