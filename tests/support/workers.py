"""Workers inside the test process, to be started and stopped at will."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

from countersign.wiring import Parts, dispatcher, mail_sender, sms_sender, worker
from tests.support.sandbox import sandboxed
from workflows.journeys import WORKFLOWS

_HURRY = 5


@asynccontextmanager
async def working(core: Parts, *, chores: bool = True, workflows: Sequence[type] = WORKFLOWS) -> AsyncIterator[None]:
    """A worker with its chores, as in a worker process; ``workflows`` may be of another release."""
    async with aclosing(sms_sender(core.settings)) as sms, aclosing(mail_sender(core.settings)) as mail:
        beside = asyncio.create_task(dispatcher(core, mail).run(hurry=_HURRY)) if chores else None
        try:
            async with worker(
                core, sms=sms, mail=mail, runner=sandboxed(versioned=bool(core.settings.build_id)), workflows=workflows
            ):
                yield
        finally:
            if beside is not None:
                beside.cancel()
                with suppress(asyncio.CancelledError):
                    await beside
