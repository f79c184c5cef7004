"""What the database says about itself and about who asks."""

from datetime import datetime

from pydantic import BaseModel

from countersign.storage.database import Connection, one, scalar


class Server(BaseModel, frozen=True):
    """The server's clock, and the schema's revision."""

    now: datetime
    revision: str | None = None


class Rights(BaseModel, frozen=True):
    """What the role of the connection may do."""

    is_superuser: bool
    owns: bool
    changes_audit: bool
    works: bool


async def read_server(connection: Connection) -> Server | None:
    """Return what the server says of itself; the revision is None where there is no schema."""
    server = await one(connection, Server, "SELECT clock_timestamp() AS now")
    if server is None or not await scalar(connection, "SELECT to_regclass('alembic_version') IS NOT NULL"):
        return server
    revision = await scalar(connection, "SELECT version_num FROM alembic_version")
    return server.model_copy(update={"revision": revision})


async def read_rights(connection: Connection) -> Rights | None:
    """Return what the present role may do, by itself or as a member of others."""
    query = """SELECT r.rolsuper AS is_superuser,
                   EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
                           AND pg_has_role(r.oid, c.relowner, 'USAGE')) AS owns,
                   EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('audit_events')
                           AND has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE')) AS changes_audit,
                   EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('audit_events')
                           AND has_table_privilege(r.oid, c.oid, 'INSERT')) AS works
               FROM pg_roles r WHERE r.rolname = current_user"""
    return await one(connection, Rights, query)
