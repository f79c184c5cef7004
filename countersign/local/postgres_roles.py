"""The database and the roles in an embedded PostgreSQL."""

import psycopg
from psycopg import sql

DATABASE = "countersign"
OWNER = "countersign_owner"
APP_LOGIN = "countersign_app_login"
APP_GROUP = "countersign_app"
SUPERUSER = "postgres"

_Connection = psycopg.Connection[tuple[object, ...]]


def ensure_database(superuser_url: str, *, owner_password: str, app_password: str) -> None:
    """Make the roles and the database where they are missing, and set the passwords; safe to repeat.

    The owner may create roles, so that the migrations can make the group that holds the application's rights.
    """
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        _ensure_role(connection, OWNER, owner_password)
        connection.execute(sql.SQL("ALTER ROLE {} CREATEROLE").format(sql.Identifier(OWNER)))
        _ensure_role(connection, APP_LOGIN, app_password)
        if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", DATABASE):
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(create.format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))


def grant_application(owner_url: str) -> None:
    """Give the application's login the rights of the group that the migrations made; safe to repeat."""
    grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(APP_GROUP), sql.Identifier(APP_LOGIN))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(grant)


def _ensure_role(connection: _Connection, role: str, password: str) -> None:
    verb = "ALTER" if _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", role) else "CREATE"
    statement = sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))


def _exists(connection: _Connection, query: str, name: str) -> bool:
    return connection.execute(query.encode(), (name,)).fetchone() is not None
