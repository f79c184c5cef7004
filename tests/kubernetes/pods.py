"""The pods that the manifests make, and what their one container is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.kubernetes.rendering import Deployed, Manifest

# Secrets whose keys are not listed where they are mounted, because they depend on how Temporal is reached.
UNLISTED = {
    "temporal-chart": (),
    "temporal-cloud": ("countersign_temporal_api_key",),
    "temporal-cloud-mtls": ("tls.crt", "tls.key"),
}


@dataclass(frozen=True)
class Pod:
    """A pod's template."""

    owner: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def component(self) -> str:
        """What it is: api, worker, verifier, migrate or checkpoints."""
        return self.labels["app.kubernetes.io/component"]

    @property
    def container(self) -> dict[str, Any]:
        """Its one container."""
        [only] = self.spec["containers"]
        assert isinstance(only, dict)
        return only

    def environment(self, cluster: Deployed) -> dict[str, str]:
        """Return its environment variables, those of ConfigMaps included."""
        maps = cluster.of("ConfigMap")
        sources = [maps[each["configMapRef"]["name"]]["data"] for each in self.container.get("envFrom", ())]
        own = {each["name"]: each["value"] for each in self.container.get("env", ())}
        return {name: value for source in (*sources, own) for name, value in source.items()}

    def listed_secrets(self) -> dict[str, list[str]]:
        """Return the files in /run/secrets that must be there, by the Secret that they come from."""
        sources = [each["secret"] for each in self._projected() if "secret" in each]
        return {each["name"]: [item["path"] for item in each["items"]] for each in sources if "items" in each}

    def _projected(self) -> list[dict[str, Any]]:
        [mount] = [each for each in self.container["volumeMounts"] if each["mountPath"] == "/run/secrets"]
        [volume] = [each for each in self.spec["volumes"] if each["name"] == mount["name"]]
        sources: list[dict[str, Any]] = volume["projected"]["sources"]
        return sources


def pods(cluster: Deployed) -> list[Pod]:
    """Return every pod that is made in the cluster."""
    return [
        Pod(f"{each['kind']} {each['metadata']['name']}", template["metadata"]["labels"], template["spec"])
        for each in cluster.manifests
        for template in _templates(each)
    ]


def _templates(manifest: Manifest) -> Iterator[dict[str, Any]]:
    if manifest["kind"] in {"Deployment", "Job"}:
        yield manifest["spec"]["template"]
    elif manifest["kind"] == "CronJob":
        yield manifest["spec"]["jobTemplate"]["spec"]["template"]
