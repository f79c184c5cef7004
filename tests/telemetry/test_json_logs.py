"""Logs as JSON: one object a line, masked as lines of text are, and each knows what it is about."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from countersign.logs import CALLS, DiscreetJson
from countersign.telemetry import calls, spans
from tests.support.cast import Cast
from tests.telemetry.traced import keeping_spans

LOG = logging.getLogger("some.package")


class Written:
    def __init__(self, stream: StringIO) -> None:
        self._stream = stream

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.lines()[-1]


@pytest.fixture
def written() -> Iterator[Written]:
    stream, root, ours = StringIO(), logging.getLogger(), logging.getLogger(CALLS)
    handler, before = logging.StreamHandler(stream), ours.level
    handler.setFormatter(DiscreetJson())
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield Written(stream)
    root.removeHandler(handler)
    ours.setLevel(before)


def test_a_line_tells_when_how_grave_who_and_what(written: Written) -> None:
    LOG.warning("to %s:\n%r", "sam@example.com", {"code": "493817"})

    line = written.last()
    at = datetime.fromisoformat(line.pop("time"))
    assert (at.utcoffset(), abs(datetime.now(at.tzinfo) - at) < timedelta(minutes=1)) == (timedelta(), True)
    assert line == {"level": "warning", "logger": "some.package", "message": "to ***: | {'code': '***'}"}


def test_of_an_exception_it_tells_type_and_place(written: Written) -> None:
    try:
        _fail()
    except ValueError:
        LOG.exception("It failed")

    assert "ValueError at _fail:" in written.last()["message"]
    assert "hush" not in str(written.last())


def _fail() -> None:
    int("hush")


def test_fields_are_masked_too(written: Written) -> None:
    LOG.error("x", extra={"fields": {"route": "/v1/x", "who": "sam@example.com", "status": 200}})

    assert {key: written.last()[key] for key in ("route", "who", "status")} == {
        "route": "/v1/x",
        "who": "***",
        "status": 200,
    }


def test_it_knows_the_call_the_request_and_the_trace(written: Written) -> None:
    request_id = uuid4()
    with keeping_spans(), calls.begun(request_id) as call:
        LOG.warning("alone")
        from_outside = written.last()
        with calls.begun(request_id), spans.span("within"):
            LOG.warning("traced")

    assert (from_outside["call"], from_outside["request_id"]) == (str(call.id), str(request_id))
    assert "trace_id" not in from_outside
    assert written.last()["trace_id"] == f"{calls.trace_id_of(request_id):032x}"
    assert len(written.last()["span_id"]) == 16


@pytest.mark.parametrize("attribute", ["temporal_workflow", "temporal_activity"])
def test_what_the_sdk_logs_of_a_workflow_tells_its_request(written: Written, attribute: str) -> None:
    request_id = uuid4()
    LOG.warning("told", extra={attribute: {"workflow_id": f"create-api-key/{request_id}"}})
    assert written.last()["request_id"] == str(request_id)

    LOG.warning("told", extra={attribute: {"workflow_id": "reconcile/sam@example.com"}})
    assert "request_id" not in written.last()


async def test_each_call_of_the_api_has_a_line_without_whoever_called(cast: Cast, written: Written) -> None:
    flow = await cast.owner.create_api_key()
    wrong = await flow.enter_code("000000" if await flow.code() != "000000" else "000001")
    await cast.owner.http.get("/healthz")

    assert wrong.status_code == 422
    told = [line for line in written.lines() if line["logger"] == CALLS]
    opened, entered = told[0], next(line for line in told if line["status"] == 422)
    assert {line["request_id"] for line in (opened, entered)} == {flow.id}
    assert opened["call"] == flow.id != entered["call"]
    UUID(entered["call"])
    assert (entered["method"], entered["route"]) == ("POST", "/v1/requests/{request_id}/two-factor-code")
    assert (entered["problem"], 0 < entered["milliseconds"] < 60_000) == ("wrong-code", True)
    assert not any("healthz" in line["route"] for line in told)
    for private in (cast.owner.email, cast.owner.token, "127.0.0.1", httpx.__version__):
        assert private not in json.dumps(told)


async def test_the_same_key_again_is_another_call_about_the_same_request(cast: Cast, written: Written) -> None:
    body = {"name": "bot", "permissions": ["trade"]}
    first, again = [await cast.owner.post("/api-keys", body, key="once") for _ in range(2)]

    assert first.json()["id"] == again.json()["id"]
    told = [line for line in written.lines() if line["logger"] == CALLS]
    assert [line["request_id"] for line in told] == [first.json()["id"]] * 2
    assert told[0]["call"] == first.json()["id"] != told[1]["call"]


SCRIPT = """
import logging, warnings
from countersign import logs
logs.install(as_json=True)
logs.tell_of_the_end()
logging.getLogger("x").info("%d of hush", "hush")
warnings.warn("mail hush@example.com")
logging.getLogger("countersign.calls").info("told")
raise ValueError("hush")
"""


def test_a_process_writes_nothing_but_json() -> None:
    ended = subprocess.run((sys.executable, "-c", SCRIPT), capture_output=True, text=True, timeout=60, check=False)

    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["warning", "info", "critical"]
    assert lines[-1]["message"] == "The process ended: ValueError at <module>:9"
    assert "hush" not in ended.stdout + ended.stderr
