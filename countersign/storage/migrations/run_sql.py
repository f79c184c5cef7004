"""Executes a migration's .sql file whole, in the migration's transaction."""

from pathlib import Path

from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run_sql(name: str) -> None:
    """Execute ``versions/<name>`` on the migration's connection."""
    # Without this, every percent sign in the file would be taken for the beginning of a parameter.
    connection = op.get_bind().execution_options(no_parameters=True)
    connection.exec_driver_sql((VERSIONS / name).read_text(encoding="utf-8"))
