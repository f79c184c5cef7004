"""docker-compose.yml and what belongs to it, as tests read them."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
_VARIABLE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")
Service = dict[str, Any]


def written() -> str:
    """Return the file as it is written."""
    return (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


@cache
def composed() -> dict[str, Any]:
    """Return the file with anchors resolved, and with the variables of ``filled.env``."""
    filled = variables(ROOT / "tests/deployment/filled.env")
    return dict(_filled(yaml.safe_load(written()), filled))


def _filled(node: Any, values: dict[str, str]) -> Any:
    """Return the node with its variables replaced: after parsing, as Compose does it."""
    if isinstance(node, dict):
        return {key: _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(each, values) for each in node]
    return _VARIABLE.sub(lambda found: values[found[1]] or found[2], node) if isinstance(node, str) else node


def asked_for() -> set[str]:
    """Return the names of the variables in the file."""
    return {found[1] for found in _VARIABLE.finditer(written())}


def variables(file: Path) -> dict[str, str]:
    """Return what a file of variables says."""
    lines = (line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def services() -> dict[str, Service]:
    """Return every service by its name."""
    return dict(composed()["services"])


def of_ours() -> dict[str, Service]:
    """Return the services that run our image."""
    return {name: each for name, each in services().items() if each["image"].startswith("countersign:")}


def jobs() -> dict[str, Service]:
    """Return the services that end by themselves."""
    return {name: each for name, each in services().items() if each["restart"] == "no"}


def secrets_of(service: Service) -> dict[str, str]:
    """Return the secrets of a service: under which name each is seen there, and which it is."""
    return dict(
        (each, each) if isinstance(each, str) else (each["target"], each["source"])
        for each in service.get("secrets", ())
    )


class Deployment:
    """A copy of what deploy/make-secrets works with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "deploy/secrets"
        shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("secrets", "certificates"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def make_secrets(self, command: str = "python -m countersign") -> subprocess.CompletedProcess[str]:
        """Run the script with a command of ours, by default the one that is installed here."""
        # By the path, since the script splits the command into words, and a checkout may lie in "my files".
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "COUNTERSIGN": command}
        script = self.folder / "deploy/make-secrets"
        return subprocess.run([script], env=environment, capture_output=True, text=True, check=False)
