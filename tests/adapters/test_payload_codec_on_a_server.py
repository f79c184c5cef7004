"""The codec on a real server: everything round-trips, nothing is readable, garbage wedges nothing."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker

from countersign.adapters.keyring import KeyRing
from countersign.adapters.message_guard import MessageGuard
from countersign.adapters.payload_codec import endpoint_codec
from countersign.adapters.temporal import Frontend
from tests.adapters.codec_workflow import Child, Everything, Listener, Note, echo, fail

Handle = WorkflowHandle[Any, list[str]]
GARBAGE = [
    RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"text": "plain"}')),
    RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=b"x")),
    RawValue(Payload()),
]
# Its own converter would warn that it is not pydantic's; it sends raw payloads only.
pytestmark = pytest.mark.filterwarnings("ignore:If you're using Pydantic:UserWarning")


@pytest.fixture
async def client(temporal_address: str, key_ring: KeyRing) -> Client:
    """Connected as soon as the server has come up."""
    async with asyncio.timeout(30):
        while True:
            try:
                client = await Frontend(temporal_address).connect(key_ring)
                await client.count_workflows("WorkflowId = 'none'")
            except (RuntimeError, RPCError):
                await asyncio.sleep(0.05)
            else:
                return client


@pytest.fixture
async def outsider(client: Client, temporal_address: str) -> Client:
    """Reaches the server, but has no key."""
    return await Client.connect(temporal_address)


@pytest.fixture
async def task_queue(client: Client) -> AsyncIterator[str]:
    name = uuid.uuid4().hex
    worker = Worker(
        client,
        task_queue=name,
        workflows=[Everything, Listener, Child],
        activities=[echo, fail],
        interceptors=[MessageGuard()],
    )
    async with worker:
        yield name


async def started(client: Client, task_queue: str) -> Handle:
    note = Note(text="start")
    return await client.start_workflow(Listener.run, note, id=f"listen/{uuid.uuid4()}", task_queue=task_queue)


async def started_with_everything(client: Client, task_queue: str) -> Handle:
    return await client.start_workflow(
        Everything.run,
        Note(text="needle-start"),
        id=f"everything/{uuid.uuid4()}",
        task_queue=task_queue,
        static_summary="needle-summary",
        static_details="needle-details",
        memo={"memo": "needle-memo"},
    )


async def finished(handle: Handle) -> list[str]:
    await handle.signal(Listener.finish)
    return await asyncio.wait_for(handle.result(), 20)


async def history_of(handle: Handle) -> History:
    return History(events=(await handle.fetch_history()).events)


def payloads_in(message: Message) -> Iterator[Payload]:
    for field, value in message.ListFields():
        for part in _parts(field, value):
            if isinstance(part, Payload):
                yield part
            elif isinstance(part, Message):
                yield from payloads_in(part)


def _parts(field: Any, value: Any) -> list[Any]:
    if isinstance(value, Message):
        return [value]
    if not field.is_repeated:
        return []
    return list(value.values()) if hasattr(value, "values") else list(value)


async def test_everything_a_workflow_says_round_trips(client: Client, task_queue: str) -> None:
    handle = await started_with_everything(client, task_queue)
    await handle.signal(Listener.tell, Note(text="told"))
    answer = await handle.execute_update(Listener.ask, Note(text="asked"))
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(Listener.ask, Note(text="refuse"))
    description = await handle.describe()
    metadata = await handle.query("__temporal_workflow_metadata")

    assert answer == Note(text="asked-answered")
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.message == "needle-update-refused"
    assert await description.static_summary() == "needle-summary"
    assert await description.static_details() == "needle-details"
    assert await description.memo() == {"memo": "needle-memo"}
    assert "needle-current-details" in str(metadata)
    assert set(await finished(handle)) == {
        "needle-start",
        "told",
        "asked",
        "needle-local-echoed",
        "needle-activity-echoed",
        "needle-child-child",
        "needle-message-x|needle-detail|Refused",
    }


async def test_a_history_is_unreadable_and_the_codec_endpoint_makes_it_readable(
    client: Client, task_queue: str, key_ring: KeyRing
) -> None:
    handle = await started_with_everything(client, task_queue)
    await handle.signal(Listener.tell, Note(text="needle-signal"))
    await handle.execute_update(Listener.ask, Note(text="needle-update"))
    await finished(handle)
    history = await history_of(handle)
    found = list(payloads_in(history))
    readable = b"\n".join(payload.data for payload in await endpoint_codec(key_ring, "default").decode(found))

    assert b"needle" not in history.SerializeToString()
    for needle in (
        *(
            "start",
            "memo",
            "summary",
            "details",
            "signal",
            "update",
            "update-answered",
            "local",
            "local-echoed",
            "activity",
        ),
        *(
            "local-summary",
            "activity-summary",
            "timer-summary",
            "activity-echoed",
            "child-child",
            "message-x",
            "detail",
        ),
    ):
        assert b"needle-" + needle.encode() in readable, needle


@pytest.mark.parametrize("garbage", GARBAGE, ids=["plain", "undecryptable", "empty"])
async def test_a_signal_that_is_garbage_is_dropped(
    client: Client, outsider: Client, task_queue: str, garbage: RawValue
) -> None:
    handle = await started(client, task_queue)
    await outsider.get_workflow_handle(handle.id).signal("tell", garbage)
    await handle.signal(Listener.tell, Note(text="after"))

    assert await finished(handle) == ["start", "after"]


@pytest.mark.parametrize("garbage", GARBAGE, ids=["plain", "undecryptable", "empty"])
async def test_an_update_that_is_garbage_is_rejected(
    client: Client, outsider: Client, task_queue: str, garbage: RawValue
) -> None:
    handle = await started(client, task_queue)
    with pytest.raises(WorkflowUpdateFailedError):
        await asyncio.wait_for(outsider.get_workflow_handle(handle.id).execute_update("ask", garbage), 10)

    assert await finished(handle) == ["start"]


@pytest.mark.parametrize("count", [0, 2], ids=["none", "two"])
async def test_a_message_with_too_few_or_too_many_arguments_does_not_stop_the_workflow(
    client: Client, task_queue: str, count: int
) -> None:
    handle = await started(client, task_queue)
    arguments = [Note(text="unwanted")] * count
    await handle.signal("tell", args=arguments)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await asyncio.wait_for(handle.execute_update("ask", args=arguments), 10)

    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "invalid-input"
    assert await finished(handle) == ["start"]


async def test_a_payload_taken_from_another_workflow_is_dropped(
    client: Client, outsider: Client, task_queue: str
) -> None:
    source, target = await started(client, task_queue), await started(client, task_queue)
    taken = next(payloads_in(await history_of(source)))
    await outsider.get_workflow_handle(target.id).signal("tell", RawValue(taken))
    await outsider.get_workflow_handle(source.id).signal("tell", RawValue(taken))

    assert await finished(target) == ["start"]
    assert await finished(source) == ["start", "start"]


async def test_a_signal_encoded_by_the_codec_endpoint_is_heard(
    client: Client, outsider: Client, task_queue: str, key_ring: KeyRing
) -> None:
    handle = await started(client, task_queue)
    plain = Payload(metadata={"encoding": b"json/plain"}, data=b'{"text": "from the command"}')
    [encoded] = await endpoint_codec(key_ring, "default").encode([plain])
    await outsider.get_workflow_handle(handle.id).signal("tell", RawValue(encoded))

    assert await finished(handle) == ["start", "from the command"]
