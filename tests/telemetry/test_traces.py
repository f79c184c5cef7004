"""Traces: one for each request, from the POST to the last mail, and nobody's data in any of it."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from io import StringIO
from pathlib import Path
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import generate_latest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from countersign.adapters.message_guard import MessageGuard
from countersign.adapters.payload_codec import ENCRYPTED
from countersign.adapters.temporal_tracing import AboutRequests, tracing
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.logs import DiscreetJson
from countersign.settings import Settings
from countersign.telemetry import calls, spans
from countersign.telemetry.calls import trace_id_of
from countersign.telemetry.metrics import REGISTRY
from tests.support.cast import Flow, Providers
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually
from tests.support.recorded import RECORDED
from tests.support.stage import Stage, ended, settle
from tests.telemetry.traced import Kept, keeping_spans, traced_stage
from workflows.journeys import WORKFLOWS

_HEADER = "_tracer-data"
Traced = tuple[Stage, Kept]


@pytest.fixture
async def traced(
    settings: Settings, postgres: EmbeddedPostgres, issuer: Issuer, providers: Providers
) -> AsyncIterator[Traced]:
    """On a database of its own, where no other's dispatcher sends its mails."""
    own = settings.model_copy(update={"database_url": SecretStr(OwnDatabase.make_migrated(postgres).app_url)})
    async with traced_stage(own, issuer, providers) as (stage, kept):
        yield stage, kept


@pytest.fixture
def logged() -> Iterator[StringIO]:
    stream, root, ours = StringIO(), logging.getLogger(), logging.getLogger("countersign.calls")
    handler, before = logging.StreamHandler(stream), (root.level, ours.level)
    handler.setFormatter(DiscreetJson())
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    ours.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before[0])
    ours.setLevel(before[1])


async def _created(stage: Stage) -> tuple[Flow, list[str]]:
    """Return a creation that has been activated, and what must stand nowhere."""
    owner = stage.cast.sms_owner
    flow = await owner.create_api_key("a very private name", ip_whitelist="198.51.100.23")
    codes = [await flow.code()]
    await flow.enter_code("000000" if codes[0] != "000000" else "000001")
    await flow.to_secret()
    shown = (await flow.reveal()).json()
    await flow.save()
    await flow.choose("now")
    codes.append(await flow.code())
    tokens = await flow.link_tokens()
    await flow.enter_activation_code()
    assert await ended(flow) == "activated"
    private = [owner.name, owner.email, owner.phone, "a very private name", "198.51.100.23", owner.token]
    return flow, [*private, *codes, *tokens, shown["api_secret"], shown["api_key"], flow.verifier, flow.challenge]


def _above(span: ReadableSpan, kept: Kept) -> list[str]:
    """Return the names of what the span follows from, the nearest first."""
    by_id = {each.context.span_id: each for each in kept.spans() if each.context}
    names = []
    while span.parent is not None:
        span = by_id[span.parent.span_id]
        names.append(span.name)
    return names


async def test_a_creation_is_one_trace_from_http_to_sql_and_holds_nobodys_data(
    traced: Traced, logged: StringIO
) -> None:
    stage, kept = traced
    async with stage.at_work(chores=True):
        flow, private = await _created(stage)
        await eventually(_count(kept, "outbox credential_activated"), lambda count: count >= 3)

    whole = kept.of(trace_id_of(UUID(flow.id)))
    assert {each.context.trace_id for each in kept.spans() if flow.id in each.to_json() and each.context} == {
        trace_id_of(UUID(flow.id))
    }
    assert {dict(each.attributes or {}).get("countersign.request_id", flow.id) for each in whole} == {flow.id}
    named = {each.name: each for each in whole}
    entered = "POST /v1/requests/{request_id}/two-factor-code"
    update = ["StartActivity:apply_message", "StartWorkflowUpdate:two_factor_code", entered]
    assert _above(named["INSERT credentials"], kept) == ["transaction", "RunActivity:apply_message", *update]
    started = ["StartWorkflow:create-api-key", "POST /v1/api-keys"]
    assert _above(named["RunWorkflow:create-api-key"], kept) == started
    assert _above(named["send sms"], kept) == ["RunActivity:send_code", "StartActivity:send_code", *started]
    chosen = ["StartWorkflowUpdate:activate", "POST /v1/requests/{request_id}/activation"]
    sent = next(each for each in whole if each.name == "send email" and "RunActivity:send_code" in _above(each, kept))
    assert _above(sent, kept) == ["RunActivity:send_code", "StartActivity:send_code", *chosen]
    assert "CompleteWorkflow:create-api-key" in named
    wrong = next(each for each in whole if dict(each.attributes or {}).get("countersign.problem") == "wrong-code")
    assert (wrong.name, dict(wrong.attributes or {})["http.response.status_code"]) == (entered, 422)
    assert "WHERE a.id = %(id)s" in str(dict(named["SELECT accounts"].attributes or {})["db.query.text"])

    line = next(each for each in logged.getvalue().splitlines() if "two-factor-code 422" in each)
    assert all(each in line for each in (flow.id, f"{trace_id_of(UUID(flow.id)):032x}", '"problem": "wrong-code"'))
    told = {"spans": kept.text(), "logs": logged.getvalue(), "metrics": generate_latest(REGISTRY).decode()}
    assert [(where, each) for where, text in told.items() for each in private if each.lower() in text.lower()] == []
    assert "127.0.0.1" not in kept.text()


def _count(kept: Kept, name: str) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        return len(kept.named(name))

    return count


async def test_what_is_traced_is_encrypted_in_the_history_and_a_history_replays_with_traces_and_without(
    traced: Traced,
) -> None:
    stage, kept = traced
    async with stage.at_work():
        flow, _ = await _created(stage)
    history = await flow.handle.fetch_history()
    headers = [event.workflow_execution_started_event_attributes.header for event in history.events[:1]]
    headers += [
        event.workflow_execution_update_accepted_event_attributes.accepted_request.input.header
        for event in history.events
        if event.HasField("workflow_execution_update_accepted_event_attributes")
    ]
    found = [header.fields[_HEADER] for header in headers]
    assert len(found) == 6
    assert {payload.metadata["encoding"] for payload in found} == {ENCRYPTED}
    assert not any(b"traceparent" in payload.data for payload in found)

    before = len(kept.spans())
    await _replayer(stage, traces=True).replay_workflow(history)
    await _replayer(stage, traces=False).replay_workflow(history)
    assert len(kept.spans()) == before


def _replayer(stage: Stage, *, traces: bool) -> Replayer:
    config = stage.core.client.config()
    return Replayer(
        workflows=WORKFLOWS,
        namespace=stage.core.client.namespace,
        data_converter=stage.core.client.data_converter,
        header_codec_behavior=config["header_codec_behavior"],
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[*(tracing() if traces else []), AboutRequests(), MessageGuard()],  # type: ignore[list-item]
    )


_SAMPLED = [
    file if number % 6 == 0 else pytest.param(file, marks=pytest.mark.prove) for number, file in enumerate(RECORDED)
]


@pytest.mark.parametrize("file", _SAMPLED, ids=lambda file: file.stem)
async def test_a_history_that_was_recorded_without_traces_replays_with_them(file: Path) -> None:
    with keeping_spans() as kept:
        replayer = Replayer(
            workflows=WORKFLOWS,
            data_converter=pydantic_data_converter,
            workflow_runner=UnsandboxedWorkflowRunner(),
            interceptors=[*tracing(), MessageGuard()],  # type: ignore[list-item]
        )
        await replayer.replay_workflow(WorkflowHistory.from_json("recorded", file.read_text()))
        # The suite's own worker is at work beside it.
        assert [span for span in kept.spans() if (span.attributes or {}).get("temporalWorkflowID") == "recorded"] == []


async def test_a_worker_that_replays_before_every_task_tells_nothing_twice(traced: Traced) -> None:
    stage, kept = traced
    with patch("countersign.wiring.Worker", partial(Worker, max_cached_workflows=0)):
        async with stage.at_work():
            flow, _ = await _created(stage)

    names = [each.name for each in kept.of(trace_id_of(UUID(flow.id)))]
    assert names.count("RunWorkflow:create-api-key") == names.count("CompleteWorkflow:create-api-key") == 1
    assert names.count("HandleUpdate:two_factor_code") == 2
    assert names.count("RunActivity:send_code") == names.count("StartActivity:send_code") == 2


@pytest.mark.parametrize("data", [b"{", b'"text"', b'{"traceparent": 1}', b'{"traceparent": "00-zz-zz-01"}', b"[]"])
async def test_a_strange_header_of_a_foreign_signal_wedges_no_workflow(traced: Traced, data: bytes) -> None:
    stage, _ = traced
    client = stage.core.client
    async with stage.at_work():
        flow = await stage.cast.owner.create_api_key()
        signal = SignalWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=flow.workflow_id),
            signal_name="look_again",
            input=Payloads(),
            identity="somebody",
        )
        strange = Payload(metadata={"encoding": b"json/plain"}, data=data)
        codec = client.data_converter.payload_codec
        assert codec
        [encrypted] = await codec.encode([strange])
        for payload in (strange, encrypted):
            signal.header.fields[_HEADER].CopyFrom(payload)
            await client.workflow_service.signal_workflow_execution(signal)
        await asyncio.wait_for(settle(flow), 20)
        await flow.to_secret()


async def test_a_callers_trace_is_linked_and_not_followed(traced: Traced) -> None:
    stage, kept = traced
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await stage.cast.owner.http.get("/v1/requests", headers={"traceparent": sent, "tracestate": "private=olivia"})
    await stage.cast.owner.http.get("/v1/requests", headers={"traceparent": "olivia@example.com"})

    linked, unlinked = kept.named("GET /v1/requests")
    assert linked.context
    assert [f"{each.context.trace_id:032x}" for each in linked.links] == ["0af7651916cd43dd8448eb211c80319c"]
    assert f"{linked.context.trace_id:032x}" != "0af7651916cd43dd8448eb211c80319c"
    assert linked.parent is None
    assert unlinked.links == ()
    assert "olivia" not in kept.text()


async def test_of_what_fails_a_span_tells_the_type_alone(traced: Traced) -> None:
    _, kept = traced
    with pytest.raises(ValueError, match="hush"), spans.span("failing", attributes={"user.email": "hush"}):
        raise ValueError("hush")

    [failed] = kept.named("failing")
    assert "ValueError" in failed.to_json()
    assert "hush" not in failed.to_json()
    assert failed.status.status_code.name == "ERROR"


def test_where_traces_are_off_nothing_is_intercepted() -> None:
    assert tracing() == []
    with spans.span("nothing") as nothing:
        assert nothing is None


def test_requests_are_sampled_whole_and_alike_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    requests = [uuid4() for _ in range(400)]
    sampled = []
    for _ in range(2):
        with keeping_spans() as kept:
            for request_id in requests:
                with calls.begun(request_id), spans.span("call"), spans.step("within"):
                    pass
            sampled.append(Counter(each.context.trace_id for each in kept.spans() if each.context))

    assert sampled[0] == sampled[1]
    assert set(sampled[0].values()) == {2}
    assert 120 < len(sampled[0]) < 280


def test_a_call_that_opens_two_requests_names_the_first_alone() -> None:
    with calls.begun() as call:
        first, second = calls.name_request(), calls.name_request()
    with calls.begun(first):
        third = calls.name_request()

    assert first == call.id
    assert len({first, second, third, calls.name_request()}) == 4
