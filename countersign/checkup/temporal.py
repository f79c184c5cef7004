"""Temporal as workers and the API reach it: there, private, with the namespace and the search attributes."""

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from countersign.adapters.temporal import SEARCH_ATTRIBUTES, Frontend
from countersign.adapters.temporal_tls import NotConnected, Tls, TlsUnusable
from countersign.checkup.findings import Finding, fault, is_loopback, ok, warning
from countersign.settings import Settings
from countersign.wiring import frontend, versions

_WHAT = "Temporal"
_PATIENCE = timedelta(seconds=5)
_SHORT = timedelta(days=7)
_SOON = timedelta(days=14)


async def check_temporal(settings: Settings) -> list[Finding]:
    """Return how Temporal is reached, and whether the namespace is made as it must be."""
    there = frontend(settings)
    try:
        found = [_privacy(there), *_certificate(there.tls)]
        # Without the codec: no payload is read here.
        client = await asyncio.wait_for(there.connect_without_keys(), _PATIENCE.total_seconds())
        found += [await _retention(client), await _attributes(client), *await _builds(client, settings)]
        return [ok(_WHAT, "reachable"), *found]
    except (TlsUnusable, NotConnected) as error:
        return [fault(_WHAT, str(error))]
    except TimeoutError:
        return [fault(_WHAT, "It does not answer: see TEMPORAL_ADDRESS.")]
    except RPCError as error:
        told = f"The namespace {settings.temporal_namespace} cannot be looked at ({error.status.name}): make it there."
        return [fault(_WHAT, told)]


def _privacy(there: Frontend) -> Finding:
    if there.is_encrypted:
        return ok(_WHAT, "the connection is encrypted (TLS)")
    if is_loopback(there.address.rpartition(":")[0]):
        return ok(_WHAT, "on this machine, without TLS")
    told = "The connection is not encrypted; payloads are, but not ids and names: set COUNTERSIGN_TEMPORAL_TLS=true."
    return warning(_WHAT, told)


def _certificate(tls: Tls) -> list[Finding]:
    end = tls.runs_out()
    if end is None:
        return []
    left = end - datetime.now(UTC)
    if left < timedelta():
        return []  # connecting tells of it
    if left < _SOON:
        told = f"Our certificate runs out on {end:%Y-%m-%d}: put a new one in its place and start the processes anew."
        return [warning(_WHAT, told)]
    return [ok(_WHAT, f"our certificate is good until {end:%Y-%m-%d}")]


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


async def _builds(client: Client, settings: Settings) -> list[Finding]:
    what = "workers' builds"
    seen = await versions(client, settings).read()
    if seen is None:
        told = "COUNTERSIGN_BUILD_ID is not set at any worker: a release with other workflows needs patches throughout"
        return [ok(what, told)]
    if seen.current is None:
        return [fault(what, "None is current, so no request begins: countersign versions promote BUILD.")]
    deserted = [fault(what, each.plight) for each in seen.builds if each.is_deserted]
    return deserted or [ok(what, f"{seen.current.build_id} is current, and every build that is needed has workers")]
