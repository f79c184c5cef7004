"""How many SMS were made on a day."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0007_sms_days.sql")
