"""The settings of a command: those of the environment, or of the local stack that runs here."""

import os
from pathlib import Path

from countersign.settings import Settings, read_settings


def command_settings() -> Settings:
    """Return the settings; without COUNTERSIGN_MODE, what the local stack in the data folder wrote fills the gaps.

    Raises ``SettingsUnreadable``.
    """
    # Imported here: see countersign/cli/up.py.
    from countersign.local.environment import ENVIRONMENT_NAME
    from countersign.local.files import read_environment

    if "COUNTERSIGN_MODE" not in os.environ:
        folder = Path(os.environ.get("COUNTERSIGN_DATA", ".countersign"))
        for name, value in read_environment(folder / ENVIRONMENT_NAME).items():
            os.environ.setdefault(name, value)
    return read_settings()
