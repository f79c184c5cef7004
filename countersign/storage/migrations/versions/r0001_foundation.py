"""Accounts, people, credentials, requests, codes, notices, audit."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0001_foundation.sql")
