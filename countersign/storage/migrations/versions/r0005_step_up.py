"""Holds of funds permissions, links that stop, refused decisions."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0005_step_up.sql")
