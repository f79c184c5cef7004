"""The manifests, rendered by kubectl as `kubectl apply -k` would send them."""

import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "deploy/kubernetes"
# One of these says where Temporal is; whatever it is, the others are applied after it.
FOUNDATIONS = ("temporal-chart", "temporal-cloud", "temporal-cloud-mtls")
PARTS = ("migrate", "checkpoints", "builds/0.1.0", "api", "verifier", "monitoring")
Manifest = dict[str, Any]


class CannotRender(Exception):
    """kubectl says what is wrong with a folder."""


def render(folder: Path) -> list[Manifest]:
    """Return what a folder comes to; raises ``CannotRender``."""
    command = (Path(sys.executable).with_name("kubectl"), "kustomize", folder)
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise CannotRender(ran.stderr)
    return [each for each in yaml.load_all(ran.stdout, Loader=yaml.CSafeLoader) if each]


@cache
def rendered(name: str) -> list[Manifest]:
    """Return what one of the folders comes to."""
    return render(MANIFESTS / name)


@dataclass(frozen=True)
class Deployed:
    """All that is in the cluster, with one of the foundations."""

    manifests: list[Manifest]

    def of(self, kind: str) -> dict[str, Manifest]:
        """Return the manifests of a kind by their names."""
        return {each["metadata"]["name"]: each for each in self.manifests if each["kind"] == kind}


def deployed(foundation: str) -> Deployed:
    """Return all that is in the cluster."""
    return Deployed([each for name in (foundation, *PARTS) for each in rendered(name)])
