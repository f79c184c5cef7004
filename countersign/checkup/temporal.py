"""Temporal as workers and the API reach it: there, private, with the namespace and the search attributes."""

import asyncio
from datetime import timedelta

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from countersign.adapters.temporal import SEARCH_ATTRIBUTES
from countersign.checkup.findings import Finding, fault, is_loopback, ok, warning
from countersign.settings import Settings

_WHAT = "Temporal"
_PATIENCE = timedelta(seconds=5)
_SHORT = timedelta(days=7)


async def check_temporal(settings: Settings) -> list[Finding]:
    """Return how Temporal is reached, and whether the namespace is made as it must be."""
    try:
        client = await asyncio.wait_for(_connect(settings), _PATIENCE.total_seconds())
        return [ok(_WHAT, "reachable"), _privacy(settings), await _retention(client), await _attributes(client)]
    except (RuntimeError, TimeoutError):
        return [fault(_WHAT, "It does not answer: see TEMPORAL_ADDRESS, and …_TEMPORAL_TLS and …_TEMPORAL_API_KEY.")]
    except RPCError as error:
        told = f"The namespace {settings.temporal_namespace} cannot be looked at ({error.status.name}): make it there."
        return [fault(_WHAT, told)]


async def _connect(settings: Settings) -> Client:
    # Without the codec: no payload is read here.
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=settings.temporal_api_key.get_secret_value() or None,
        tls=settings.temporal_tls,
    )


def _privacy(settings: Settings) -> Finding:
    host = settings.temporal_address.rpartition(":")[0]
    if settings.temporal_tls:
        return ok(_WHAT, "the connection is encrypted (TLS)")
    if is_loopback(host):
        return ok(_WHAT, "on this machine, without TLS")
    told = "The connection is not encrypted; payloads are, but not ids and names: set COUNTERSIGN_TEMPORAL_TLS=true."
    return warning(_WHAT, told)


async def _retention(client: Client) -> Finding:
    request = DescribeNamespaceRequest(namespace=client.namespace)
    found = await client.workflow_service.describe_namespace(request, timeout=_PATIENCE)
    kept = found.config.workflow_execution_retention_ttl.ToTimedelta()
    told = f"the namespace {client.namespace} keeps histories for {kept.days} days"
    return ok(_WHAT, told) if kept >= _SHORT else warning(_WHAT, f"{told}: a week or more helps to look into things")


async def _attributes(client: Client) -> Finding:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    listed = await client.operator_service.list_search_attributes(request, timeout=_PATIENCE)
    missing = [name for name in SEARCH_ATTRIBUTES if name not in listed.custom_attributes]
    if missing:
        return fault(_WHAT, f"Search attributes are missing; make them (Keyword): {', '.join(missing)}.")
    return ok(_WHAT, "the search attributes are there")
