"""What the processes are told in a cluster: settings that exist, and all that a production service needs."""

import os
from collections.abc import Iterator

import pytest
from pydantic import AliasChoices, BaseModel

from api.verifier.checking import require_verifier_settings
from countersign.adapters.ring_text import KeyRingInvalid
from countersign.settings import Settings
from countersign.wiring import production_faults
from tests.kubernetes.pods import UNLISTED, Pod, pods
from tests.kubernetes.rendering import FOUNDATIONS, Deployed, deployed

SERVICES = ("api", "worker")


@pytest.fixture(params=FOUNDATIONS)
def foundation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cluster(foundation: str) -> Deployed:
    return deployed(foundation)


def test_every_setting_exists(cluster: Deployed) -> None:
    told = {name for pod in pods(cluster) for name in pod.environment(cluster)}

    assert sorted(told - set(_variables(Settings))) == []


def test_every_file_of_secrets_is_named_like_the_variable_that_it_stands_for(
    cluster: Deployed, foundation: str
) -> None:
    listed = {file for pod in pods(cluster) for files in pod.listed_secrets().values() for file in files}
    files = {each for each in (*listed, *UNLISTED[foundation]) if not each.startswith("tls.")}

    assert sorted(files - {name.lower() for name in _variables(Settings)}) == []


def test_api_and_worker_lack_nothing_that_production_needs(
    cluster: Deployed, foundation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pod in _services(cluster):
        settings = _settings(pod, cluster, UNLISTED[foundation], monkeypatch)

        assert [told for told, at_fault in production_faults(settings).items() if at_fault] == []
        assert settings.mode == "production"
        assert settings.database_url.get_secret_value() == "a secret"


def test_a_verifier_lacks_nothing_that_it_needs(cluster: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    [verifier] = [each for each in pods(cluster) if each.component == "verifier"]
    settings = _settings(verifier, cluster, (), monkeypatch)

    # The settings are complete; what stands for the ring is none.
    with pytest.raises(KeyRingInvalid):
        require_verifier_settings(settings)
    assert settings.mode == "production"


def test_temporal_is_spoken_to_as_the_foundation_says(
    cluster: Deployed, foundation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [worker] = [each for each in pods(cluster) if each.component == "worker"]

    settings = _settings(worker, cluster, UNLISTED[foundation], monkeypatch)

    host, port = settings.temporal_address.rsplit(":", 1)
    assert (host.endswith(".svc.cluster.local"), port) == (foundation == "temporal-chart", "7233")
    assert settings.temporal_tls is (foundation != "temporal-chart")
    assert bool(settings.temporal_api_key.get_secret_value()) is (foundation == "temporal-cloud")
    certificate = worker.environment(cluster).get("COUNTERSIGN_TEMPORAL_TLS_CERT_FILE")
    assert certificate == ("/run/secrets/tls.crt" if foundation == "temporal-cloud-mtls" else None)


def test_no_process_is_given_the_secrets_of_another(cluster: Deployed) -> None:
    given = {pod.component: set(pod.listed_secrets()) for pod in pods(cluster)}

    services = {"countersign-database", "countersign-services"}
    assert given == {
        "api": {*services, "countersign-api-keys"},
        "worker": {*services, "countersign-worker-keys"},
        "verifier": {"countersign-verifier-database", "countersign-verifier-keys"},
        "migrate": {"countersign-owner"},
        "checkpoints": {"countersign-database", "countersign-worker-keys"},
    }


def test_no_secret_is_in_a_variable_or_a_manifest(cluster: Deployed) -> None:
    secrets = {file for pod in pods(cluster) for files in pod.listed_secrets().values() for file in files}

    assert {name for pod in pods(cluster) for name in pod.environment(cluster) if name.lower() in secrets} == set()
    assert cluster.of("Secret") == {}


def _services(cluster: Deployed) -> list[Pod]:
    found = [each for each in pods(cluster) if each.component in SERVICES]
    assert sorted(each.component for each in found) == sorted(SERVICES)
    return found


def _settings(pod: Pod, cluster: Deployed, unlisted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of a pod; what would be read from a file stands in the variable."""
    for name in [each for each in os.environ if each.startswith(("COUNTERSIGN_", "DATABASE_URL", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    for name, value in pod.environment(cluster).items():
        monkeypatch.setenv(name, value)
    for file in (*(file for files in pod.listed_secrets().values() for file in files), *unlisted):
        monkeypatch.setenv(file.upper(), "a secret")
    return Settings()


def _variables(model: type[BaseModel], prefix: str = "COUNTERSIGN_") -> Iterator[str]:
    """Yield the variables that a model's settings are read from."""
    for name, field in model.model_fields.items():
        if isinstance(field.validation_alias, AliasChoices):
            yield from (str(each) for each in field.validation_alias.choices)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}"
