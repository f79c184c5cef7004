"""A worker process that dies right after its first message was committed: ``python -m tests.support.dying_worker``."""

import asyncio
import os
import sys

from countersign.adapters.keyring import Purpose
from countersign.domain.messages import Envelope, Verdict
from countersign.effects import messages
from countersign.effects.work import Desk
from countersign.settings import Settings
from countersign.wiring import parts
from tests.support.workers import working

EXIT_CODE = 9
_apply_message = messages.apply_message


async def _apply_and_die(desk: Desk, envelope: Envelope) -> Verdict:
    await _apply_message(desk, envelope)
    os._exit(EXIT_CODE)


async def _work() -> None:
    messages.apply_message = _apply_and_die
    async with parts(Settings(), purposes=frozenset(Purpose), lazy=False) as core, working(core, chores=False):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_work())
