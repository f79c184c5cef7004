"""SMS through Twilio."""

import asyncio
import logging

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from countersign.adapters.provider_answers import delivery_error, no_answer, no_sense, unreachable

_PROVIDER = "Twilio"

# The SDK logs number, text and credentials at debug level.
_SILENT = logging.getLogger(f"{__name__}.sdk")
_SILENT.disabled = True


class TwilioSms:
    """Implements ``SmsSender``.

    Twilio knows no key for a message, so one whose answer was lost is sent again: a second copy of the same code.
    """

    def __init__(
        self, *, account_sid: str, auth_token: str, sender: str, base_url: str = "", timeout_seconds: float = 10
    ) -> None:
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._sender = sender
        self._base_url = base_url
        self._timeout = timeout_seconds
        self._http: AsyncTwilioHttpClient | None = None
        self._client: Client | None = None

    async def send_sms(self, *, to: str, text: str, key: str) -> str:  # noqa: ARG002 - see the class
        """Hand the message to Twilio, in at most ``timeout_seconds``; return its SID; errors as in ``SmsSender``."""
        try:
            # The SDK's client takes a timeout and does not use it.
            async with asyncio.timeout(self._timeout):
                message = await self._connected().messages.create_async(to=to, body=text, from_=self._sender)
        except TimeoutError:
            raise no_answer(_PROVIDER, seconds=self._timeout) from None
        except (TwilioRestException, TwilioServiceException) as error:
            raise delivery_error(_PROVIDER, status=error.status, code=_code(error)) from None
        except (aiohttp.ClientError, OSError):
            raise unreachable(_PROVIDER) from None
        except (TwilioException, ValueError):
            raise no_sense(_PROVIDER) from None
        return message.sid or ""

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
        self._http = self._client = None

    def _connected(self) -> Client:
        # Built at the first use, because the SDK's session belongs to the event loop that runs then.
        if self._client is None:
            self._http = AsyncTwilioHttpClient(logger=_SILENT)
            self._client = Client(self._account_sid, self._auth_token, http_client=self._http)
            if self._base_url:
                self._client.api.base_url = self._base_url.rstrip("/")
        return self._client


def _code(error: TwilioRestException | TwilioServiceException) -> str:
    # An answer without a code of its own comes with its status in the place of the code.
    return str(error.code) if error.code not in {None, error.status} else ""
