"""Trading limits of API keys."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0012_trading_limits.sql")
