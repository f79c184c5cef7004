"""Dumps of the embedded PostgreSQL, and databases made from them, by its own programs."""

import os
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from countersign.local.errors import StackError
from countersign.local.postgres import EmbeddedPostgres
from countersign.local.postgres_home import postgres_home
from countersign.local.postgres_roles import DATABASE, OWNER, ensure_groups

_RESTORING = "countersign_restoring"
_VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}


def dump_database(data: Path, owner_url: str, *, to: Path) -> None:
    """Write the database as it stands at one moment, without holding anybody up."""
    _run(data, owner_url, "pg_dump", "--format=custom", f"--file={to}")


def restore_database(data: Path, server: EmbeddedPostgres, dump: Path) -> None:
    """Put what the dump holds in the place of the database of a running server; a failure leaves it as it was."""
    ensure_groups(server.owner_url)
    _as_superuser(
        server,
        sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(_RESTORING)),
        sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(_RESTORING), sql.Identifier(OWNER)),
    )
    beside = server.owner_url.removesuffix(DATABASE) + _RESTORING
    _run(data, beside, "pg_restore", "--exit-on-error", "--no-owner", f"--dbname={_RESTORING}", str(dump))
    _as_superuser(
        server,
        sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)),
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(_RESTORING), sql.Identifier(DATABASE)),
    )


def _as_superuser(server: EmbeddedPostgres, *statements: sql.Composed) -> None:
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _run(data: Path, url: str, program: str, *arguments: str) -> None:
    # By the environment: everybody on the machine may read the arguments of a program, the password among them.
    found = conninfo_to_dict(url)
    environment = {variable: str(found[name]) for name, variable in _VARIABLES.items() if name in found}
    result = subprocess.run(
        (str(postgres_home(data).bin / program), *arguments),
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise StackError(f"{program} failed: {' '.join(result.stderr.split())[-300:]}")
