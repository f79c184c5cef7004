"""What becomes of a code on its way: the request tells it, whoever asks."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from countersign.domain.rules import Rules
from countersign.local.issuer import Issuer
from countersign.wiring import Parts
from tests.adapters.standins import Mood, StandIn
from tests.support.answers import problem
from tests.support.cast import Cast, Flow, Providers
from tests.support.patience import eventually
from tests.support.strict import strict_stack

_LIFETIME = timedelta(seconds=5)
_AWAY = [Mood.BROKEN, *(pytest.param(mood, marks=pytest.mark.prove) for mood in (Mood.BUSY, Mood.SLOW, Mood.DEAF))]


@pytest.fixture(scope="module")
async def hasty_stack(core: Parts) -> AsyncIterator[tuple[Parts, httpx.AsyncClient]]:
    async with strict_stack(core, rules=Rules(code_lifetime=_LIFETIME), task_queue="short-codes") as opened:
        yield opened


@pytest.fixture
async def hasty(
    hasty_stack: tuple[Parts, httpx.AsyncClient], issuer: Issuer, providers: Providers, worker: None
) -> Cast:
    """A cast whose codes live so short that few retries fit in."""
    core, http = hasty_stack
    return await Cast.enter(core, http=http, issuer=issuer, providers=providers)


@pytest.fixture
def sms_provider(providers: Providers) -> Iterator[StandIn]:
    yield providers.twilio
    providers.twilio.mood = Mood.GOOD


@pytest.fixture
def mail_provider(providers: Providers) -> Iterator[StandIn]:
    yield providers.sendgrid
    providers.sendgrid.mood = Mood.GOOD


async def _once(happened: Callable[[], object]) -> None:
    async def look() -> object:
        return happened()

    await eventually(look)


def _mail_codes(flow: Flow) -> list[str]:
    """Return the mails with a code to activate, each as its text."""
    mails = flow.person.providers.mails_to(flow.person.email)
    return [mail["content"][0]["value"] for mail in mails if f"/activate/{flow.id}#" in mail["content"][0]["value"]]


async def test_a_delivered_sms_is_told_as_sent(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()

    shown = await flow.until(lambda shown: shown["delivery"] != "sending")

    assert (shown["channel"], shown["delivery"], shown["delivery_failure"]) == ("sms", "sent", None)


async def test_an_sms_that_twilio_refuses_is_told_as_failed_with_the_reason_and_not_tried_again(
    cast: Cast, sms_provider: StandIn
) -> None:
    sms_provider.mood = Mood.REFUSING
    flow = await cast.sms_owner.create_api_key()

    shown = await flow.until(lambda shown: shown["delivery"] == "failed")

    assert shown["delivery_failure"] == "Twilio answered 400 (21211)."
    await flow.skip(minutes=4)
    assert len(cast.providers.texts_to(cast.sms_owner.phone)) == 1


async def test_after_a_failed_sms_the_request_goes_on_and_a_resend_can_succeed(
    cast: Cast, sms_provider: StandIn
) -> None:
    sms_provider.mood = Mood.REFUSING
    flow = await cast.sms_owner.create_api_key()
    await flow.until(lambda shown: shown["delivery"] == "failed")
    sms_provider.mood = Mood.GOOD
    await flow.skip(minutes=2)

    await flow.post("/two-factor-code/resend")

    await flow.to_secret()
    assert await flow.step() == "secret_saved"


@pytest.mark.parametrize("mood", _AWAY)
async def test_an_sms_that_twilio_could_not_take_is_tried_again_with_the_same_code(
    cast: Cast, sms_provider: StandIn, mood: Mood
) -> None:
    sms_provider.mood = mood
    flow = await cast.sms_owner.create_api_key()
    await _once(lambda: cast.providers.texts_to(cast.sms_owner.phone))
    sms_provider.mood = Mood.GOOD

    await flow.until(lambda shown: shown["delivery"] == "sent")

    texts = cast.providers.texts_to(cast.sms_owner.phone)
    assert len(texts) >= 2
    assert len(set(texts)) == 1
    assert (await flow.enter_code()).status_code == 200


async def test_an_sms_that_never_goes_out_is_told_as_failed_when_its_code_is_dead(
    hasty: Cast, sms_provider: StandIn
) -> None:
    sms_provider.mood = Mood.BROKEN
    flow = await hasty.sms_owner.create_api_key()

    await flow.skip(seconds=_LIFETIME.total_seconds())

    shown = await flow.until(lambda shown: shown["delivery"] == "failed")
    assert shown["delivery_failure"] == "The provider did not take it in time."
    assert shown["step"] == "two_factor_code"


async def test_a_mail_that_sendgrid_refuses_is_told_as_failed_with_the_reason(
    cast: Cast, mail_provider: StandIn
) -> None:
    flow = await (await cast.owner.create_api_key()).to_choice()
    mail_provider.mood = Mood.REFUSING
    await flow.choose("now")

    shown = await flow.until(lambda shown: shown["delivery"] == "failed")

    assert (shown["channel"], shown["delivery_failure"]) == ("email", "SendGrid answered 400.")
    assert cast.owner.email not in str(shown)


@pytest.mark.parametrize("mood", _AWAY)
async def test_a_mail_that_sendgrid_could_not_take_is_tried_again_with_the_same_code(
    cast: Cast, mail_provider: StandIn, mood: Mood
) -> None:
    flow = await (await cast.owner.create_api_key()).to_choice()
    mail_provider.mood = mood
    await flow.choose("now")
    await _once(lambda: _mail_codes(flow))
    mail_provider.mood = Mood.GOOD

    await flow.until(lambda shown: shown["delivery"] == "sent")

    mails = _mail_codes(flow)
    assert len(mails) >= 2
    assert len(set(mails)) == 1
    assert (await flow.enter_activation_code()).json()["outcome"] == "activated"


async def test_a_mail_that_never_goes_out_is_told_as_failed_and_the_key_still_waits(
    hasty: Cast, mail_provider: StandIn
) -> None:
    flow = await (await hasty.owner.create_api_key()).to_choice()
    mail_provider.mood = Mood.BROKEN
    await flow.choose("now")

    await flow.skip(seconds=_LIFETIME.total_seconds())

    shown = await flow.until(lambda shown: shown["delivery"] == "failed")
    assert shown["step"] == "activation_code"
    mail_provider.mood = Mood.GOOD
    await flow.skip(minutes=2)
    await flow.post("/activation-code/resend")
    assert (await flow.enter_activation_code()).json()["outcome"] == "activated"


async def test_a_code_that_is_on_its_way_when_the_request_is_cancelled_is_of_no_use(
    cast: Cast, sms_provider: StandIn
) -> None:
    sms_provider.mood = Mood.BROKEN
    flow = await cast.sms_owner.create_api_key()
    await _once(lambda: cast.providers.texts_to(cast.sms_owner.phone))

    assert (await flow.cancel()).json()["outcome"] == "cancelled"

    assert problem(await flow.enter_code("123456")) == (409, "request-closed")
    assert (await flow.shown())["delivery"] is None
