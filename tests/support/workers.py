"""Workers inside the test process, to be started and stopped at will."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from countersign.adapters.ports import MailSender, SmsSender
from countersign.wiring import Parts, dispatcher, mail_sender, sms_sender, worker


class _Closable(Protocol):
    async def aclose(self) -> None: ...


@asynccontextmanager
async def working(core: Parts, *, chores: bool = True) -> AsyncIterator[None]:
    """A worker with its chores, as in a worker process."""
    sms, mail = sms_sender(core.settings), mail_sender(core.settings)
    beside = asyncio.create_task(dispatcher(core, mail).run()) if chores else None
    try:
        async with worker(core, sms=sms, mail=mail):
            yield
    finally:
        if beside is not None:
            beside.cancel()
            with suppress(asyncio.CancelledError):
                await beside
        await _close(sms)
        await _close(mail)


async def _close(sender: SmsSender | MailSender) -> None:
    closable: _Closable = sender  # type: ignore[assignment]
    await closable.aclose()
