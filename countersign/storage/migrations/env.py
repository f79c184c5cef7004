"""Alembic's entry: one transaction per upgrade, under an advisory lock so that two starters do not race."""

from alembic import context
from sqlalchemy import NullPool, create_engine, text

_LOCK = 5_230_917

_engine = create_engine(context.config.attributes["url"], poolclass=NullPool)

with _engine.connect() as _connection:
    context.configure(connection=_connection)
    with context.begin_transaction():
        _connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.run_migrations()
    _connection.commit()
