"""Databases of one's own in the PostgreSQL of the run, for tests that would disturb the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from countersign.local.postgres import EmbeddedPostgres
from countersign.local.postgres_roles import DATABASE, OWNER
from countersign.storage.migrate import migrate


@contextmanager
def migrated_postgres(data: Path, port: int) -> Iterator[EmbeddedPostgres]:
    """Run a PostgreSQL whose database is as the application finds it."""
    with EmbeddedPostgres(data, port, durable=False).running() as server:
        migrate(server.owner_url)
        server.grant_application()
        yield server


@dataclass(frozen=True)
class OwnDatabase:
    """A new, empty database."""

    name: str
    server: EmbeddedPostgres

    @classmethod
    def make(cls, server: EmbeddedPostgres) -> "OwnDatabase":
        name = f"own_{uuid4().hex}"
        create = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
        with psycopg.connect(server.superuser_url, autocommit=True) as connection:
            connection.execute(create)
        return cls(name, server)

    @classmethod
    def make_migrated(cls, server: EmbeddedPostgres) -> "OwnDatabase":
        database = cls.make(server)
        migrate(database.owner_url)
        return database

    def copy(self) -> "OwnDatabase":
        """Return a new database that holds the same; nobody may be connected to this one."""
        name = f"own_{uuid4().hex}"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
        statement = create.format(sql.Identifier(name), sql.Identifier(self.name), sql.Identifier(OWNER))
        with psycopg.connect(self.server.superuser_url, autocommit=True) as connection:
            connection.execute(statement)
        return OwnDatabase(name, self.server)

    @property
    def superuser_url(self) -> str:
        return self.server.superuser_url.removesuffix("/postgres") + f"/{self.name}"

    @property
    def owner_url(self) -> str:
        return self._named(self.server.owner_url)

    @property
    def app_url(self) -> str:
        return self._named(self.server.app_url)

    @property
    def verifier_url(self) -> str:
        return self._named(self.server.verifier_url)

    def end_connections(self) -> int:
        """End every connection to the database, as a restart of the server does; return how many."""
        query = """SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
                   WHERE datname = %s AND usename IS NOT NULL"""
        with psycopg.connect(self.server.superuser_url, autocommit=True) as connection:
            row = connection.execute(query, (self.name,)).fetchone()
        return int(row[0]) if row else 0

    def _named(self, url: str) -> str:
        return url.removesuffix(f"/{DATABASE}") + f"/{self.name}"
