"""Audit events: chained, partitioned by month, and signed checkpoints over them."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0004_audit_chain.sql")
