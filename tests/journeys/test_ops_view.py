from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.common import SearchAttributeKey

from countersign.adapters.payload_codec import ENCRYPTED, endpoint_codec
from tests.support.cast import Cast, Flow
from tests.support.fix import ask_for_activation, decide, decided, name_of, waiting_for_manager
from tests.support.patience import eventually

PLAIN_BY_NATURE = {"search_attributes", "indexed_fields", "header"}


async def details(flow: Flow) -> str:
    """Return what the Temporal UI shows as the workflow's current details."""
    metadata = await flow.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return str(metadata.current_details)


async def attribute(flow: Flow, name: str) -> str | None:
    attributes = (await flow.handle.describe()).typed_search_attributes
    return attributes.get(SearchAttributeKey.for_keyword(name))


async def summaries(flow: Flow, event_type: int) -> list[str]:
    """Return the summaries of all events of a type, as the codec endpoint shows them to the Temporal UI."""
    core = flow.person.core
    codec = endpoint_codec(core.keys, core.settings.temporal_namespace)
    history = await flow.handle.fetch_history()
    sealed = [each.user_metadata.summary for each in history.events if each.event_type == event_type]
    return [payload.data.decode() for payload in await codec.decode([each for each in sealed if each.data])]


def payloads(message: Message) -> Iterator[Payload]:
    """Yield every payload in a history event but those that Temporal itself must read."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.name in PLAIN_BY_NATURE:
            continue
        for name, each in _messages(value):
            # The SDK's own note of a local activity (its type, number and time) is plain; the result is not.
            if not (isinstance(message, MarkerRecordedEventAttributes) and name == "data"):
                yield from payloads(each)


def _messages(value: Any) -> list[tuple[str, Message]]:
    if isinstance(value, Message):
        return [("", value)]
    if hasattr(value, "items"):
        return [(name, each) for name, each in value.items() if isinstance(each, Message)]
    # Repeated fields are sequences without __iter__.
    return [("", each) for each in value if isinstance(each, Message)] if hasattr(value, "__getitem__") else []


async def test_the_workflow_says_what_it_is_about_in_its_id_type_and_summary(cast: Cast) -> None:
    fix = await cast.owner.create_fix("market_data")
    key = await cast.owner.create_api_key("market maker", permissions=["trade"])

    described = await fix.handle.describe()

    assert (described.id, described.workflow_type) == (f"create-fix-credentials/{fix.id}", "create-fix-credentials")
    assert await described.static_summary() == f"create-fix-credentials: {await name_of(fix)} (market_data)"
    summary = await (await key.handle.describe()).static_summary()
    assert summary == "create-api-key: market maker (read, trade)"


async def test_the_details_tell_step_deadline_what_it_waits_for_and_the_tries_left(cast: Cast) -> None:
    flow = await cast.sms_owner.create_fix()
    [code] = await flow.sent_codes("sms")
    await flow.enter_code(f"{(int(code) + 1) % 10**6:06}")

    told = await details(flow)

    assert f"**{await name_of(flow)}** waits for the two-factor code." in told
    assert "Step: `two_factor_code`" in told
    assert f"Until: {(await flow.shown())['expires_at'][:19].replace('T', ' ')} UTC" in told
    assert "Tries left: 4" in told


async def test_the_details_follow_the_request_from_step_to_step(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    told = []
    for go_on in (flow.to_secret, flow.to_choice, flow.to_account_manager):
        await go_on()
        told.append((await details(flow)).splitlines()[0])
    decided(await decide(cast.account_manager, await name_of(flow)))
    told.append(await details(flow))

    name = await name_of(flow)
    assert told == [
        f"**{name}** waits for the owner's word that the secret is saved.",
        f"**{name}** waits for ACTIVATE or ACTIVATE LATER.",
        f"**{name}** waits for the account manager.",
        f"**{name}**: activated.",
    ]


async def test_the_wait_for_the_account_manager_shows_the_next_reminder(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    assert "Next reminder: " in await details(flow)

    await flow.skip(hours=24, seconds=20)

    assert "Next reminder: " not in await details(flow)


async def test_account_and_kind_can_be_searched_for_from_the_start(cast: Cast) -> None:
    fix, key = await cast.owner.create_fix(), await cast.owner.create_api_key()

    for flow, kind in ((fix, "fix"), (key, "api_key")):
        assert await attribute(flow, "AccountId") == str(cast.owner.account_id)
        assert await attribute(flow, "CredentialKind") == kind
        assert await attribute(flow, "SessionName") is None


async def test_step_and_session_name_can_be_searched_for_when_the_account_manager_is_waited_for(cast: Cast) -> None:
    creation = await cast.owner.create_fix()
    await creation.to_choice()
    assert await attribute(creation, "ApprovalStep") is None
    await creation.choose("now")
    asked = await ask_for_activation(cast.second_owner, await cast.second_owner.inactive_fix())

    for flow in (creation, asked):
        await eventually(lambda flow=flow: attribute(flow, "ApprovalStep"))  # type: ignore[misc]
        assert await attribute(flow, "ApprovalStep") == "account_manager"
        assert await attribute(flow, "SessionName") == await name_of(flow)


async def test_an_approval_is_found_by_its_session_name(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    query = f"SessionName = '{await name_of(flow)}'"

    async def found() -> list[str]:
        return [each.id async for each in cast.core.client.list_workflows(query)]

    assert await eventually(found) == [flow.workflow_id]


async def test_timers_say_what_they_are_for(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    told = await summaries(flow, EventType.EVENT_TYPE_TIMER_STARTED)

    assert told == ['"two_factor_code: runs out, unless it is over by then"']


async def test_activities_say_what_they_do(cast: Cast) -> None:
    flow = await cast.sms_owner.create_fix()
    await flow.to_account_manager()

    sent = await summaries(flow, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    steps = await summaries(flow, EventType.EVENT_TYPE_MARKER_RECORDED)

    assert sent == ['"send code 1 by sms"']
    assert steps == ['"begin"', '"two_factor_code"', '"secret_saved"', '"activate"']


async def test_everything_in_a_history_is_encrypted(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    wrong = await decide(cast.account_manager, await name_of(flow), "reject", reason="limits not agreed")
    assert wrong.status_code == 200
    history = await flow.handle.fetch_history()

    found = [(event.event_type, payload) for event in history.events for payload in payloads(event)]

    # The SDK writes the names of patches in the clear: they tell of our code, and of nobody's request.
    plain = [payload.data for _, payload in found if payload.metadata["encoding"] != ENCRYPTED]
    assert all(b"a-timer-stays-when-the-deadline-moves-on" in data for data in plain), plain
    assert {event_type for event_type, _ in found} >= {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_MARKER_RECORDED,
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
    }
    raw = b"".join(HistoryEvent.SerializeToString(event) for event in history.events)
    assert b"limits not agreed" not in raw
    assert cast.owner.email.encode() not in raw
