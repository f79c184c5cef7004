"""Sending codes: the one thing workflows ask of Twilio and SendGrid."""

from dataclasses import dataclass

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.names import SEND_CODE
from countersign.adapters.senders import MailSender, SmsSender
from countersign.adapters.texts import render_mail, render_sms
from countersign.domain.errors import DeliveryFailed, DeliveryRefused
from countersign.domain.messages import SendRef
from countersign.domain.requests import Channel, Delivery
from countersign.effects import deliveries
from countersign.effects.deliveries import CodeToSend
from countersign.effects.work import Desk


@dataclass(frozen=True)
class SendingActivities:
    """Hands codes to the providers."""

    desk: Desk
    sms: SmsSender
    mail: MailSender
    public_url: str

    @activity.defn(name=SEND_CODE.name)
    async def send_code(self, ref: SendRef) -> bool:
        """Send one code; return whether it went out.

        A provider's final no is recorded and returned as False; a passing fault is raised, for Temporal to retry.
        """
        code = await deliveries.code_to_send(self.desk, ref, public_url=self.public_url)
        if code is None:
            return False
        try:
            provider_id = await self._hand_over(code)
        except DeliveryRefused as refused:
            await deliveries.record_delivery(
                self.desk, ref, delivery=Delivery.FAILED, failure=str(refused), tries=activity.info().attempt
            )
            return False
        except DeliveryFailed as failed:
            raise ApplicationError(str(failed), type="delivery-failed") from None
        await deliveries.note_sent(self.desk, ref, provider_id=provider_id, tries=activity.info().attempt)
        return True

    async def _hand_over(self, code: CodeToSend) -> str:
        if code.channel is Channel.EMAIL:
            return await self.mail.send_mail(
                to=code.to, mail=render_mail("activation_code", code.context), key=code.key
            )
        return await self.sms.send_sms(to=code.to, text=render_sms("two_factor_code", code.context), key=code.key)
