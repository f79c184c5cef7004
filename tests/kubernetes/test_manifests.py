"""What the manifests say of each other, and of the processes that they run."""

import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route
from typer.testing import CliRunner

from api.app import create_app
from api.serving import _GOODBYE_SECONDS
from countersign.cli import app
from countersign.settings import Settings
from tests.kubernetes.pods import Pod, pods
from tests.kubernetes.rendering import FOUNDATIONS, MANIFESTS, ROOT, Deployed, Manifest, deployed, render, rendered

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
FOR_THE_CLUSTER = {"/healthz", "/readyz", "/metrics"}


@pytest.fixture
def cluster() -> Deployed:
    return deployed("temporal-chart")


def test_every_pod_is_restricted_twice_over(cluster: Deployed) -> None:
    assert len(pods(cluster)) == 5
    for pod in pods(cluster):
        assert pod.spec["securityContext"] | {"fsGroupChangePolicy": None} == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "fsGroupChangePolicy": None,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert pod.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod.spec)
    assert cluster.of("Namespace")["countersign"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == (
        "restricted"
    )


def test_no_pod_can_speak_to_the_cluster(cluster: Deployed) -> None:
    accounts = cluster.of("ServiceAccount")
    for pod in pods(cluster):
        assert pod.spec["automountServiceAccountToken"] is False
        assert accounts[pod.spec["serviceAccountName"]]["automountServiceAccountToken"] is False
    assert len({pod.spec["serviceAccountName"] for pod in pods(cluster)}) == len(accounts) == 5


def test_every_container_says_what_it_needs_and_may_write_to_little(cluster: Deployed) -> None:
    for pod in pods(cluster):
        resources = pod.container["resources"]
        assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}
        writable = {each["mountPath"] for each in pod.container["volumeMounts"] if not each.get("readOnly")}
        assert writable == ({"/tmp", "/checkpoints"} if pod.component == "checkpoints" else {"/tmp"})  # noqa: S108


def test_every_container_runs_a_command_that_exists(cluster: Deployed) -> None:
    commands = [pod.container["args"] for pod in pods(cluster)]

    assert sorted(commands) == [["api"], ["audit", "checkpoint"], ["migrate"], ["verifier"], ["worker"]]
    assert [each for each in commands if CliRunner().invoke(app, [*each, "--help"]).exit_code] == []


def test_every_image_is_of_the_version_that_is_built_here(cluster: Deployed) -> None:
    assert {pod.container["image"] for pod in pods(cluster)} == {f"countersign:{VERSION}"}
    assert {pod.labels["app.kubernetes.io/version"] for pod in pods(cluster)} == {VERSION}
    assert _kinds(cluster)["Job"] == [f"countersign-migrate-{VERSION.replace('.', '-')}"]


def test_a_build_carries_its_version_in_all_its_places(cluster: Deployed) -> None:
    [build] = [each.name for each in (MANIFESTS / "builds").iterdir()]
    [worker] = [each for each in pods(cluster) if each.component == "worker"]

    assert build == worker.environment(cluster)["COUNTERSIGN_BUILD_ID"] == VERSION
    assert worker.owner == f"Deployment countersign-worker-{VERSION.replace('.', '-')}"
    assert worker.container["image"].endswith(f":{VERSION}")


def test_the_next_build_stands_beside_the_one_before_and_shares_nothing_with_it(tmp_path: Path) -> None:
    tree = tmp_path / "kubernetes"
    shutil.copytree(MANIFESTS, tree)
    new = tree / "builds/9.8.7/kustomization.yaml"
    new.parent.mkdir()
    text = (tree / f"builds/{VERSION}/kustomization.yaml").read_text(encoding="utf-8")
    new.write_text(text.replace(VERSION, "9.8.7").replace(VERSION.replace(".", "-"), "9-8-7"), encoding="utf-8")

    both = Deployed([*rendered(f"builds/{VERSION}"), *render(new.parent)])

    assert {kind: len(both.of(kind)) for kind in sorted({each["kind"] for each in both.manifests})} == {
        "ConfigMap": 2, "Deployment": 2, "PodDisruptionBudget": 2, "ScaledObject": 2,
    }  # fmt: skip
    assert all(len(found) == 1 for _, found in _selected(both))
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in both.of("ScaledObject").values()}
    assert scaled == set(both.of("Deployment"))
    images = {pod.container["image"]: pod.container["envFrom"][1]["configMapRef"]["name"] for pod in pods(both)}
    assert images["countersign:9.8.7"] == "countersign-build-9-8-7"
    assert both.of("ConfigMap")["countersign-build-9-8-7"]["data"] == {"COUNTERSIGN_BUILD_ID": "9.8.7"}


@pytest.mark.parametrize("component", ["api", "verifier", "worker"])
def test_probes_ask_a_port_that_the_process_listens_on(cluster: Deployed, component: str) -> None:
    [pod] = [each for each in pods(cluster) if each.component == component]
    probes = {name: pod.container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}

    assert {name: each["httpGet"]["path"] for name, each in probes.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    [port] = pod.container["ports"]
    assert {each["httpGet"]["port"] for each in probes.values()} == {port["name"]}
    listens = {
        "api": Settings().api_port,
        "verifier": Settings().verifier.port,
        "worker": int(pod.environment(cluster).get("COUNTERSIGN_WORKER_PORT", "0")),
    }
    assert port["containerPort"] == listens[component]
    # /readyz waits up to four seconds for each part.
    assert probes["readiness"]["timeoutSeconds"] > 4


def test_a_pod_has_time_to_stop(cluster: Deployed) -> None:
    given = {pod.component: pod.spec["terminationGracePeriodSeconds"] for pod in _services(cluster)}
    [api] = [pod for pod in _services(cluster) if pod.component == "api"]
    pause = api.container["lifecycle"]["preStop"]["sleep"]["seconds"]

    # Five seconds for what is under way, and for the worker as long as a provider is waited for.
    assert given["api"] > pause + _GOODBYE_SECONDS
    assert given["worker"] > _GOODBYE_SECONDS + Settings().provider_timeout_seconds
    assert given["verifier"] > pause + _GOODBYE_SECONDS


def test_whatever_selects_pods_selects_those_that_it_is_for(cluster: Deployed) -> None:
    selected = {name: [pod.component for pod in found] for name, found in _selected(cluster)}

    worker = f"countersign-worker-{VERSION.replace('.', '-')}"
    assert selected == {
        "Deployment countersign-api": ["api"],
        f"Deployment {worker}": ["worker"],
        "Deployment countersign-verifier": ["verifier"],
        "PodDisruptionBudget countersign-api": ["api"],
        "PodDisruptionBudget countersign-verifier": ["verifier"],
        f"PodDisruptionBudget {worker}": ["worker"],
        "PodMonitor countersign-api": ["api"],
        "PodMonitor countersign-verifier": ["verifier"],
        "PodMonitor countersign-worker": ["worker"],
        "Service countersign-api": ["api"],
        "Service countersign-verifier": ["verifier"],
    }


def test_the_workers_of_a_build_are_selected_by_their_build(cluster: Deployed) -> None:
    named = {name: selector for name, selector in _selectors(cluster) if "worker" in name and "PodMonitor" not in name}

    assert len(named) == 2
    assert {selector["app.kubernetes.io/version"] for selector in named.values()} == {VERSION}


def test_pods_of_one_kind_are_spread_over_nodes_and_zones(cluster: Deployed) -> None:
    for pod in _services(cluster):
        spread = pod.spec["topologySpreadConstraints"]
        assert [each["topologyKey"] for each in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        assert all(_matches(each["labelSelector"]["matchLabels"], pod) for each in spread)


def test_autoscalers_scale_what_exists_and_keep_two_at_least(cluster: Deployed) -> None:
    by_load = [each["spec"] for each in cluster.of("HorizontalPodAutoscaler").values()]
    [by_backlog] = [each["spec"] for each in cluster.of("ScaledObject").values()]
    deployments = cluster.of("Deployment")

    assert {each["scaleTargetRef"]["name"] for each in (*by_load, by_backlog)} == set(deployments)
    assert [by_backlog["minReplicaCount"], *(each["minReplicas"] for each in by_load)] == [2, 2, 2]
    assert not any("replicas" in each["spec"] for each in deployments.values())


def test_the_backlog_is_looked_up_with_what_the_worker_is_told(cluster: Deployed) -> None:
    [scaled] = cluster.of("ScaledObject").values()
    [worker] = [each for each in pods(cluster) if each.component == "worker"]
    [trigger] = scaled["spec"]["triggers"]
    told = {name: value for name, value in trigger["metadata"].items() if name.endswith("FromEnv")}

    assert scaled["spec"]["scaleTargetRef"]["envSourceContainerName"] == worker.container["name"]
    assert {name: worker.environment(cluster)[variable] for name, variable in told.items()} == {
        "endpointFromEnv": "temporal-frontend.temporal.svc.cluster.local:7233",
        "namespaceFromEnv": "countersign",
        "taskQueueFromEnv": "countersign",
        "workerDeploymentNameFromEnv": "countersign",
        "workerDeploymentBuildIdFromEnv": VERSION,
    }


@pytest.mark.parametrize("foundation", FOUNDATIONS)
def test_the_autoscaler_signs_in_as_the_foundation_says(foundation: str) -> None:
    cluster = deployed(foundation)
    [scaled] = cluster.of("ScaledObject").values()
    [trigger] = scaled["spec"]["triggers"]
    login = cluster.of("TriggerAuthentication")[trigger["authenticationRef"]["name"]]

    assert [(each["parameter"], each["key"]) for each in login["spec"].get("secretTargetRef", ())] == {
        "temporal-chart": [],
        "temporal-cloud": [("apiKey", "countersign_temporal_api_key")],
        "temporal-cloud-mtls": [("cert", "tls.crt"), ("key", "tls.key")],
    }[foundation]


def test_the_audit_file_has_one_writer_on_a_volume_for_one_pod(cluster: Deployed) -> None:
    told = {pod.component: pod.environment(cluster).get("COUNTERSIGN_AUDIT_CHECKPOINT_FILE") for pod in pods(cluster)}
    [claim] = cluster.of("PersistentVolumeClaim").values()
    [cron] = cluster.of("CronJob").values()
    [writer] = [each for each in pods(cluster) if each.component == "checkpoints"]

    assert {component for component, file in told.items() if file} == {"checkpoints"}
    assert told["checkpoints"] == "/checkpoints/audit.jsonl"
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    [volume] = [each for each in writer.spec["volumes"] if each["name"] == "checkpoints"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_the_ingress_leads_to_every_route_but_those_for_the_cluster(cluster: Deployed) -> None:
    [ingress] = cluster.of("Ingress").values()
    [rule] = ingress["spec"]["rules"]
    served = create_app(Settings(public_url="https://countersign.example.com"))
    routes = {each.path for each in served.routes if isinstance(each, Route | Mount)}

    paths = rule["http"]["paths"]
    hidden = {each for each in routes if not any(_leads_to(path, each) for path in paths)}

    assert len(routes) > 40
    assert hidden == FOR_THE_CLUSTER
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    service = cluster.of("Service")["countersign-api"]
    assert {path["backend"]["service"]["name"] for path in paths} == {service["metadata"]["name"]}
    assert {path["backend"]["service"]["port"]["name"] for path in paths} == {service["spec"]["ports"][0]["name"]}


def test_people_are_led_where_the_ingress_is(cluster: Deployed) -> None:
    [ingress] = cluster.of("Ingress").values()
    settings = cluster.of("ConfigMap")["countersign-settings"]["data"]

    assert settings["COUNTERSIGN_PUBLIC_URL"] == f"https://{ingress['spec']['rules'][0]['host']}"


def _services(cluster: Deployed) -> list[Pod]:
    return [each for each in pods(cluster) if each.component in {"api", "verifier", "worker"}]


def _leads_to(path: Mapping[str, str], route: str) -> bool:
    if path["pathType"] == "Exact":
        return route == path["path"]
    return route == path["path"] or route.startswith(f"{path['path'].rstrip('/')}/")


def _kinds(cluster: Deployed) -> dict[str, list[str]]:
    return {kind: list(cluster.of(kind)) for kind in {each["kind"] for each in cluster.manifests}}


def _selected(cluster: Deployed) -> Iterator[tuple[str, list[Pod]]]:
    for name, selector in _selectors(cluster):
        yield name, [pod for pod in pods(cluster) if _matches(selector, pod)]


def _selectors(cluster: Deployed) -> Iterator[tuple[str, dict[str, str]]]:
    for each in cluster.manifests:
        if each["kind"] in {"Deployment", "PodDisruptionBudget", "PodMonitor", "Service"}:
            yield f"{each['kind']} {each['metadata']['name']}", _selector(each)


def _selector(manifest: Manifest) -> dict[str, str]:
    selector: dict[str, Any] = manifest["spec"]["selector"]
    return selector if manifest["kind"] == "Service" else selector["matchLabels"]


def _matches(selector: Mapping[str, str], pod: Pod) -> bool:
    return selector.items() <= pod.labels.items()
