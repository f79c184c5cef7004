"""Another clock for one process: what the product's own code and PyJWT read with ``datetime.now``.

Not moved: PostgreSQL's ``now()``, Temporal's clock (``workflow.now()`` is the server's), and what measures durations
(the event loop, timeouts, ``time.time`` in the quotas).
"""

import sys
from datetime import datetime, timedelta, tzinfo

_READERS = ("countersign.", "api.", "activities.", "jwt.")


def shift_clock(seconds: int) -> None:
    """Let every module that is imported by now read a clock that is ahead by so much, or behind."""
    ahead = timedelta(seconds=seconds)

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # plain ones, as everyone's
            return datetime.now(tz) + ahead

    for name, module in list(sys.modules.items()):
        if name.startswith(_READERS) and module.__dict__.get("datetime") is datetime:
            module.__dict__["datetime"] = Shifted
