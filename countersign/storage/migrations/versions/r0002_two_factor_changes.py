"""Changes of two-factor methods, recovery codes."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0002_two_factor_changes.sql")
