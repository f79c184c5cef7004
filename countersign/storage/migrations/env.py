"""Alembic's entry: one transaction per upgrade, under an advisory lock so that two starters do not race."""

from functools import partial

import psycopg
from alembic import context
from sqlalchemy import NullPool, create_engine, text

_LOCK = 5_230_917

# libpq reads the address, as it does for the application: several hosts, TLS and its files mean the same in both.
_connect = partial(psycopg.connect, context.config.attributes["url"])
_engine = create_engine("postgresql+psycopg://", creator=_connect, poolclass=NullPool)

with _engine.connect() as _connection:
    context.configure(connection=_connection)
    with context.begin_transaction():
        _connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.run_migrations()
    _connection.commit()
