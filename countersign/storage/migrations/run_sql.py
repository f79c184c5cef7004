"""Executes a migration's .sql file whole, in the migration's transaction."""

from pathlib import Path

from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run_sql(name: str) -> None:
    """Execute ``versions/<name>`` on the migration's connection."""
    op.get_bind().exec_driver_sql((VERSIONS / name).read_text(encoding="utf-8"))
