"""What lists, pages and queues are read by."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0009_reads.sql")
