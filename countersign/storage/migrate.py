"""Brings the database schema up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(url: str, *, revision: str = "head") -> None:
    """Apply all migrations up to ``revision`` as the owner role at ``url``; safe to repeat and to run twice at once."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    command.upgrade(config, revision)


def newest_revision() -> str | None:
    """Return the revision that the migrations of this release lead to."""
    return ScriptDirectory(str(_SCRIPTS)).get_current_head()
