"""The connection to Temporal."""

from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior

from countersign.adapters.keyring import KeyRing
from countersign.adapters.payload_codec import data_converter


async def connect(
    *, address: str, namespace: str, key_ring: KeyRing, api_key: str = "", tls: bool = False, lazy: bool = False
) -> Client:
    """Return a client of ``namespace`` whose payloads, failures and headers are encrypted.

    A lazy client connects at its first call, so that a process starts while Temporal is down; a worker cannot use one.
    Raises ``RuntimeError`` when the server does not answer (never if lazy).
    """
    return await Client.connect(
        address,
        namespace=namespace,
        api_key=api_key or None,
        tls=tls,
        lazy=lazy,
        data_converter=data_converter(key_ring, namespace),
        header_codec_behavior=HeaderCodecBehavior.CODEC,
    )
