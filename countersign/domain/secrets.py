"""Machine-made values: API keys and secrets, FIX usernames and passwords, Session Names, recovery codes.

A token is a prefix, a random body in base62 and six base62 digits of the CRC-32 of all that stands before them
(the layout of GitHub's tokens), so that a scanner finds leaked ones without asking us. All values keep to
``[A-Za-z0-9_-]``: free of FIX's SOH and ``=``, of shell and URL syntax, and one double click wide.
"""

import re
import secrets
import string
import unicodedata
import zlib
from enum import StrEnum

from countersign.domain.credentials import SessionType

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECKSUM_LENGTH = 6

# Crockford's base32: no I, L, O, U, so that nothing is misread; 5 bits a character.
_READABLE = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans("OIL", "011")
_TYPE_PARTS = {SessionType.TRADE: "T", SessionType.MARKET_DATA: "MD"}
_SESSION_NAME = re.compile(r"CS(T|MD)([0-9A-Z]{4})([0-9A-Z]{4})([0-9A-Z]{4})")
_SESSION_NAME_LIMIT = 32
_RECOVERY_CODE = re.compile(rf"[{_READABLE}]{{16}}")
_TYPED_LIMIT = 128


class TokenKind(StrEnum):
    """The tokens that carry a prefix and a checksum."""

    API_KEY = "api_key"
    API_SECRET = "api_secret"  # noqa: S105 - the name of a kind
    FIX_PASSWORD = "fix_password"  # noqa: S105 - the name of a kind


_PREFIXES = {TokenKind.API_KEY: "csk_", TokenKind.API_SECRET: "css_", TokenKind.FIX_PASSWORD: "csp_"}
_BODY_LENGTHS = {TokenKind.API_KEY: 22, TokenKind.API_SECRET: 43, TokenKind.FIX_PASSWORD: 28}


def new_api_key() -> str:
    """Return an API key: public, 131 random bits, 32 characters."""
    return _new_token(TokenKind.API_KEY)


def new_api_secret() -> str:
    """Return an API secret: 256 random bits, 53 characters."""
    return _new_token(TokenKind.API_SECRET)


def new_fix_password() -> str:
    """Return a FIX password (tag 554): 166 random bits, 38 characters."""
    return _new_token(TokenKind.FIX_PASSWORD)


def new_fix_username() -> str:
    """Return a FIX username (tag 553): public, 80 random bits, 20 characters in lower case."""
    return f"csu_{_readable(16).lower()}"


def new_session_name(session_type: SessionType) -> str:
    """Return a Session Name such as ``CS-T-7K4M-9QXR-2B8D``: 60 random bits, to be read out on the phone."""
    return "-".join(["CS", _TYPE_PARTS[session_type], *(_readable(4) for _ in range(3))])


def normalize_session_name(text: str) -> str:
    """Return the Session Name that a person meant who typed ``text``.

    Case, spaces and the kind of hyphen don't matter; in the random part O is read as 0, I and L as 1. Text that
    is no Session Name comes back as at most 32 characters of ``[A-Z0-9-]``, which no session is called.
    """
    typed = re.sub(r"[^A-Z0-9-]", "", unicodedata.normalize("NFKC", text[:_TYPED_LIMIT]).upper())
    match = _SESSION_NAME.fullmatch(typed.replace("-", ""))
    if match is None:
        return typed[:_SESSION_NAME_LIMIT]
    type_part, *groups = match.groups()
    return "-".join(["CS", type_part, *(group.translate(_MISREAD) for group in groups)])


def session_name_part(text: str) -> str:
    """Return what a person typed of a Session Name, as it stands in one without its hyphens; empty if nothing does."""
    typed = unicodedata.normalize("NFKC", text[:_TYPED_LIMIT]).upper().translate(_MISREAD)
    return re.sub(r"[^A-Z0-9]", "", typed)[:_SESSION_NAME_LIMIT]


def new_recovery_code() -> str:
    """Return a recovery code such as ``7K4M-9QXR-2B8D-HJ3N``: 80 random bits, to be written down and typed in."""
    return "-".join(_readable(4) for _ in range(4))


def normalize_recovery_code(text: str) -> str | None:
    """Return the recovery code that a person meant who typed ``text``, or None if it can be none.

    Case, spaces and hyphens don't matter; O is read as 0, I and L as 1.
    """
    typed = re.sub(r"[\s\u2010-\u2015-]", "", unicodedata.normalize("NFKC", text[:_TYPED_LIMIT])).upper()
    code = typed.translate(_MISREAD)
    if not _RECOVERY_CODE.fullmatch(code):
        return None
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def looks_like(text: str) -> TokenKind | None:
    """Return the kind of token that ``text`` has the prefix, length and alphabet of, or None."""
    for kind, prefix in _PREFIXES.items():
        length = _BODY_LENGTHS[kind] + _CHECKSUM_LENGTH
        if re.fullmatch(f"{prefix}[0-9A-Za-z]{{{length}}}", text):
            return kind
    return None


def has_valid_checksum(text: str) -> bool:
    """Return whether ``text`` is a whole token of ours whose checksum fits: mistyped or invented ones fail.

    The checksum tells typing errors from tokens; it proves nothing about who made one.
    """
    if looks_like(text) is None:
        return False
    return text[-_CHECKSUM_LENGTH:] == _checksum(text[:-_CHECKSUM_LENGTH])


def _new_token(kind: TokenKind) -> str:
    body = "".join(secrets.choice(_BASE62) for _ in range(_BODY_LENGTHS[kind]))
    unchecked = _PREFIXES[kind] + body
    return unchecked + _checksum(unchecked)


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode("ascii")), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits


def _readable(length: int) -> str:
    return "".join(secrets.choice(_READABLE) for _ in range(length))
