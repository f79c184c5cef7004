"""The local stack's collector, and the tree that it is read as."""

import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from typer.testing import CliRunner

from countersign.cli import app
from countersign.cli.trace import lines
from countersign.local import trace_file
from countersign.local.collector import collector
from countersign.local.trace_file import TraceFile
from countersign.telemetry import calls, spans
from tests.telemetry.traced import keeping_spans

PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
def request_id() -> UUID:
    return uuid4()


def _sent(request_id: UUID) -> Iterator[bytes]:
    """Yield what two processes would send: the one that is done with a step first."""
    with keeping_spans() as kept, calls.begun(request_id):
        with suppress(ValueError), spans.span("POST /v1/x"):
            with spans.step("INSERT requests", attributes={"db.query.text": "INSERT INTO requests VALUES (%s)"}):
                pass
            raise ValueError
        with spans.span("outbox x"):
            pass
        with calls.begun(), spans.span("of another"):
            pass
        for each in kept.spans()[::-1]:
            yield encode_spans([each]).SerializeToString()


async def _send(data: Path, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(collector(data))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.post("/v1/traces", content=body, headers=headers or PROTOBUF)


async def test_what_is_sent_is_kept_for_its_owner_and_shown_as_a_tree(tmp_path: Path, request_id: UUID) -> None:
    answers = [await _send(tmp_path, body) for body in _sent(request_id)]

    assert {answer.status_code for answer in answers} == {200}
    found = TraceFile(tmp_path).about(request_id)
    assert [(span.name, span.service, span.failed) for span in found] == [
        ("POST /v1/x", "test", True),
        ("INSERT requests", "test", False),
        ("outbox x", "test", False),
    ]
    first, below, last = (line[21:] for line in lines(found, sql=True))
    assert first == "POST /v1/x (test) FAILED"
    assert below == "  INSERT requests | INSERT INTO requests VALUES (%s)"
    assert last == "outbox x (test)"
    assert stat.S_IMODE((tmp_path / "traces.jsonl").stat().st_mode) == 0o600


async def test_the_command_prints_it(tmp_path: Path, request_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    for body in _sent(request_id):
        await _send(tmp_path, body)
    monkeypatch.setenv("COUNTERSIGN_DATA", str(tmp_path))

    shown = CliRunner().invoke(app, ["trace", str(request_id)])
    unknown = CliRunner().invoke(app, ["trace", str(uuid4())])

    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"{request_id}: 3 spans in 1 trace\n")
    assert "  INSERT requests\n" in shown.stdout
    assert "no trace of that request" in str(unknown.exception)


async def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    strange, plain, packed = (
        await _send(tmp_path, b"\xff\xff"),
        await _send(tmp_path, b"{}", {"content-type": "application/json"}),
        await _send(tmp_path, b"", {**PROTOBUF, "content-encoding": "gzip"}),
    )

    assert (strange.status_code, plain.status_code, packed.status_code) == (400, 415, 415)
    assert list(tmp_path.iterdir()) == []


async def test_a_large_file_is_put_aside_once(
    tmp_path: Path, request_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_file, "_LARGE_BYTES", 1)
    for body in _sent(request_id):
        await _send(tmp_path, body)

    assert sorted(each.name for each in tmp_path.iterdir()) == ["traces.jsonl", "traces.jsonl.1"]
    assert len(TraceFile(tmp_path).about(request_id)) == 2
