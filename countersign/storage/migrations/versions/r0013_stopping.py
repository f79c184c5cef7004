"""Stopping everything: what is frozen for all accounts, and where something is active."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0013_stopping.sql")
