"""A terminal beside a local stack."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from temporalio.client import Client
from typer.testing import CliRunner, Result

from countersign.adapters.keyring import Purpose, load_key_ring
from countersign.cli import app
from countersign.cli.demo_walk import Walk
from countersign.cli.http import Api
from countersign.cli.narrator import Narrator
from countersign.domain.errors import DomainError
from countersign.local.environment import ENVIRONMENT_NAME
from countersign.local.files import read_environment
from countersign.local.sign_in import demo_token
from countersign.settings import Settings
from countersign.wiring import frontend

_OURS = ("COUNTERSIGN_", "DATABASE_URL", "TEMPORAL_ADDRESS")


@dataclass(frozen=True)
class Terminal:
    """Types commands; what the stack wrote into its data folder is all they know."""

    data: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**kept, "COUNTERSIGN_DATA": str(self.data), "COLUMNS": "80"}

    @property
    def settings(self) -> Settings:
        with mock.patch.dict(os.environ, read_environment(self.data / ENVIRONMENT_NAME)):
            return Settings()

    def type(self, *words: str, answer: str | None = None, **variables: str) -> Result:
        with mock.patch.dict(os.environ, {**self.environment, **variables}, clear=True):
            return CliRunner().invoke(app, words, input=answer)

    def run(self, *words: str, answer: str | None = None, **variables: str) -> str:
        result = self.type(*words, answer=answer, **variables)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def refused(self, *words: str, **variables: str) -> DomainError:
        result = self.type(*words, **variables)
        assert isinstance(result.exception, DomainError), (result.output, result.exception)
        return result.exception

    def token(self, user: str) -> str:
        return demo_token(self.settings, user)

    def api(self, user: str) -> Api:
        return Api(self.settings.public_url, self.token(user))

    def asked_for_activation(self) -> dict[str, Any]:
        """Return FIX credentials that wait for the account manager."""
        with self.api("sam") as sam, self.api("amy") as amy:
            walk = Walk(settings=self.settings, owner_name="sam", owner=sam, manager=amy, narrator=Silent())
            return walk.ask_account_manager()

    def terminate(self, workflow_id: str) -> None:
        async def now() -> None:
            await (await self._client()).get_workflow_handle(workflow_id).terminate()

        asyncio.run(now())

    def signal(self, workflow_id: str, name: str, argument: dict[str, str]) -> None:
        async def now() -> None:
            await (await self._client()).get_workflow_handle(workflow_id).signal(name, argument)

        asyncio.run(now())

    def schedules(self) -> list[str]:
        """Return the ids of Temporal's schedules."""

        async def now() -> list[str]:
            return [each.id async for each in await (await self._client()).list_schedules()]

        return asyncio.run(now())

    async def _client(self) -> Client:
        purposes = frozenset({Purpose.PAYLOAD})
        keys = load_key_ring(json_text="", file=self.settings.key_ring_file, purposes=purposes)
        return await frontend(self.settings).connect(keys)


class Silent(Narrator):
    def __init__(self) -> None:
        super().__init__(pause=False)
        self._console.quiet = True
