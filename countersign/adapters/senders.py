"""What a sender of SMS or mail must do, whoever it is."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Mail:
    """One mail as a person reads it, in plain text and in HTML."""

    subject: str
    text: str
    html: str


class SmsSender(Protocol):
    """Sends text messages."""

    async def send_sms(self, *, to: str, text: str, key: str) -> str:
        """Hand ``text`` over for the phone number ``to`` (E.164); return the provider's id of the message, or nothing.

        ``key`` identifies this send: given again, it is not delivered a second time where the sender can tell.
        Raises ``DeliveryRefused`` (never try again) or ``DeliveryFailed`` (worth a retry); neither names the
        number, the text or a credential.
        """

    async def aclose(self) -> None:
        """Let go of connections and threads; nothing is sent after that."""


class MailSender(Protocol):
    """Sends mails."""

    async def send_mail(self, *, to: str, mail: Mail, key: str) -> str:
        """Hand ``mail`` over for the address ``to``; key, result and errors as in ``SmsSender.send_sms``."""

    async def aclose(self) -> None:
        """Let go of connections and threads; nothing is sent after that."""
