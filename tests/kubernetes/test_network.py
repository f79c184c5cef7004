"""Who may speak to whom, as the network policies say it."""

from typing import Any

import pytest

from tests.kubernetes.pods import Pod, pods
from tests.kubernetes.rendering import FOUNDATIONS, Deployed, deployed

PRIVATE = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"}


@pytest.fixture(params=FOUNDATIONS)
def cluster(request: pytest.FixtureRequest) -> Deployed:
    return deployed(request.param)


def test_nothing_goes_in_or_out_by_default(cluster: Deployed) -> None:
    policy = cluster.of("NetworkPolicy")["nothing-by-default"]["spec"]

    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_each_kind_of_pod_reaches_what_it_needs_and_nothing_else(cluster: Deployed) -> None:
    reached = {pod.component: _ports(cluster, pod, "egress") for pod in pods(cluster)}

    services = {53, 5432, 443, 4318, 7233}
    assert reached == {
        "api": services,
        "worker": services,
        "verifier": {53, 5432, 443},
        "migrate": {53, 5432},
        "checkpoints": {53, 5432},
    }


def test_only_api_worker_and_verifier_are_reached_and_only_at_their_ports(cluster: Deployed) -> None:
    reached = {pod.component: _ports(cluster, pod, "ingress") for pod in pods(cluster)}

    assert reached == {
        "api": {"http"}, "worker": {"metrics"}, "verifier": {"http"}, "migrate": set(), "checkpoints": set(),
    }  # fmt: skip
    names = {pod.component: {each["name"] for each in pod.container.get("ports", ())} for pod in pods(cluster)}
    assert names == reached


def test_each_service_is_reached_from_the_namespaces_that_need_it(cluster: Deployed) -> None:
    sources = {
        pod.component: {
            source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            for rule in _rules(cluster, pod, "ingress")
            for source in rule["from"]
        }
        for pod in pods(cluster)
        if pod.component in {"api", "worker", "verifier"}
    }

    assert sources == {
        "api": {"ingress", "monitoring"}, "worker": {"monitoring"}, "verifier": {"gateways", "monitoring"},
    }  # fmt: skip


def test_every_way_out_names_where_to_and_the_internet_is_without_private_networks(cluster: Deployed) -> None:
    rules = [rule for pod in pods(cluster) for rule in _rules(cluster, pod, "egress")]

    assert all(rule["to"] and rule["ports"] for rule in rules)
    blocks = [to["ipBlock"] for rule in rules for to in rule["to"] if "ipBlock" in to]
    everywhere = [each for each in blocks if each["cidr"] == "0.0.0.0/0"]
    assert everywhere
    assert all(set(each["except"]) >= PRIVATE for each in everywhere)


def _ports(cluster: Deployed, pod: Pod, way: str) -> set[int | str]:
    return {port["port"] for rule in _rules(cluster, pod, way) for port in rule["ports"]}


def _rules(cluster: Deployed, pod: Pod, way: str) -> list[dict[str, Any]]:
    return [
        rule
        for policy in cluster.of("NetworkPolicy").values()
        if _selects(policy["spec"]["podSelector"], pod)
        for rule in policy["spec"].get(way, ())
    ]


def _selects(selector: dict[str, Any], pod: Pod) -> bool:
    labels = selector.get("matchLabels", {}).items() <= pod.labels.items()
    return labels and all(
        each["operator"] == "In" and pod.labels.get(each["key"]) in each["values"]
        for each in selector.get("matchExpressions", ())
    )
