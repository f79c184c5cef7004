"""PostgreSQL by TLS: the parameters of libpq mean the same for the application, the migrations and the doctor."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from countersign.checkup.database import check_database
from countersign.checkup.findings import Level
from countersign.cli.processes import migrate as migrate_command
from countersign.domain.errors import Unavailable
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import Settings
from countersign.storage import database
from countersign.storage.database import Database, scalar
from countersign.storage.migrate import migrate
from tests.support.certificates import Authority
from tests.support.databases import OwnDatabase
from tests.support.patience import eventually
from tests.support.proxy import Proxy

_HOST = "db.example"
# Length and code (PostgreSQL's protocol, SSLRequest).
_SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


class Door(Proxy):
    """Speaks TLS as PostgreSQL does, once it is asked for it; the embedded one is built without."""

    context: ssl.SSLContext

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            head = await reader.readexactly(len(_SSL_REQUEST))
            if head == _SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(self.context)
                head = b""
            reader._buffer[:0] = head  # type: ignore[attr-defined]
            await super()._pass_on(reader, writer)


@dataclass(frozen=True)
class Secured:
    """A PostgreSQL behind a certificate for ``db.example``, and its address in several ways."""

    database: OwnDatabase
    port: int
    authority: Authority
    stranger: Authority

    def url(self, plain: str, *, mode: str, trusting: Authority | None = None, host: str = _HOST) -> str:
        trust = f"&sslrootcert={quote(str(trusting.file))}" if trusting else ""
        named = plain.replace(f"@127.0.0.1:{self.database.server.port}", f"@{host}:{self.port}")
        return f"{named}?hostaddr=127.0.0.1&sslmode={mode}{trust}"

    def app(self, *, mode: str, trusting: Authority | None = None, host: str = _HOST) -> str:
        return self.url(self.database.app_url, mode=mode, trusting=trusting, host=host)

    def owner(self, *, mode: str, trusting: Authority | None = None) -> str:
        return self.url(self.database.owner_url, mode=mode, trusting=trusting)


@pytest.fixture(scope="module")
async def secured(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority, stranger = Authority(folder, "authority"), Authority(folder, "stranger")
    certified = authority.certify(_HOST)
    Door.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Door.context.load_cert_chain(certified.certificate, certified.key)
    async with Door.to(postgres.port) as door:
        found = Secured(OwnDatabase.make(postgres), door.port, authority, stranger)
        await asyncio.to_thread(migrate, found.owner(mode="verify-full", trusting=authority))
        yield found


async def test_the_application_and_the_migrations_verify_the_server(secured: Secured) -> None:
    pool = Database(secured.app(mode="verify-full", trusting=secured.authority), pool_size=1)
    await pool.open()
    try:
        async with pool.connection() as connection:
            assert connection.pgconn.ssl_in_use
            assert await scalar(connection, "SELECT count(*) FROM alembic_version") == 1
    finally:
        await pool.close()


async def test_a_server_of_another_authority_is_refused_and_the_log_says_why(
    secured: Secured, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.5)
    url = secured.app(mode="verify-full", trusting=secured.stranger)
    pool = Database(url, pool_size=1)
    await pool.open()
    try:
        with caplog.at_level(logging.WARNING):
            with pytest.raises(Unavailable):
                await pool.ping()
            # On a busy machine a call is given up before the first try to connect has failed.
            await eventually(partial(_said, caplog), lambda said: "certificate verify failed" in said)
    finally:
        await pool.close()

    monkeypatch.setenv("COUNTERSIGN_MODE", "production")
    monkeypatch.setenv("DATABASE_URL", secured.owner(mode="verify-full", trusting=secured.stranger))
    with pytest.raises(Unavailable, match="of no authority that is trusted: see sslrootcert"):
        await asyncio.to_thread(migrate_command)


@pytest.mark.parametrize(
    ("how", "level", "told"),
    [
        ({"mode": "verify-full"}, Level.OK, "the connection is encrypted (TLS, verify-full)"),
        ({"mode": "verify-ca"}, Level.OK, "the connection is encrypted (TLS, verify-ca)"),
        ({"mode": "prefer"}, Level.WARNING, "with sslmode=prefer whoever stands between could be the server"),
        ({"mode": "disable"}, Level.WARNING, "The connection is not encrypted: add sslmode=verify-full"),
        ({"mode": "disable", "host": "localhost"}, Level.OK, "on this machine, without TLS"),
        ({"mode": "require", "host": "localhost"}, Level.OK, "on this machine, with TLS"),
        ({"mode": "verify-full", "host": "other.example"}, Level.FAULT, "Its certificate is for another host"),
    ],
)
async def test_the_doctor_tells_how_private_the_connection_is(
    secured: Secured, how: dict[str, str], level: Level, told: str
) -> None:
    found = await check_database(_settings(secured.app(trusting=secured.authority, **how)))

    assert [each.level for each in found if told in each.told] == [level]


async def test_the_doctor_tells_what_is_wrong_with_the_files(secured: Secured, tmp_path: Path) -> None:
    [strange] = await check_database(_settings(secured.app(mode="verify-full", trusting=secured.stranger)))
    assert (strange.level, strange.told[:51]) == (Level.FAULT, "Its certificate is of no authority that is trusted:")

    secured.stranger.file.rename(tmp_path / "away.pem")
    [missing] = await check_database(_settings(secured.app(mode="verify-full", trusting=secured.stranger)))
    (tmp_path / "away.pem").rename(secured.stranger.file)
    assert "The file of sslrootcert in DATABASE_URL cannot be used" in missing.told


def _settings(url: str) -> Settings:
    return Settings(database_url=SecretStr(url))


async def _said(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.text
