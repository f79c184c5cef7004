"""Senders whose calls are measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from countersign.adapters.senders import Mail, MailSender, SmsSender
from countersign.domain.requests import Channel
from countersign.telemetry import spans
from countersign.telemetry.metrics import provider_call


@contextmanager
def _measured(channel: Channel) -> Iterator[None]:
    with spans.span(f"send {channel}", kind=SpanKind.CLIENT), provider_call(channel):
        yield


@dataclass(frozen=True)
class MeasuredSms:
    """Sends what ``inner`` sends."""

    inner: SmsSender

    async def send_sms(self, *, to: str, text: str, key: str) -> str:
        """Hand it over; return the provider's id of it."""
        with _measured(Channel.SMS):
            return await self.inner.send_sms(to=to, text=text, key=key)

    async def aclose(self) -> None:
        """Close ``inner``."""
        await self.inner.aclose()


@dataclass(frozen=True)
class MeasuredMail:
    """Sends what ``inner`` sends."""

    inner: MailSender

    async def send_mail(self, *, to: str, mail: Mail, key: str) -> str:
        """Hand it over; return the provider's id of it."""
        with _measured(Channel.EMAIL):
            return await self.inner.send_mail(to=to, mail=mail, key=key)

    async def aclose(self) -> None:
        """Close ``inner``."""
        await self.inner.aclose()
