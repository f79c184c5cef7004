"""Masks what must not stand in a log: secrets, codes, tokens, addresses, whatever way they got into a line."""

import re

_MASK = "***"
_HUSHED_NAMES = "password|passwd|secret|seed|api[-_]?key|auth[-_]?token|access[-_]?token|id[-_]?token|verifier"
_CODE_WORDS = "code|codes|otp|totp|pin|passcode"
# The first digits after the word, unless they belong to something longer: a UUID, a time of day, a number with a point.
_SIX_DIGITS = r"(?<![\w.])\d{3}[ -]?\d{3}(?![\w:-]|\.\d)"

# In this order: what an earlier one has masked, a later one need not recognise.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), masked)
    for pattern, masked in (
        (r"(?i)\botpauth:/\S*", f"otpauth:{_MASK}"),
        # The password of an address: of a database, of a proxy.
        (r"(\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:/@]{0,200}:)[^\s@]{1,500}@", rf"\1{_MASK}@"),
        (r"(?i)\b(bearer)\s+(?!realm\b)[\w.~+/=-]{4,}", rf"\1 {_MASK}"),
        (r"(?i)\b(authorization[\"']?\s*[=:,]\s*[\"']?)(?!bearer)[^\"'\s]+(?:\s+[^\"'\s]+)?", rf"\1{_MASK}"),
        # asyncio tells so of a task that nobody waited for.
        (r"(?s)\bexception=(\w+)\(.*?\)>", rf"exception=\1({_MASK})>"),
        (r"(?<![\w-])eyJ[\w-]{5,}(?:\.[\w-]*){1,4}", _MASK),
        # Tokens of ours: whole, but for what they are.
        (r"(cs[ksp]_)[0-9A-Za-z]{6,}", rf"\1{_MASK}"),
        (r"(/activate/[0-9A-Fa-f-]{36}(?:#|%23))[\w-]+", rf"\1{_MASK}"),
        (rf"(?i)((?:{_HUSHED_NAMES})[\"']?\s{{0,3}}[=:]\s{{0,3}}[\"']?)[^\s\"',;&}}\])]{{1,500}}", rf"\1{_MASK}"),
        (r"(?i)(?<![\w.+-])[\w.+-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}", _MASK),
        (r"(?<!\w)(?:\+|%2B)[1-9]\d{6,14}(?!\d)", _MASK),
        (rf"(?i)((?:{_CODE_WORDS})\b[^\d\n]{{0,24}}?){_SIX_DIGITS}", rf"\1{_MASK}"),
        (rf"(?i){_SIX_DIGITS}(?=\W{{1,3}}(?:[A-Za-z]+\W{{1,3}}){{0,4}}(?:{_CODE_WORDS})\b)", _MASK),
        # Recovery codes, and the seeds of authenticators: in base32, in one piece or in groups of four.
        (r"(?<![\w-])(?:[0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}(?![\w-])", _MASK),
        (r"(?<![\w-])[A-Z2-7]{16,}=*(?![\w-])", _MASK),
        (r"(?<![\w-])(?:[A-Z2-7]{4} ){3,}[A-Z2-7]{4}(?![\w-])", _MASK),
        # 256 bits in base64url or hexadecimal: keys, tokens of sessions and links, verifiers.
        (r"(?<![\w-])[\w-]{43,}={0,2}(?![\w-])", _MASK),
        (r"(?<![\w+/-])[\w+/]{42,}=+", _MASK),
    )
)


def redact(text: str) -> str:
    """Return the text with a mask for whatever looks like a secret, a code, a token, an address or a phone number.

    UUIDs, workflow ids, times, ports and counts stay. It is a second wall: no log line of ours holds such a thing.
    """
    for pattern, masked in _PATTERNS:
        text = pattern.sub(masked, text)
    return text
