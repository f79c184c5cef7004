"""The payload codec: whatever Temporal stores was encrypted here, and nothing else is believed."""

import os
from collections.abc import Sequence
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    ActivitySerializationContext,
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from countersign.adapters.keyring import KeyNotHeld, KeyRing, Purpose

ENCRYPTED = b"binary/encrypted"
UNDECRYPTABLE = b"binary/undecryptable"
_CIPHER = b"aes-256-gcm/1"
_KEY_ID = "encryption-key-id"
_WORKFLOW_ID = "encryption-workflow-id"
_UNBOUND = ""
_NONCE_BYTES = 12
_KINDS = tuple(PydanticPayloadConverter().converters.values())


class Undecryptable(Exception):
    """The payload is plain, was changed, or belongs to another workflow, namespace or key ring."""


class PayloadCipher:
    """Encrypts single payloads of one namespace under the ring's payload key, and decrypts them."""

    def __init__(self, key_ring: KeyRing, namespace: str) -> None:
        key_ring.key(Purpose.PAYLOAD)  # a process without the key learns it now, not at the first payload
        self._key_ring = key_ring
        self._namespace = namespace
        self._ciphers: dict[str, AESGCM] = {}

    def encrypt(self, payload: Payload, *, workflow_id: str) -> Payload:
        """Return ``payload`` under AES-256-GCM, bound to the namespace and to ``workflow_id`` ("" for none)."""
        key_id = self._key_ring.current
        nonce = os.urandom(_NONCE_BYTES)
        bound = self._associated_data(key_id, workflow_id)
        ciphertext = self._cipher(key_id).encrypt(nonce, payload.SerializeToString(), bound)
        return Payload(
            metadata={
                "encoding": ENCRYPTED,
                "encryption-cipher": _CIPHER,
                _KEY_ID: key_id.encode(),
                _WORKFLOW_ID: workflow_id.encode(),
            },
            data=nonce + ciphertext,
        )

    def decrypt(self, payload: Payload) -> tuple[Payload, str]:
        """Return the plain payload and the workflow id it is bound to ("" for none), or raise ``Undecryptable``."""
        if payload.metadata.get("encoding") != ENCRYPTED:
            raise Undecryptable
        try:
            # get(), not []: looking up a missing key of a protobuf map writes it into the message.
            key_id = payload.metadata.get(_KEY_ID, b"").decode()
            workflow_id = payload.metadata.get(_WORKFLOW_ID, b"").decode()
            nonce, ciphertext = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
            plain = self._cipher(key_id).decrypt(nonce, ciphertext, self._associated_data(key_id, workflow_id))
            return Payload.FromString(plain), workflow_id
        except (KeyNotHeld, ValueError, InvalidTag, DecodeError):
            raise Undecryptable from None

    def _cipher(self, key_id: str) -> AESGCM:
        # Kept: to set one up takes as long as to encrypt a payload.
        if key_id not in self._ciphers:
            self._ciphers[key_id] = AESGCM(self._key_ring.key(Purpose.PAYLOAD, key_id))
        return self._ciphers[key_id]

    def _associated_data(self, key_id: str, workflow_id: str) -> bytes:
        parts = [_CIPHER, self._namespace.encode(), key_id.encode(), workflow_id.encode()]
        # Lengths first: without them two different bindings could share one text.
        return b"".join(len(part).to_bytes(4) + part for part in parts)


class EncryptionCodec(PayloadCodec, WithSerializationContext):
    """The codec of clients and workers.

    It never raises on what it cannot decrypt: an exception here would fail the workflow task for ever. It returns
    a payload of an encoding that no converter knows, so that the SDK drops such a signal and rejects such an
    update. A payload bound to a workflow id is good for that workflow alone; one that is not (the codec endpoint
    and headers know no workflow) is good for all of the namespace.
    """

    def __init__(self, cipher: PayloadCipher, *, workflow_id: str = _UNBOUND) -> None:
        self._cipher = cipher
        self._workflow_id = workflow_id

    def with_context(self, context: SerializationContext) -> Self:
        """Return this codec for the workflow that ``context`` names."""
        if isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            return type(self)(self._cipher, workflow_id=context.workflow_id or _UNBOUND)
        return type(self)(self._cipher)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads encrypted."""
        return [self._cipher.encrypt(payload, workflow_id=self._workflow_id) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads decrypted, each bad one as an empty payload of encoding ``UNDECRYPTABLE``."""
        return [self._decrypted(payload) for payload in payloads]

    def _decrypted(self, payload: Payload) -> Payload:
        try:
            plain, workflow_id = self._cipher.decrypt(payload)
        except Undecryptable:
            return _undecryptable()
        return plain if workflow_id in {_UNBOUND, self._workflow_id} else _undecryptable()


class EndpointCodec(PayloadCodec):
    """The codec behind the codec endpoint, for the Temporal UI and the ``temporal`` command.

    No request to it names a workflow: it believes the workflow id in the payload (which is authenticated), and what
    it encodes is bound to none. What is plain, or cannot be decrypted, it passes through unchanged.
    """

    def __init__(self, cipher: PayloadCipher) -> None:
        self._cipher = cipher

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads encrypted; those that are already stay as they are."""
        return [
            payload
            if payload.metadata.get("encoding") == ENCRYPTED
            else self._cipher.encrypt(payload, workflow_id=_UNBOUND)
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads decrypted where that is possible."""
        return [self._decrypted(payload) for payload in payloads]

    def _decrypted(self, payload: Payload) -> Payload:
        try:
            return self._cipher.decrypt(payload)[0]
        except Undecryptable:
            return payload


class OneConverter(CompositePayloadConverter):
    """Pydantic's payload converter, of which all share the parts.

    The SDK makes one for every activation and every workflow: each would build pydantic's type adapters again.
    """

    def __init__(self) -> None:
        super().__init__(*_KINDS)


class BoundConverter(DataConverter):
    """A data converter of which the codec alone is bound to a workflow.

    The SDK binds anew for every payload, and makes new converters each time.
    """

    def with_context(self, context: SerializationContext) -> Self:
        """Return this converter with the codec for the workflow that ``context`` names."""
        codec, bound = self.payload_codec, object.__new__(type(self))
        if isinstance(codec, EncryptionCodec):
            codec = codec.with_context(context)
        vars(bound).update(vars(self), payload_codec=codec)
        return bound


def data_converter(key_ring: KeyRing, namespace: str) -> DataConverter:
    """Return pydantic's converter with the encryption codec, failures encrypted too."""
    return BoundConverter(
        payload_converter_class=OneConverter,
        payload_codec=EncryptionCodec(PayloadCipher(key_ring, namespace)),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def endpoint_codec(key_ring: KeyRing, namespace: str) -> EndpointCodec:
    """Return the codec for the codec endpoint of ``namespace``."""
    return EndpointCodec(PayloadCipher(key_ring, namespace))


def _undecryptable() -> Payload:
    return Payload(metadata={"encoding": UNDECRYPTABLE})
