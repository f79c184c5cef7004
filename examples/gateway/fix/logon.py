"""Logon (A): what it must say."""

from examples.gateway.fix.wire import BEGIN_STRING, Message, number_of, text_of

LONGEST_HEARTBEAT = 300
# One sentence for whatever is wrong with the credentials: who guesses learns nothing.
DENIED = "Logon refused: unknown or inactive credentials, wrong password, address or kind of session"
UNAVAILABLE = "Logon is not possible now, try again later"


def logon_fault(message: Message) -> str | None:
    """Return what is wrong with a Logon, its credentials aside; None if nothing is."""
    if text_of(message, 8) != BEGIN_STRING:
        return f"BeginString must be {BEGIN_STRING}"
    if number_of(message, 34) is None:
        return "MsgSeqNum is missing"
    if text_of(message, 98) != "0":
        return "EncryptMethod must be 0: use TLS"
    if not 0 < (number_of(message, 108) or 0) <= LONGEST_HEARTBEAT:
        return f"HeartBtInt must be 1 to {LONGEST_HEARTBEAT} seconds"
    if not text_of(message, 553) or not text_of(message, 554):
        return "Username and Password are needed"
    return None


def asks_for_reset(message: Message) -> bool:
    """Tell whether numbers are to begin with 1 again (141)."""
    return text_of(message, 141) == "Y"
