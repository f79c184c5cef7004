"""A worker process from start to stop."""

import asyncio
import logging
import signal
from contextlib import aclosing, suppress

import uvloop

from countersign import logs
from countersign.adapters.temporal_core import forward_core_logs, measured_core
from countersign.adapters.temporal_tls import NotConnected
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
    traced,
    worker,
)
from countersign.worker_port import Standing, serving

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_SCHEDULE_SECONDS = 600


def work(settings: Settings) -> None:
    """Run a worker process from start to stop, as ``run_worker`` tells."""
    collect_seldom()
    with traced(settings, service="countersign-worker"):
        uvloop.run(run_worker(settings))


async def run_worker(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM; Temporal and the database may come up later, go away, and come back.

    Raises ``KeysUnfit`` when the key ring does not fit the database, at the start or at any time after, ``TlsUnusable``
    for files that cannot be used, and ``PortUnusable``. A connection that is refused, though, is tried again: whoever
    refuses it may be mended.
    """
    logs.install(as_json=settings.log_format == "json")
    logs.tell_of_the_end()
    standing = _standing(settings)
    require_service_settings(settings)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(settings, standing):
        while not stop.is_set():
            try:
                async with parts(settings, purposes=WORKER_PURPOSES, lazy=False) as core:
                    await _work(core, standing, stop)
            except RuntimeError as error:
                # Only of our own errors the words are known to hold nothing that must not be logged.
                _LOG.warning("%s Trying again.", error if isinstance(error, NotConnected) else type(error).__name__)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS)


def _standing(settings: Settings) -> Standing:
    if settings.worker_port:
        return Standing(sdk=measured_core())
    forward_core_logs()
    return Standing()


async def _work(core: Parts, standing: Standing, stop: asyncio.Event) -> None:
    async with KeyWatch(core.database, core.keys, kind="worker").running() as watch:
        standing.core, standing.watch = core, watch
        try:
            if await _proven(watch, stop):
                await _work_with_fitting_keys(core, watch, standing, stop)
        finally:
            standing.core = standing.watch = None


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


async def _work_with_fitting_keys(core: Parts, watch: KeyWatch, standing: Standing, stop: asyncio.Event) -> None:
    async with aclosing(sms_sender(core.settings)) as sms, aclosing(mail_sender(core.settings)) as mail:
        chores = asyncio.gather(dispatcher(core, mail).run(), repeat(schedules(core).keep, seconds=_SCHEDULE_SECONDS))
        try:
            async with worker(core, sms=sms, mail=mail):
                _LOG.info("Working on the task queue %s", core.settings.task_queue)
                standing.polls = True
                await _until(stop, watch)
        finally:
            standing.polls = False
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
