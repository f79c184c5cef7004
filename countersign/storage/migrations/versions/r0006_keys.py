"""Key checks, and which process holds which keys."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0006_keys.sql")
