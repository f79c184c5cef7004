"""The database and the roles in an embedded PostgreSQL."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

DATABASE = "countersign"
OWNER = "countersign_owner"
APP_LOGIN = "countersign_app_login"
APP_GROUP = "countersign_app"
VERIFIER_LOGIN = "countersign_verifier_login"
VERIFIER_GROUP = "countersign_verifier"
SUPERUSER = "postgres"
_LOGINS = {APP_GROUP: APP_LOGIN, VERIFIER_GROUP: VERIFIER_LOGIN}

_Connection = psycopg.Connection[tuple[object, ...]]


def ensure_database(superuser_url: str, *, passwords: Mapping[str, str]) -> None:
    """Make the roles and the database where they are missing, and set the passwords; safe to repeat.

    The owner may create roles, so that the migrations can make the group that holds the application's rights.
    """
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        for role in (OWNER, APP_LOGIN, VERIFIER_LOGIN):
            _ensure_role(connection, role, passwords[role])
        connection.execute(sql.SQL("ALTER ROLE {} CREATEROLE").format(sql.Identifier(OWNER)))
        if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", DATABASE):
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            connection.execute(create.format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))


def grant_application(owner_url: str) -> None:
    """Give the logins of application and verifier the rights of the groups that the migrations made; safe to repeat."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for group, login in _LOGINS.items():
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(login)))


def ensure_groups(owner_url: str) -> None:
    """Make the groups that the migrations make: a dump holds rights, and no roles; safe to repeat."""
    # By the owner, who may then grant them.
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for group in _LOGINS:
            if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", group):
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(group)))


def _ensure_role(connection: _Connection, role: str, password: str) -> None:
    verb = "ALTER" if _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", role) else "CREATE"
    statement = sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))


def _exists(connection: _Connection, query: str, name: str) -> bool:
    return connection.execute(query.encode(), (name,)).fetchone() is not None
