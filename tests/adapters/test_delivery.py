import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from countersign.adapters.senders import Mail
from countersign.adapters.sendgrid_mail import SendGridMail
from countersign.adapters.twilio_sms import TwilioSms
from countersign.domain.errors import DeliveryFailed, DeliveryRefused
from tests.adapters.standins import Mood, SendGridStandIn, TwilioStandIn

# The twilio SDK still signs in the old way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

PHONE = "+447700900123"
ADDRESS = "olivia.owner@example.com"
TEXT = "042137 is your code"
MAIL = Mail(subject="Your code", text="042137", html="<p>042137</p>")
TOKEN, API_KEY = "twilio-token", "SG.sendgrid-key"
PRIVATE = (PHONE, ADDRESS, "042137", TOKEN, API_KEY)


def twilio_sms(url: str, *, timeout_seconds: float = 10) -> TwilioSms:
    return TwilioSms(
        account_sid="AC1", auth_token=TOKEN, sender="+15005550006", base_url=url, timeout_seconds=timeout_seconds
    )


def sendgrid_mail(url: str, *, timeout_seconds: float = 10) -> SendGridMail:
    return SendGridMail(api_key=API_KEY, sender="desk@example.com", base_url=url, timeout_seconds=timeout_seconds)


@pytest.fixture
async def sms(twilio: TwilioStandIn) -> AsyncIterator[TwilioSms]:
    async with aclosing(twilio_sms(twilio.url)) as sender:
        yield sender


@pytest.fixture
async def mail(sendgrid: SendGridStandIn) -> AsyncIterator[SendGridMail]:
    async with aclosing(sendgrid_mail(f"{sendgrid.url}/")) as sender:
        yield sender


async def test_a_text_message_reaches_twilio_with_our_credentials(sms: TwilioSms, twilio: TwilioStandIn) -> None:
    message_id = await sms.send_sms(to=PHONE, text=TEXT, key="k1")
    [request] = twilio.received
    assert message_id == f"SM{1:032}"
    assert request.path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert request.body == {"To": PHONE, "From": "+15005550006", "Body": TEXT}
    assert request.headers["Authorization"].startswith("Basic ")


async def test_one_client_sends_many_text_messages_at_once(sms: TwilioSms, twilio: TwilioStandIn) -> None:
    await asyncio.gather(*(sms.send_sms(to=PHONE, text=str(number), key=str(number)) for number in range(20)))
    assert sorted(int(request.body["Body"]) for request in twilio.received) == list(range(20))


async def test_it_can_send_again_after_it_was_closed(sms: TwilioSms, twilio: TwilioStandIn) -> None:
    await sms.send_sms(to=PHONE, text=TEXT, key="k1")
    await sms.aclose()
    await sms.send_sms(to=PHONE, text=TEXT, key="k2")
    assert len(twilio.received) == 2


async def test_a_mail_reaches_sendgrid_with_its_key_and_without_tracking(
    mail: SendGridMail, sendgrid: SendGridStandIn
) -> None:
    assert await mail.send_mail(to=ADDRESS, mail=MAIL, key="notice/7") == "message-1"
    [request] = sendgrid.received
    assert request.path == "/v3/mail/send"
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"
    assert request.body["personalizations"] == [{"to": [{"email": ADDRESS}]}]
    assert request.body["custom_args"] == {"countersign_key": "notice/7"}
    assert request.body["subject"] == "Your code"
    assert [part["value"] for part in request.body["content"]] == ["042137", "<p>042137</p>"]
    assert request.body["tracking_settings"] == {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
    }


@pytest.mark.parametrize(
    ("mood", "error", "said"),
    [
        (Mood.REFUSING, DeliveryRefused, "Twilio answered 400 (21211)."),
        (Mood.UNAUTHORIZED, DeliveryRefused, "Twilio answered 401 (20003)."),
        (Mood.BUSY, DeliveryFailed, "Twilio answered 429 (20429)."),
        (Mood.BROKEN, DeliveryFailed, "Twilio answered 500."),
        (Mood.NONSENSE, DeliveryFailed, "Twilio gave an answer that makes no sense."),
        (Mood.DEAF, DeliveryFailed, "Twilio cannot be reached."),
    ],
)
async def test_what_twilio_answers_is_final_or_worth_a_retry(
    sms: TwilioSms, twilio: TwilioStandIn, mood: Mood, error: type[Exception], said: str
) -> None:
    twilio.mood = mood
    with pytest.raises(error) as failure:
        await sms.send_sms(to=PHONE, text=TEXT, key="k1")
    assert str(failure.value) == said
    assert not any(secret in repr(failure.value) for secret in PRIVATE)


@pytest.mark.parametrize(
    ("mood", "error", "said"),
    [
        (Mood.REFUSING, DeliveryRefused, "SendGrid answered 400."),
        (Mood.UNAUTHORIZED, DeliveryRefused, "SendGrid answered 401."),
        (Mood.BUSY, DeliveryFailed, "SendGrid answered 429."),
        (Mood.BROKEN, DeliveryFailed, "SendGrid answered 500."),
        (Mood.DEAF, DeliveryFailed, "SendGrid cannot be reached."),
    ],
)
async def test_what_sendgrid_answers_is_final_or_worth_a_retry(
    mail: SendGridMail, sendgrid: SendGridStandIn, mood: Mood, error: type[Exception], said: str
) -> None:
    sendgrid.mood = mood
    with pytest.raises(error) as failure:
        await mail.send_mail(to=ADDRESS, mail=MAIL, key="k1")
    assert str(failure.value) == said
    assert not any(secret in repr(failure.value) for secret in PRIVATE)


async def test_a_provider_that_hangs_holds_nobody_up_for_long(twilio: TwilioStandIn, sendgrid: SendGridStandIn) -> None:
    twilio.mood = sendgrid.mood = Mood.SLOW
    async with (
        aclosing(twilio_sms(twilio.url, timeout_seconds=0.2)) as sms,
        aclosing(sendgrid_mail(sendgrid.url, timeout_seconds=0.2)) as mail,
    ):
        began = time.monotonic()
        with pytest.raises(DeliveryFailed, match=r"Twilio did not answer within 0\.2 s"):
            await sms.send_sms(to=PHONE, text=TEXT, key="k1")
        with pytest.raises(DeliveryFailed, match=r"SendGrid did not answer within 0\.2 s"):
            await mail.send_mail(to=ADDRESS, mail=MAIL, key="k1")
        assert time.monotonic() - began < 5


async def test_a_provider_that_is_not_there_is_worth_a_retry() -> None:
    nowhere = "http://127.0.0.1:1"
    async with aclosing(twilio_sms(nowhere)) as sms, aclosing(sendgrid_mail(nowhere)) as mail:
        with pytest.raises(DeliveryFailed, match="Twilio cannot be reached"):
            await sms.send_sms(to=PHONE, text=TEXT, key="k1")
        with pytest.raises(DeliveryFailed, match="SendGrid cannot be reached"):
            await mail.send_mail(to=ADDRESS, mail=MAIL, key="k1")


async def test_it_recovers_when_the_provider_does(sms: TwilioSms, twilio: TwilioStandIn) -> None:
    twilio.mood = Mood.DEAF
    with pytest.raises(DeliveryFailed):
        await sms.send_sms(to=PHONE, text=TEXT, key="k1")
    twilio.mood = Mood.GOOD
    await sms.send_sms(to=PHONE, text=TEXT, key="k1")
    assert [request.body["Body"] for request in twilio.received] == [TEXT, TEXT]


async def test_even_at_debug_level_the_sdks_log_nothing_private(
    sms: TwilioSms,
    mail: SendGridMail,
    twilio: TwilioStandIn,
    sendgrid: SendGridStandIn,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for mood in (Mood.GOOD, Mood.REFUSING):
        twilio.mood = sendgrid.mood = mood
        await asyncio.gather(
            sms.send_sms(to=PHONE, text=TEXT, key="k1"),
            mail.send_mail(to=ADDRESS, mail=MAIL, key="k1"),
            return_exceptions=True,
        )
    logged = caplog.text
    assert len(twilio.received) == len(sendgrid.received) == 2
    assert not any(secret in logged for secret in PRIVATE)
