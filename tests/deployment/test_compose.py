"""docker-compose.yml: what no schema can see."""

import re
import subprocess
from pathlib import Path

import pytest
from pydantic import AliasChoices, SecretStr

from api.verifier.checking import require_verifier_settings
from countersign.adapters.temporal import SEARCH_ATTRIBUTES
from countersign.settings import Settings
from countersign.wiring import require_service_settings
from tests.support.compose import ROOT, Deployment, composed, jobs, of_ours, secrets_of, services, written

LONG_RUNNING = services().keys() - jobs().keys()
SERVING = ("api-1", "api-2", "worker", "worker-previous")
VERIFYING = ("verifier-1", "verifier-2")
BY_HAND = ("countersign_oidc_client_secret", "countersign_sendgrid_api_key", "countersign_twilio_auth_token")


def names_of(field: str) -> set[str]:
    """Return the variables that set a field."""
    alias = Settings.model_fields[field].validation_alias
    return set(map(str, alias.choices)) if isinstance(alias, AliasChoices) else {f"COUNTERSIGN_{field}".upper()}


NAMES = {name: field for field in Settings.model_fields for name in names_of(field)}


@pytest.mark.parametrize("name", services())
def test_every_image_is_pinned(name: str) -> None:
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+[\w.-]*|countersign:previous", services()[name]["image"])


@pytest.mark.parametrize("name", sorted(LONG_RUNNING))
def test_what_runs_for_long_is_watched_started_again_and_limited(name: str) -> None:
    service = services()[name]

    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()


@pytest.mark.parametrize("name", jobs())
def test_a_job_is_not_asked_for_the_health_of_an_api(name: str) -> None:
    assert jobs()[name]["healthcheck"] == {"disable": True}


@pytest.mark.parametrize("name", services())
def test_no_log_grows_without_end_and_nobody_gains_rights(name: str) -> None:
    service = services()[name]

    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", of_ours())
def test_what_is_ours_is_no_root_and_writes_to_tmp_and_volumes_alone(name: str) -> None:
    service = of_ours()[name]

    assert (service["read_only"], service["user"], service["cap_drop"]) == (True, "10001:10001", ["ALL"])
    assert [each.partition(":")[0] for each in service["tmpfs"]] == ["/tmp"]  # noqa: S108 - the mount of the container


def test_there_are_two_of_api_worker_and_verifier() -> None:
    assert services()["api-1"] == services()["api-2"]
    assert services()["verifier-1"] == services()["verifier-2"]
    assert services()["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", of_ours())
def test_every_setting_and_every_secret_of_ours_exists(name: str) -> None:
    given = {*of_ours()[name].get("environment", {}), *map(str.upper, secrets_of(of_ours()[name]))}

    assert {each.partition("__")[0] for each in given} <= NAMES.keys()


@pytest.mark.parametrize("name", of_ours())
def test_no_secret_is_given_in_the_environment(name: str) -> None:
    given = of_ours()[name].get("environment", {}).keys() & NAMES.keys()

    assert not [each for each in given if Settings.model_fields[NAMES[each]].annotation is SecretStr]


def test_what_others_read_from_the_environment_is_put_there_by_their_entrypoint_alone() -> None:
    for service in services().values():
        named = {each.upper() for each in secrets_of(service)}
        assert not named & service.get("environment", {}).keys()
        if "/deploy/with-secrets.sh" in service.get("entrypoint", ()):
            assert named in ({"SQL_PASSWORD"}, {"POSTGRES_PWD"}, {"TEMPORAL_AUTH_CLIENT_SECRET"})


@pytest.mark.parametrize("name", [*SERVING, VERIFYING[0]])
def test_with_the_secrets_that_are_made_no_production_service_lacks_a_setting(
    name: str, made: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = of_ours()[name]
    for target, source in secrets_of(service).items():
        file = made.secrets / source
        (tmp_path / target).write_text("given by hand" if source in BY_HAND else file.read_text())
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("COUNTERSIGN_SECRETS", str(tmp_path))

    settings = Settings()
    (require_verifier_settings if name in VERIFYING else require_service_settings)(settings)
    assert settings.mode == "production"


def test_only_migrations_are_the_owner_and_each_process_has_its_own_ring() -> None:
    given = {name: set(secrets_of(service).values()) for name, service in services().items()}

    assert [name for name, each in given.items() if "countersign_owner_database_url" in each] == ["migrate"]
    assert [name for name, each in given.items() if "countersign_api_key_ring" in each] == ["api-1", "api-2"]
    assert [name for name, each in given.items() if "countersign_worker_key_ring" in each] == [*SERVING[2:]]
    assert [name for name, each in given.items() if "countersign_verifier_key_ring" in each] == [*VERIFYING]
    assert [name for name, each in given.items() if "countersign_verifier_database_url" in each] == [*VERIFYING]


def test_only_those_who_need_the_database_or_the_engine_reach_them() -> None:
    reached = {
        net: {name for name, each in services().items() if net in each["networks"]} for net in ("database", "engine")
    }
    processes = {"api-1", "api-2", "worker", "worker-previous", "temporal"}

    assert reached["database"] == processes | {"postgres", "migrate", "temporal-schema", *VERIFYING}
    assert reached["engine"] == processes | {"temporal-namespace", "temporal-ui", "versions"}
    assert all(composed()["networks"][net]["internal"] for net in reached)


def test_only_the_proxy_can_be_reached_from_outside_and_its_word_alone_is_taken() -> None:
    address = services()["proxy"]["networks"]["front"]["ipv4_address"]

    assert [name for name, each in services().items() if "ports" in each] == ["proxy"]
    assert services()["api-1"]["environment"]["COUNTERSIGN_TRUSTED_PROXIES"] == address


def test_the_proxy_asks_every_api_process() -> None:
    caddyfile = (ROOT / "deploy/Caddyfile").read_text(encoding="utf-8")
    [upstreams] = re.findall(r"reverse_proxy ((?:api-\d:8080 ?)+)\{", caddyfile)

    assert upstreams.split() == [f"{name}:8080" for name in of_ours() if name.startswith("api-")]


def test_approvals_are_not_steered_from_the_temporal_ui() -> None:
    environment = services()["temporal-ui"]["environment"]

    assert environment["TEMPORAL_DISABLE_WRITE_ACTIONS"] == "true"
    assert environment["TEMPORAL_CODEC_ENDPOINT"] == "https://credentials.example.com/codec"


def test_workers_work_under_the_build_id_that_the_image_is_tagged_with() -> None:
    assert services()["versions"]["command"] == ["versions", "promote", services()["worker"]["image"].partition(":")[2]]
    assert "ENV COUNTERSIGN_BUILD_ID=$BUILD_ID" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_namespace_gets_the_search_attributes_that_workflows_use() -> None:
    script = (ROOT / "deploy/temporal-namespace.sh").read_text(encoding="utf-8")

    assert f"for name in {' '.join(SEARCH_ATTRIBUTES)}; do" in script


def test_a_file_of_secrets_becomes_a_variable_of_the_program_that_is_started(tmp_path: Path) -> None:
    (tmp_path / "postgres_pwd").write_text("it's a $ecret\n")
    command = ["sh", str(ROOT / "deploy/with-secrets.sh"), "sh", "-c", 'printf %s "$POSTGRES_PWD"']
    done = subprocess.run(
        command, env={"SECRETS": str(tmp_path), "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )

    assert done.stdout == b"it's a $ecret"


def test_what_is_given_no_value_stops_the_start() -> None:
    assert set(re.findall(r"\$\{(\w+):-", written())) == {"COUNTERSIGN_PREVIOUS_VERSION", "PROXY_TLS"}
    assert not re.findall(r"\$\{\w+\}", written())
