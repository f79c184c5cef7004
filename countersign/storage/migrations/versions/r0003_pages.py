"""Sessions of browsers, heartbeats of workers."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0003_pages.sql")
