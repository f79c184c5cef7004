"""The logs of every process and command: one format, one line a record, no traceback's words, nothing secret."""

import logging
import re
import sys
import threading
import traceback
from types import TracebackType

from countersign.redaction import redact

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_FRAMES = 5
_OF_ITS_OWN_LEVEL = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "authlib": logging.INFO}
# Some libraries put a whole one into their message; its last line begins with the type of the exception.
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):.*", re.DOTALL)
_TYPE = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)
_LOG = logging.getLogger(__name__)
Failure = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Discreet(logging.Formatter):
    """Formats records: masked, on one line, and of an exception its type and place alone.

    What an exception says may hold what a person sent: a code, an address.
    """

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        # Another handler may have written the whole traceback into the record, where this one would take it from.
        record.exc_text = record.stack_info = None
        return _on_one_line(redact(_TRACEBACK.sub(_last_type, super().format(record))))

    def formatException(self, ei: Failure) -> str:  # noqa: N802 - the name it has in the standard library
        """Return types and places of the exception and of what caused it."""
        return told(ei[1]) if ei[1] is not None else ""


def told(error: BaseException) -> str:
    """Return the type of an exception and where it arose, and the same of what caused it; never what it says."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    return ", caused by ".join(f"{type(each).__qualname__} at {_place(each)}" for each in causes[:_FRAMES])


def install(level: int = logging.INFO) -> None:
    """Let everything that this process logs go to standard error in this format, other libraries' loggers included."""
    handler = logging.StreamHandler()
    handler.setFormatter(Discreet())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, own_level in _OF_ITS_OWN_LEVEL.items():
        logging.getLogger(name).setLevel(own_level)
    # A message that does not fit its arguments would be printed with a traceback and all of them.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)


def tell_of_the_end() -> None:
    """Let what ends this process, or a thread of it, be logged like everything else."""
    sys.excepthook = _ended
    threading.excepthook = lambda end: _LOG.critical("A thread ended: %s", told(end.exc_value or SystemExit()))


def _ended(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    _LOG.critical("The process ended: %s", told(error))


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-_FRAMES:])) or "no place known"


def _last_type(found: re.Match[str]) -> str:
    types = _TYPE.findall(found[0])
    return f"{types[-1] if types else 'An error'}, whose words are left out"


def _on_one_line(text: str) -> str:
    return "".join(each if each.isprintable() else " | " if each == "\n" else repr(each)[1:-1] for each in text)
