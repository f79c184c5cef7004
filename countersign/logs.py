"""The logs of every process and command: one format, one line a record, no traceback's words, nothing secret."""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType

from countersign.redaction import redact
from countersign.telemetry import calls

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_FRAMES = 5
_OF_ITS_OWN_LEVEL = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "authlib": logging.INFO,
    # Each retry of a batch, and each span that a full queue drops.
    "opentelemetry": logging.ERROR,
}
# One record for each call of the API, with ``fields``: for machines, which tell them apart, and for nobody's console.
CALLS = "countersign.calls"
# Some libraries put a whole one into their message; its last line begins with the type of the exception.
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):.*", re.DOTALL)
_TYPE = re.compile(r"^([A-Za-z_][\w.]*)(?::|$)", re.MULTILINE)
_LOG = logging.getLogger(__name__)
Failure = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Discreet(logging.Formatter):
    """Formats records: masked, on one line, and of an exception its type and place alone.

    What an exception says may hold what a person sent: a code, an address.
    """

    def __init__(self, form: str = _FORMAT) -> None:
        super().__init__(form)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        # Another handler may have written the whole traceback into the record, where this one would take it from.
        record.exc_text = record.stack_info = None
        return _on_one_line(redact(_TRACEBACK.sub(_last_type, super().format(record))))

    def formatException(self, ei: Failure) -> str:  # noqa: N802 - the name it has in the standard library
        """Return types and places of the exception and of what caused it."""
        return told(ei[1]) if ei[1] is not None else ""


class DiscreetJson(Discreet):
    """The same as a JSON object a line: when, how grave, who, what, and which call, request and trace it is about."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = {key: redact(value) if isinstance(value, str) else value for key, value in _fields(record).items()}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": super().format(record),
            **dict(_about()),
            **fields,
        }
        return json.dumps(line, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    known = dict(getattr(record, "fields", {}))
    # The SDK tells so which workflow or activity it logs for.
    working = getattr(record, "temporal_workflow", None) or getattr(record, "temporal_activity", None) or {}
    request_id = calls.request_of(working.get("workflow_id"))
    return known if request_id is None else {"request_id": str(request_id), **known}


def _about() -> Iterator[tuple[str, str]]:
    call = calls.present()
    if call is not None:
        yield "call", str(call.id)
        if call.request_id is not None:
            yield "request_id", str(call.request_id)
    trace = sys.modules.get("opentelemetry.trace")
    # Where nobody has imported it, there are no traces; commands are quick without.
    span = trace.get_current_span().get_span_context() if trace else None
    if span is not None and span.is_valid:
        yield "trace_id", f"{span.trace_id:032x}"
        yield "span_id", f"{span.span_id:016x}"


def told(error: BaseException) -> str:
    """Return the type of an exception and where it arose, and the same of what caused it; never what it says."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    return ", caused by ".join(f"{type(each).__qualname__} at {_place(each)}" for each in causes[:_FRAMES])


def install(level: int = logging.INFO, *, as_json: bool = False) -> None:
    """Let everything that this process logs go to standard error in this format, other libraries' loggers included."""
    handler = logging.StreamHandler()
    handler.setFormatter(DiscreetJson() if as_json else Discreet())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, own_level in _OF_ITS_OWN_LEVEL.items():
        logging.getLogger(name).setLevel(own_level)
    logging.getLogger(CALLS).setLevel(logging.INFO if as_json else logging.WARNING)
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
