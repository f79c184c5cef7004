"""PostgreSQL as the application reaches it: there, up to date, private, and with no more rights than it needs."""

from datetime import UTC, datetime, timedelta

import psycopg
from pydantic import BaseModel

from countersign.checkup.findings import Finding, fault, is_loopback, ok, warning
from countersign.effects.work import found
from countersign.settings import Settings
from countersign.storage.database import Connection
from countersign.storage.health import Rights, Server, read_rights, read_server
from countersign.storage.migrate import newest_revision
from countersign.storage.refusals import why_not

_WHAT = "database"
_APART, _TOO_FAR_APART = timedelta(seconds=1), timedelta(seconds=5)
_PATIENCE_SECONDS = 5


_VERIFIED = frozenset({"verify-full", "verify-ca"})


class _Seen(BaseModel, frozen=True):
    host: str
    is_encrypted: bool
    ssl_mode: str
    server: Server
    rights: Rights
    apart: timedelta


async def check_database(settings: Settings) -> list[Finding]:
    """Return how the database is reached, and what the application's role may do there."""
    url = settings.database_url.get_secret_value()
    if not url:
        return [fault(_WHAT, "DATABASE_URL is not set.")]
    try:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=_PATIENCE_SECONDS
        ) as connection:
            seen = await _look(connection)
    except psycopg.Error as error:
        return [fault(_WHAT, why_not(error))]
    return [
        ok(_WHAT, "reachable"),
        _privacy(seen),
        _schema(seen.server),
        _clock(seen.apart),
        *_role(seen.rights),
    ]


async def _look(connection: Connection) -> _Seen:
    before = datetime.now(UTC)
    server = found(await read_server(connection))
    here = before + (datetime.now(UTC) - before) / 2
    return _Seen(
        host=connection.info.host,
        # Asked at this end: a proxy before the server may end the TLS.
        is_encrypted=bool(connection.pgconn.ssl_in_use),
        ssl_mode=connection.info.get_parameters().get("sslmode", "prefer"),
        server=server,
        rights=found(await read_rights(connection)),
        apart=abs(server.now - here),
    )


def _privacy(seen: _Seen) -> Finding:
    if is_loopback(seen.host):
        return ok(_WHAT, "on this machine" + (", with TLS" if seen.is_encrypted else ", without TLS"))
    if not seen.is_encrypted:
        return warning(_WHAT, "The connection is not encrypted: add sslmode=verify-full to DATABASE_URL.")
    if seen.ssl_mode in _VERIFIED:
        return ok(_WHAT, f"the connection is encrypted (TLS, {seen.ssl_mode})")
    told = f"The connection is encrypted, but with sslmode={seen.ssl_mode} whoever stands between could be the server"
    return warning(_WHAT, f"{told}: add sslmode=verify-full and sslrootcert to DATABASE_URL.")


def _schema(server: Server) -> Finding:
    newest = newest_revision()
    if server.revision == newest:
        return ok(_WHAT, f"the schema is the newest ({newest})")
    return fault(_WHAT, f"The schema is at {server.revision or 'none'}, not {newest}: run countersign migrate.")


def _clock(apart: timedelta) -> Finding:
    told = f"the clocks here and there are {apart.total_seconds():.1f} s apart"
    if apart < _APART:
        return ok("clock", told)
    level = warning if apart < _TOO_FAR_APART else fault
    return level("clock", f"{told}: let both follow a time server")


def _role(rights: Rights) -> list[Finding]:
    what = "database role"
    wrong = {
        "It is a superuser: use a login in the role countersign_app.": rights.is_superuser,
        "It owns the tables, and could change the audit trail's: use a login in the role countersign_app.": rights.owns,
        "It may change or delete audit events: revoke UPDATE, DELETE and TRUNCATE.": rights.changes_audit,
        "It may not do its work: grant it the role countersign_app.": not rights.works,
    }
    at_fault = [fault(what, told) for told, is_so in wrong.items() if is_so]
    return at_fault or [ok(what, "no superuser, owns nothing, and cannot change the audit trail")]
