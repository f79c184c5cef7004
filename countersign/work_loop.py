"""A worker process from start to stop."""

import asyncio
import logging
import signal
from contextlib import aclosing, suppress

import uvloop

from countersign import logs
from countersign.adapters.temporal import forward_core_logs
from countersign.collecting import collect_seldom
from countersign.dispatch.dispatcher import repeat
from countersign.dispatch.key_watch import KeyWatch
from countersign.domain.errors import Unavailable
from countersign.settings import Settings
from countersign.wiring import (
    WORKER_PURPOSES,
    Parts,
    dispatcher,
    mail_sender,
    parts,
    require_service_settings,
    schedules,
    sms_sender,
    worker,
)

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_SCHEDULE_SECONDS = 600


def work(settings: Settings) -> None:
    """Run a worker process from start to stop, as ``run_worker`` tells."""
    collect_seldom()
    uvloop.run(run_worker(settings))


async def run_worker(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM; Temporal and the database may come up later, go away, and come back.

    Raises ``KeysUnfit`` when the key ring does not fit the database, at the start or at any time after.
    """
    logs.install()
    logs.tell_of_the_end()
    forward_core_logs()
    require_service_settings(settings)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        try:
            async with parts(settings, purposes=WORKER_PURPOSES, lazy=False) as core:
                await _work(core, stop)
        except RuntimeError as error:
            _LOG.warning("Temporal does not answer; trying again (%s)", type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS)


async def _work(core: Parts, stop: asyncio.Event) -> None:
    async with KeyWatch(core.database, core.keys, kind="worker").running() as watch:
        if await _proven(watch, stop):
            await _work_with_fitting_keys(core, watch, stop)


async def _proven(watch: KeyWatch, stop: asyncio.Event) -> bool:
    while not stop.is_set():
        try:
            await watch.require()
        except Unavailable as error:
            _LOG.warning("Waiting until the keys can be checked: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS)
        else:
            return True
    return False


async def _work_with_fitting_keys(core: Parts, watch: KeyWatch, stop: asyncio.Event) -> None:
    async with aclosing(sms_sender(core.settings)) as sms, aclosing(mail_sender(core.settings)) as mail:
        chores = asyncio.gather(dispatcher(core, mail).run(), repeat(schedules(core).keep, seconds=_SCHEDULE_SECONDS))
        try:
            async with worker(core, sms=sms, mail=mail):
                _LOG.info("Working on the task queue %s", core.settings.task_queue)
                await _until(stop, watch)
        finally:
            chores.cancel()
            with suppress(asyncio.CancelledError):
                await chores


async def _until(stop: asyncio.Event, watch: KeyWatch) -> None:
    asked, unfit = asyncio.create_task(stop.wait()), asyncio.create_task(watch.unfit())
    try:
        await asyncio.wait({asked, unfit}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        unfit.cancel()
    if not stop.is_set():
        raise unfit.result()
