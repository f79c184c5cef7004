"""Sending the notices that effects put into the outbox."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from countersign.adapters.senders import MailSender
from countersign.adapters.texts import render_mail
from countersign.domain.errors import DeliveryFailed, DeliveryRefused, SenderRefused, Unavailable
from countersign.effects.stop_links import stop_context
from countersign.effects.work import Desk
from countersign.storage import notices
from countersign.storage.notices import Notice

_AT_ONCE = 20
_HELD_SECONDS = 40
_PAUSE_SECONDS = 5
# A person's newer notices wait for the older ones, so this is how late all come when the provider is back.
_LONGEST_PAUSE_SECONDS = 300
_TOLD_SINCE = {"funds_from": ""}


@dataclass(frozen=True)
class Outbox:
    """Takes due notices and hands them to the mail provider; each until the provider confirms it or refuses."""

    desk: Desk
    mail: MailSender
    public_url: str

    async def send_due(self) -> int:
        """Send what is due; return how many were taken."""
        async with self.desk.database.transaction() as connection:
            due = await notices.claim_due(connection, limit=_AT_ONCE)
        give_back_at = time.monotonic() + _HELD_SECONDS
        by_person = groupby(sorted(due, key=_person_and_age), key=attrgetter("user_id"))
        await asyncio.gather(*(self._send_in_order(list(notices_of), give_back_at) for _, notices_of in by_person))
        return len(due)

    async def _send_in_order(self, notices_of_one: list[Notice], give_back_at: float) -> None:
        # Notices are taken for a minute: those that a slow provider leaves no time for are given back before it ends.
        for place, notice in enumerate(notices_of_one):
            if time.monotonic() >= give_back_at:
                await self._give_back(notices_of_one[place:], seconds=0)
                return
            if not await self._send(notice):
                await self._give_back(notices_of_one[place + 1 :], seconds=_PAUSE_SECONDS)
                return

    async def _send(self, notice: Notice) -> bool:
        try:
            provider_id = await self._hand_over(notice)
        except (DeliveryFailed, SenderRefused, Unavailable) as failed:
            await self._postpone(notice, failure=str(failed))
            return False
        except DeliveryRefused as refused:
            async with self.desk.database.connection() as connection:
                await notices.mark_failed(connection, notice.id, failure=str(refused))
            return True
        except Exception as error:  # noqa: BLE001 - one notice that cannot be written must not hold up the others
            await self._postpone(notice, failure=type(error).__name__, unwritable=True)
            return True
        else:
            # Forgotten, it would be sent again: no other knows that the provider took it.
            await self.desk.database.insist(partial(notices.mark_sent, notice_id=notice.id, provider_id=provider_id))
            return True

    async def _hand_over(self, notice: Notice) -> str:
        stopping = await stop_context(self.desk, notice.stop_id, public_url=self.public_url)
        # A notice may be older than this release, and lack what its text tells since.
        context = {**_TOLD_SINCE, **notice.context, **stopping, "settings_url": self.public_url}
        mail = render_mail(notice.event, context)
        return await self.mail.send_mail(to=notice.address, mail=mail, key=f"notice/{notice.id}")

    async def _give_back(self, untried: list[Notice], *, seconds: int) -> None:
        async with self.desk.database.connection() as connection:
            for notice in untried:
                await notices.give_back(connection, notice.id, seconds=seconds)

    async def _postpone(self, notice: Notice, *, failure: str, unwritable: bool = False) -> None:
        pause = min(_PAUSE_SECONDS * 2 ** min(notice.attempts, 10), _LONGEST_PAUSE_SECONDS)
        async with self.desk.database.connection() as connection:
            await notices.postpone(connection, notice.id, seconds=pause, failure=failure, unwritable=unwritable)


def _person_and_age(notice: Notice) -> tuple[UUID, datetime]:
    return notice.user_id, notice.created_at
