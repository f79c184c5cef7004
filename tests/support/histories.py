"""What stands in a workflow's history, as whoever holds the key reads it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from countersign.adapters.keyring import KeyRing
from countersign.adapters.payload_codec import endpoint_codec


@dataclass(frozen=True)
class Line:
    """One event, decrypted; ``text`` is all that stands in it."""

    kind: str
    text: str
    event: HistoryEvent

    @property
    def is_message(self) -> bool:
        return self.kind in {"WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_EXECUTION_UPDATE_ACCEPTED"}


async def read_history(client: Client, keys: KeyRing, workflow_id: str, *, run_id: str | None = None) -> list[Line]:
    codec = endpoint_codec(keys, client.namespace)
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    lines = []
    async for event in handle.fetch_history_events():
        for payload in payloads_in(event):
            [plain] = await codec.decode([payload])
            payload.CopyFrom(plain)
        kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
        lines.append(Line(kind, f"{event} {[p.data.decode(errors='replace') for p in payloads_in(event)]}", event))
    return lines


async def read_description(client: Client, keys: KeyRing, workflow_id: str, *, run_id: str) -> str:
    """Return, decrypted, what ops see beside the history: search attributes, memo, summary, what it waits for."""
    codec = endpoint_codec(keys, client.namespace)
    described = (await client.get_workflow_handle(workflow_id, run_id=run_id).describe()).raw_description
    plain = [(await codec.decode([payload]))[0].data.decode(errors="replace") for payload in payloads_in(described)]
    return f"{described} {plain}"


async def every_workflow(client: Client) -> AsyncIterator[tuple[str, str]]:
    """Yield workflow and run ids."""
    async for execution in client.list_workflows():
        yield execution.id, execution.run_id


def payloads_in(message: Message) -> Iterator[Payload]:
    """Yield every payload in the message, however deep."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in _members(field, value):
                yield from payloads_in(each)


def _members(field: FieldDescriptor, value: Any) -> list[Message]:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        is_message = kind.fields_by_name["value"].type == FieldDescriptor.TYPE_MESSAGE
        return list(value.values()) if is_message else []
    return [value] if isinstance(value, Message) else list(value)
