"""What ops never see of a payload: whatever could be used to act, dead or alive.

Messages name their secret fields themselves (``SECRET_FIELDS``). A code sent by hand may stand anywhere else, too, so
what looks like one is taken out wherever it stands; what is no JSON is not shown at all.
"""

import json
import re
from typing import Any

from temporalio.api.common.v1 import Payload

from countersign.domain.codes import normalize_code
from countersign.domain.messages import SECRET_FIELDS
from countersign.domain.secrets import normalize_recovery_code

REDACTED = "[redacted]"
_JSON = frozenset({b"json/plain", b"json/protobuf"})
_EMPTY = b"binary/null"
_SPELLINGS = frozenset(name.replace("_", "") for name in SECRET_FIELDS)
# An API secret or FIX password, a JWT, and 256 bits in base64url: links' tokens, verifiers, challenges.
_LONG = r"cs[sp]_[0-9A-Za-z]{20,}|(?<![\w-])[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}|(?<![\w-])[A-Za-z0-9_-]{43}(?![\w-])"
_RECOVERY_CODE = r"(?<![\w-])(?:[0-9A-Za-z]{4}-){3}[0-9A-Za-z]{4}(?![\w-])"
_CODE = r"(?<![\w.:-])[0-9]{3}[ -]?[0-9]{3}(?![\w:-]|\.[0-9])"
_SECRET = re.compile(f"{_LONG}|{_RECOVERY_CODE}|{_CODE}")


def redact(payload: Payload) -> Payload:
    """Return the decrypted payload as ops may see it."""
    encoding = payload.metadata.get("encoding")
    if encoding == _EMPTY:
        return Payload(metadata={"encoding": _EMPTY})
    if encoding not in _JSON:
        return _instead(f"[not shown: {len(payload.data)} bytes that are no JSON]")
    try:
        value = json.loads(payload.data, object_pairs_hook=_without_duplicates)
        shown = _shown_alone(value)
    except (ValueError, RecursionError):
        return _instead(f"[not shown: {len(payload.data)} bytes that are no proper JSON]")
    if shown == value:
        return payload
    kept = Payload(data=json.dumps(shown).encode())
    kept.metadata.update(payload.metadata)
    return kept


def _instead(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(text).encode())


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Only one of two members of a name would be looked at.
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _shown_alone(value: Any) -> Any:
    # Nothing of ours is a bare number; a person who sends a code without its field may make it one.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return REDACTED if is_number else _shown(value)


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _member(name, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shown(each) for each in value]
    return _text(value) if isinstance(value, str) else value


def _member(name: str, value: Any) -> Any:
    if value is not None and re.sub(r"[\W_]", "", name).lower() in _SPELLINGS:
        return REDACTED
    return _shown(value)


def _text(text: str) -> str:
    if normalize_code(text) or normalize_recovery_code(text):
        return REDACTED
    if text.lstrip()[:1] in {"{", "["}:
        return _nested(text)
    return _SECRET.sub(REDACTED, text)


def _nested(text: str) -> str:
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        return _SECRET.sub(REDACTED, text)
    shown = _shown(value)
    return text if shown == value else json.dumps(shown)
