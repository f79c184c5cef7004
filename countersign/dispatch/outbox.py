"""Sending the notices that effects put into the outbox."""

from dataclasses import dataclass

from countersign.adapters.ports import MailSender
from countersign.adapters.texts import render_mail
from countersign.domain.errors import DeliveryFailed, DeliveryRefused
from countersign.effects.deliveries import recipient_of
from countersign.effects.work import Desk
from countersign.storage import notices
from countersign.storage.notices import Notice

_AT_ONCE = 20
_LONGEST_PAUSE_SECONDS = 3600


@dataclass(frozen=True)
class Outbox:
    """Takes due notices and hands them to the mail provider; each until the provider confirms it or refuses."""

    desk: Desk
    mail: MailSender
    settings_url: str

    async def send_due(self) -> int:
        """Send what is due; return how many were taken."""
        async with self.desk.database.connection() as connection:
            due = await notices.claim_due(connection, limit=_AT_ONCE)
        for notice in due:
            await self._send(notice)
        return len(due)

    async def _send(self, notice: Notice) -> None:
        mail = render_mail(notice.event, {**notice.context, "settings_url": self.settings_url})
        to = await recipient_of(self.desk, notice.user_id)
        try:
            await self.mail.send_mail(to=to, mail=mail, key=f"notice/{notice.id}")
        except DeliveryRefused as refused:
            async with self.desk.database.connection() as connection:
                await notices.mark_failed(connection, notice.id, failure=str(refused))
        except DeliveryFailed as failed:
            pause = min(5 * 2**notice.attempts, _LONGEST_PAUSE_SECONDS)
            async with self.desk.database.connection() as connection:
                await notices.postpone(connection, notice.id, seconds=pause, failure=str(failed))
        else:
            async with self.desk.database.connection() as connection:
                await notices.mark_sent(connection, notice.id)
