"""Notices in order, and nudges that survive who was to give them."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0008_dispatching.sql")
