"""Mail through SendGrid."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import ClickTracking, CustomArg, OpenTracking, TrackingSettings
from sendgrid.helpers.mail import Mail as SendGridMessage

from countersign.adapters.provider_answers import delivery_error, no_answer, unreachable
from countersign.adapters.senders import Mail

_PROVIDER = "SendGrid"
_THREADS = 8

# The SDK logs the API key, the address and the text at debug level.
logging.getLogger("python_http_client").setLevel(logging.WARNING)


class SendGridMail:
    """Implements ``MailSender``.

    The key travels as the custom argument ``countersign_key`` and comes back in SendGrid's events; SendGrid itself
    does not compare it, so a mail whose answer was lost is sent again.
    """

    def __init__(self, *, api_key: str, sender: str, base_url: str = "", timeout_seconds: float = 10) -> None:
        host = {"host": base_url.rstrip("/")} if base_url else {}
        self._sdk = SendGridAPIClient(api_key=api_key, **host)
        # The timeout of a single read; without it a thread would hang on a silent server for ever.
        self._sdk.client.timeout = timeout_seconds
        self._sender = sender
        self._timeout = timeout_seconds
        # Threads of its own: a SendGrid that hangs must not use up those of the whole process.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sendgrid")

    async def send_mail(self, *, to: str, mail: Mail, key: str) -> None:
        """Hand the mail to SendGrid, in at most ``timeout_seconds``; errors as in ``MailSender``."""
        message = self._message(to, mail, key)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                await loop.run_in_executor(self._threads, self._sdk.send, message)
        except TimeoutError:
            raise no_answer(_PROVIDER, seconds=self._timeout) from None
        except HTTPError as error:
            raise delivery_error(_PROVIDER, status=error.status_code) from None
        except (OSError, HTTPException):
            raise unreachable(_PROVIDER) from None

    async def aclose(self) -> None:
        """Give up what is still under way; its threads end by the timeout at the latest."""
        self._threads.shutdown(wait=False, cancel_futures=True)

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
