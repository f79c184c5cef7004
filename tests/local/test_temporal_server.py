import asyncio
import shutil
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from countersign.adapters.temporal import SEARCH_ATTRIBUTES, Frontend
from countersign.local.errors import StackError
from countersign.local.tcp_ports import free_port
from countersign.local.temporal_server import (
    EmbeddedTemporal,
    prepare_namespace,
    temporal_command,
)


async def _attributes(client: Client) -> set[str]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    return set((await client.operator_service.list_search_attributes(request)).custom_attributes)


def test_it_keeps_its_state_in_a_file_and_has_the_search_attributes(tmp_path: Path) -> None:
    with EmbeddedTemporal(port=free_port(), database=tmp_path / "temporal.db").running() as server:
        asyncio.run(prepare_namespace(Frontend(server.address)))
        asyncio.run(prepare_namespace(Frontend(server.address, namespace="another")))
        client = asyncio.run(Client.connect(server.address))
        assert set(SEARCH_ATTRIBUTES) <= asyncio.run(_attributes(client))
    assert (tmp_path / "temporal.db").exists()


async def test_a_server_that_does_not_answer_is_told_in_one_line() -> None:
    with pytest.raises(StackError, match=r"^Temporal does not answer at 127"):
        await prepare_namespace(Frontend(f"127.0.0.1:{free_port()}"))


def test_the_command_is_found_on_the_path_or_beside_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which(temporal_command())

    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(StackError, match="no `temporal` command"):
        temporal_command()
