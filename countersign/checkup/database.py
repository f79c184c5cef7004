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

_WHAT = "database"
_APART, _TOO_FAR_APART = timedelta(seconds=1), timedelta(seconds=5)
_PATIENCE_SECONDS = 5


# What libpq says where TLS does not come about, and what is to be done.
_TLS_FAULTS = {
    "certificate verify failed": "Its certificate is of no authority that is trusted: see sslrootcert in DATABASE_URL.",
    "does not match host name": "Its certificate is for another host: see the host in DATABASE_URL.",
    "root certificate": "The file of sslrootcert in DATABASE_URL cannot be used: is it there, and PEM?",
    "certificate file": "The file of sslcert in DATABASE_URL cannot be used: is it there, and PEM?",
    "private key file": "The file of sslkey in DATABASE_URL cannot be used: is it there, PEM, and its owner's alone?",
    "does not support SSL": "It has no TLS, and DATABASE_URL demands it: see ssl in postgresql.conf.",
    "no encryption": "It takes no connection without TLS: add sslmode=verify-full to DATABASE_URL.",
    "requires a valid client certificate": "It demands a client certificate: see sslcert and sslkey in DATABASE_URL.",
}
_VERIFIED = frozenset({"verify-full", "verify-ca"})


class _Seen(BaseModel, frozen=True):
    host: str
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
        return [fault(_WHAT, _why_not(error))]
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
        ssl_mode=connection.info.get_parameters().get("sslmode", "prefer"),
        server=server,
        rights=found(await read_rights(connection)),
        apart=abs(server.now - here),
    )


def _why_not(error: psycopg.Error) -> str:
    told = next((told for sign, told in _TLS_FAULTS.items() if sign in str(error)), "")
    # What it says itself may hold the address, and the address the password.
    return told or f"It cannot be reached, or read, by DATABASE_URL ({type(error).__name__})."


def _privacy(seen: _Seen) -> Finding:
    if is_loopback(seen.host):
        return ok(_WHAT, "on this machine" + (", with TLS" if seen.server.is_encrypted else ", without TLS"))
    if not seen.server.is_encrypted:
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
