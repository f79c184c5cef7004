"""Removing what is over and old enough, and nothing else."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0010_housekeeping.sql")
