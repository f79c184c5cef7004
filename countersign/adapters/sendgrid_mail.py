"""Mail through SendGrid."""

import asyncio
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import ClickTracking, CustomArg, OpenTracking, TrackingSettings
from sendgrid.helpers.mail import Mail as SendGridMessage

from countersign.adapters.provider_answers import delivery_error, no_answer, unreachable
from countersign.adapters.senders import Mail

_PROVIDER = "SendGrid"
_TAKEN = range(200, 300)


class SendGridMail:
    """Implements ``MailSender``.

    The SDK says where to and how, and builds the message; it is posted over connections that are kept. The SDK would
    open one for each mail, in a thread. One that SendGrid closes between two mails is given up unused; a mail on it
    meanwhile is not posted again here, for it may have been taken.

    The key travels as the custom argument ``countersign_key`` and comes back in SendGrid's events; SendGrid itself
    does not compare it, so a mail whose answer was lost is sent again.
    """

    def __init__(self, *, api_key: str, sender: str, base_url: str = "", timeout_seconds: float = 10) -> None:
        host = {"host": base_url.rstrip("/")} if base_url else {}
        self._sdk = SendGridAPIClient(api_key=api_key, **host).client
        self._proxy = _proxy_to(self._sdk.host)
        self._sender = sender
        self._timeout = timeout_seconds
        self._http: aiohttp.ClientSession | None = None

    async def send_mail(self, *, to: str, mail: Mail, key: str) -> str:
        """Hand the mail to SendGrid, in at most ``timeout_seconds``; result and errors as in ``MailSender``."""
        message = self._message(to, mail, key).get()
        try:
            async with asyncio.timeout(self._timeout):
                status, message_id = await self._post(message)
        except TimeoutError:
            raise no_answer(_PROVIDER, seconds=self._timeout) from None
        except (aiohttp.ClientError, OSError):
            raise unreachable(_PROVIDER) from None
        if status not in _TAKEN:
            raise delivery_error(_PROVIDER, status=status)
        return message_id

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
        self._http = None

    async def _post(self, message: dict[str, object]) -> tuple[int, str]:
        url, headers = f"{self._sdk.host}/v3/mail/send", self._sdk.request_headers
        async with self._connected().post(url, json=message, headers=headers, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("X-Message-Id", "")

    def _connected(self) -> aiohttp.ClientSession:
        # Built at the first use, because it belongs to the event loop that runs then.
        if self._http is None:
            self._http = aiohttp.ClientSession(proxy=self._proxy, cookie_jar=aiohttp.DummyCookieJar())
        return self._http

    def _message(self, to: str, mail: Mail, key: str) -> SendGridMessage:
        message = SendGridMessage(
            from_email=self._sender,
            to_emails=to,
            subject=mail.subject,
            plain_text_content=mail.text,
            html_content=mail.html,
        )
        message.add_custom_arg(CustomArg("countersign_key", key))
        # Click tracking would lead the activation link, a single-use token, through SendGrid's redirects.
        message.tracking_settings = TrackingSettings(
            ClickTracking(enable=False, enable_text=False), OpenTracking(enable=False)
        )
        return message


def _proxy_to(url: str) -> str | None:
    # As the SDK would. What aiohttp's `trust_env` does reads ~/.netrc for each mail, too, and would believe it.
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
