import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    CompositePayloadConverter,
    NexusSerializationContext,
    SerializationContext,
    WorkflowSerializationContext,
)

from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose, new_key_ring_json
from countersign.adapters.payload_codec import (
    ENCRYPTED,
    EncryptionCodec,
    EndpointCodec,
    PayloadCipher,
    data_converter,
    endpoint_codec,
)

RING_TEXT = new_key_ring_json()
RING = KeyRing.from_json(RING_TEXT, purposes=[Purpose.PAYLOAD])
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"the code is 042137"')
ONE = WorkflowSerializationContext(namespace="default", workflow_id="create-api-key/1")
TWO = WorkflowSerializationContext(namespace="default", workflow_id="create-api-key/2")


def codec(
    context: SerializationContext | None = None, *, ring: KeyRing = RING, namespace: str = "default"
) -> EncryptionCodec:
    unbound = EncryptionCodec(PayloadCipher(ring, namespace))
    return unbound.with_context(context) if context else unbound


def activity_of(workflow_id: str | None) -> ActivitySerializationContext:
    return ActivitySerializationContext(
        namespace="default",
        activity_id="1",
        activity_type="send",
        activity_task_queue="countersign",
        workflow_id=workflow_id,
        workflow_type="create-api-key",
        is_local=False,
    )


async def encoded(by: EncryptionCodec | EndpointCodec, payload: Payload = PLAIN) -> Payload:
    [result] = await by.encode([payload])
    return result


async def decoded(by: EncryptionCodec | EndpointCodec, payload: Payload) -> Payload:
    [result] = await by.decode([payload])
    return result


def is_undecryptable(payload: Payload) -> bool:
    return payload == Payload(metadata={"encoding": b"binary/undecryptable"})


async def test_a_payload_round_trips_and_shows_only_its_key_id_and_workflow_id() -> None:
    sealed = await encoded(codec(ONE))
    assert dict(sealed.metadata) == {
        "encoding": ENCRYPTED,
        "encryption-cipher": b"aes-256-gcm/1",
        "encryption-key-id": RING.current.encode(),
        "encryption-workflow-id": b"create-api-key/1",
    }
    assert b"042137" not in sealed.data
    assert await decoded(codec(ONE), sealed) == PLAIN


async def test_the_same_payload_never_looks_the_same_twice() -> None:
    assert (await encoded(codec(ONE))).data != (await encoded(codec(ONE))).data


async def test_an_activity_speaks_for_its_workflow() -> None:
    sealed = await encoded(codec(activity_of("create-api-key/1")))
    assert await decoded(codec(ONE), sealed) == PLAIN
    assert is_undecryptable(await decoded(codec(TWO), sealed))


@pytest.mark.parametrize(
    "context", [None, activity_of(None), NexusSerializationContext(endpoint="e", service="s", operation="o")]
)
async def test_without_a_workflow_a_payload_is_good_for_all_of_the_namespace(
    context: SerializationContext | None,
) -> None:
    sealed = await encoded(codec(context))
    assert sealed.metadata["encryption-workflow-id"] == b""
    assert await decoded(codec(TWO), sealed) == PLAIN


async def test_a_bound_payload_is_good_for_its_own_workflow_alone() -> None:
    sealed = await encoded(codec(ONE))
    assert is_undecryptable(await decoded(codec(TWO), sealed))
    assert is_undecryptable(await decoded(codec(), sealed))


@pytest.mark.parametrize("workflow_id", [b"create-api-key/2", b"", b"\xff"])
async def test_a_payload_cannot_be_bound_to_another_workflow_afterwards(workflow_id: bytes) -> None:
    sealed = await encoded(codec(ONE))
    sealed.metadata["encryption-workflow-id"] = workflow_id
    assert is_undecryptable(await decoded(codec(TWO), sealed))


async def test_a_payload_is_good_in_its_own_namespace_alone() -> None:
    sealed = await encoded(codec(ONE))
    assert is_undecryptable(await decoded(codec(ONE, namespace="other"), sealed))


async def test_a_payload_of_another_ring_is_undecryptable() -> None:
    sealed = await encoded(codec(ONE, ring=KeyRing.from_json(new_key_ring_json())))
    assert is_undecryptable(await decoded(codec(ONE), sealed))


@pytest.mark.parametrize(
    "payload",
    [
        Payload(),
        PLAIN,
        Payload(metadata={"encoding": ENCRYPTED}),
        Payload(metadata={"encoding": ENCRYPTED, "encryption-key-id": b"\xff"}, data=b"x" * 40),
        Payload(metadata={"encoding": ENCRYPTED, "encryption-key-id": b"gone"}, data=b"x" * 40),
        Payload(metadata={"encoding": b"binary/undecryptable"}, data=b"x"),
    ],
)
async def test_what_is_not_ours_decodes_to_an_empty_payload_that_no_converter_knows(payload: Payload) -> None:
    before = payload.SerializeToString(deterministic=True)
    assert is_undecryptable(await decoded(codec(ONE), payload))
    assert payload.SerializeToString(deterministic=True) == before


@given(position=st.integers(0, 1_000), flip=st.integers(1, 255))
async def test_one_changed_byte_makes_it_undecryptable(position: int, flip: int) -> None:
    sealed = await encoded(codec(ONE))
    changed = bytearray(sealed.data)
    changed[position % len(changed)] ^= flip
    sealed.data = bytes(changed)
    assert is_undecryptable(await decoded(codec(ONE), sealed))


async def test_one_bad_payload_does_not_spoil_its_neighbours() -> None:
    good, bad, also_good = await codec(ONE).decode([await encoded(codec(ONE)), PLAIN, await encoded(codec(ONE))])
    assert (good, also_good) == (PLAIN, PLAIN)
    assert is_undecryptable(bad)


async def test_the_endpoint_reads_the_payloads_of_every_workflow() -> None:
    endpoint = endpoint_codec(RING, "default")
    for context in (ONE, TWO, None):
        assert await decoded(endpoint, await encoded(codec(context))) == PLAIN


async def test_the_endpoint_passes_through_what_it_cannot_read() -> None:
    endpoint = endpoint_codec(RING, "default")
    foreign = await encoded(codec(ONE, ring=KeyRing.from_json(new_key_ring_json())))
    for payload in (PLAIN, Payload(), foreign, Payload(metadata={"encoding": ENCRYPTED}, data=b"x")):
        before = payload.SerializeToString(deterministic=True)
        assert (await decoded(endpoint, payload)).SerializeToString(deterministic=True) == before


async def test_the_endpoint_encrypts_once() -> None:
    endpoint = endpoint_codec(RING, "default")
    once = await encoded(endpoint)
    assert await encoded(endpoint, once) == once
    assert await decoded(codec(TWO), once) == PLAIN


def test_a_process_without_the_payload_key_is_told_at_once() -> None:
    with pytest.raises(KeyNotHeld):
        PayloadCipher(KeyRing.from_json(RING_TEXT, purposes=[Purpose.AUDIT]), "default")


async def test_a_bound_converter_reads_its_own_workflow_and_shares_all_else_with_the_unbound_one() -> None:
    unbound = data_converter(RING, "default")
    one, two = unbound.with_context(ONE), unbound.with_context(TWO)

    assert one.payload_converter is two.payload_converter is unbound.payload_converter
    assert one.failure_converter is two.failure_converter is unbound.failure_converter
    payloads = await one.encode(["042137"])
    assert await one.decode(payloads, [str]) == ["042137"]
    with pytest.raises(KeyError, match="binary/undecryptable"):
        await two.decode(payloads, [str])


def test_converters_that_the_sdk_makes_share_their_parts() -> None:
    made, another = (data_converter(RING, "default").payload_converter_class() for _ in range(2))
    assert isinstance(made, CompositePayloadConverter)
    assert isinstance(another, CompositePayloadConverter)

    assert made.converters == another.converters
