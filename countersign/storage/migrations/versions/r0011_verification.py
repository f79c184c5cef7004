"""What verifiers are told and what they write."""

from countersign.storage.migrations.run_sql import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run the file beside this one."""
    run_sql("0011_verification.sql")
