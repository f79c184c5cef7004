"""Worker and API as processes with rings of their own, on a database where keys come and go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
from pydantic import SecretStr

from countersign.adapters.keyring import Purpose, derive_ring
from countersign.adapters.ring_text import RingText
from countersign.local.issuer import Issuer
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.wiring import API_PURPOSES, WORKER_PURPOSES, Parts, held_purposes, parts
from tests.support.cast import Cast, Providers
from tests.support.databases import OwnDatabase
from tests.support.stage import api_of
from tests.support.workers import working

FIRST = RingText.new()
BOTH_KNOWN = FIRST.with_next()
TAKEN_OVER = BOTH_KNOWN.taken_over()
ALONE = TAKEN_OVER.without(FIRST.current)


@dataclass
class Place:
    """A database and a task queue of its own, whose processes are replaced by ones with other rings."""

    settings: Settings
    issuer: Issuer
    providers: Providers
    casts: list[Cast] = field(default_factory=list)

    @classmethod
    def make(cls, postgres: EmbeddedPostgres, settings: Settings, issuer: Issuer, providers: Providers) -> "Place":
        changes = {
            "database_url": SecretStr(OwnDatabase.make_migrated(postgres).app_url),
            "task_queue": f"keys-{uuid4()}",
            "database_pool_size": 20,
            "message_timeout_seconds": 20.0,  # many people at once, on workers that have just begun
        }
        return cls(settings.model_copy(update=changes), issuer, providers)

    def with_ring(self, ring: RingText) -> Settings:
        return self.settings.model_copy(update={"key_ring": SecretStr(ring.dump())})

    @asynccontextmanager
    async def served(self, ring: RingText) -> AsyncIterator["Processes"]:
        """An API without a worker: people can be there, and nothing that needs a workflow goes on."""
        async with (
            parts(self.with_ring(ring), purposes=frozenset(Purpose), lazy=True) as core,
            api_of(self.with_ring(derive_ring(ring, held_purposes(API_PURPOSES)))) as http,
        ):
            yield Processes(self, core, http)

    @asynccontextmanager
    async def at_work(self, *, api: RingText, worker: RingText) -> AsyncIterator["Processes"]:
        """A worker and an API, each with a ring derived for it alone; whoever entered before goes on with them."""
        workers = derive_ring(worker, held_purposes(WORKER_PURPOSES))
        apis = derive_ring(api, held_purposes(API_PURPOSES))
        async with (
            parts(self.with_ring(workers), purposes=WORKER_PURPOSES, lazy=False) as core,
            working(core),
            api_of(self.with_ring(apis)) as http,
        ):
            processes = Processes(self, core, http)
            for cast in self.casts:
                processes.welcome(cast)
            yield processes


@dataclass
class Processes:
    """What is at work at present."""

    place: Place
    core: Parts
    http: httpx.AsyncClient

    async def enter(self) -> Cast:
        cast = await Cast.enter(self.core, http=self.http, issuer=self.place.issuer, providers=self.place.providers)
        self.place.casts.append(cast)
        return cast

    def welcome(self, cast: Cast) -> None:
        """Let the people of the cast call these processes from now on."""
        for name in Cast.__dataclass_fields__:
            if name not in {"providers", "core"}:
                person = getattr(cast, name)
                person.core, person.http = self.core, self.http
