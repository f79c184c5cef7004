"""The doctor: a line for everything that is missing or unsafe, what to do about it, and never a secret."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from countersign.adapters.keyring import derive_ring, new_key_ring_json
from countersign.adapters.ring_text import RingText
from countersign.checkup.configuration import check_cookies, check_providers, check_settings
from countersign.checkup.database import check_database
from countersign.checkup.examination import examine
from countersign.checkup.files import check_files
from countersign.checkup.findings import Finding, Level, is_loopback
from countersign.checkup.keys import check_identity_provider, check_key_ring, check_token_keys
from countersign.checkup.temporal import check_temporal
from countersign.domain.rules import Rules
from countersign.local.postgres import EmbeddedPostgres
from countersign.settings import HttpLimits, Quotas, Settings
from countersign.wiring import WORKER_PURPOSES
from tests.cli.terminal import Terminal
from tests.support.certificates import Authority
from tests.support.databases import OwnDatabase
from tests.support.jwks import JwksServer

SID, TOKEN = f"AC{'0123456789abcdef' * 2}", "0123456789abcdef" * 2
SENDGRID = f"SG.{'a' * 22}.{'b' * 43}"
NOTHING = 9  # the port of RFC 863, where nobody listens


def sound(**changes: Any) -> Settings:
    """Settings of a production service without a fault."""
    settings = Settings(
        database_url=SecretStr("postgresql://app@db.example/x"),
        key_ring_file=Path("key-ring.json"),
        jwt_issuer="https://issuer.example",
        jwt_jwks_url="https://issuer.example/jwks.json",
        oidc_issuer="https://identity.example",
        oidc_client_id="countersign",
        oidc_client_secret=SecretStr("secret"),
        twilio_account_sid=SID,
        twilio_auth_token=SecretStr(TOKEN),
        twilio_from="+447700900000",
        sendgrid_api_key=SecretStr(SENDGRID),
        sendgrid_from="countersign@example.com",
        public_url="https://countersign.example",
        trusted_proxies="10.0.0.0/8",
        audit_checkpoint_file=Path("checkpoints"),
    )
    return settings.model_copy(update=changes)


def levels(found: list[Finding]) -> set[str]:
    return {str(each.level) for each in found}


def told(found: list[Finding], level: Level = Level.FAULT) -> str:
    return "\n".join(each.told for each in found if each.level is level)


async def test_settings_without_a_fault_are_ok() -> None:
    found = [*await check_settings(sound()), *await check_cookies(sound()), *await check_providers(sound())]
    assert levels(found) == {"ok"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"codec_open": True}, "COUNTERSIGN_CODEC_OPEN"),
        ({"public_url": "http://countersign.example"}, "COUNTERSIGN_PUBLIC_URL"),
        ({"trusted_proxies": "*"}, "trusts everyone"),
        ({"trusted_proxies": "0.0.0.0/0"}, "trusts everyone"),
        ({"trusted_proxies": "10.0.0.1, ::/0"}, "trusts everyone"),
        ({"trusted_proxies": "10.0.0.1, proxy.example"}, "no address and no network"),
        ({"jwt_jwks_url": "http://issuer.example"}, "COUNTERSIGN_JWT_JWKS_URL"),
    ],
)
async def test_what_production_refuses_is_a_fault_and_on_the_local_stack_a_warning_that_says_so(
    changes: dict[str, Any], line: str
) -> None:
    assert line in told(await check_settings(sound(**changes)))

    local = await check_settings(sound(mode="local", **changes))
    assert Level.FAULT not in levels(local)
    assert "Allowed on the local stack only." in told(local, Level.WARNING)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"quotas": Quotas(codes=0)}, "COUNTERSIGN_QUOTAS"),
        ({"http": HttpLimits(connections=0)}, "COUNTERSIGN_HTTP__CONNECTIONS"),
        ({"rules": Rules(sms_per_day=0)}, "SMS_PER_DAY"),
        ({"trusted_proxies": ""}, "COUNTERSIGN_TRUSTED_PROXIES"),
        ({"audit_checkpoint_file": None}, "COUNTERSIGN_AUDIT_CHECKPOINT_FILE"),
        ({"key_ring": SecretStr(new_key_ring_json())}, "prefer a file"),
    ],
)
async def test_what_is_unwise_is_a_warning(changes: dict[str, Any], line: str) -> None:
    found = await check_settings(sound(**changes))

    assert levels(found) == {"warning"}
    assert line in told(found, Level.WARNING)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"twilio_account_sid": "SK0123"}, "COUNTERSIGN_TWILIO_ACCOUNT_SID"),
        ({"twilio_auth_token": SecretStr("hush")}, "COUNTERSIGN_TWILIO_AUTH_TOKEN"),
        ({"twilio_from": "nobody@example.com"}, "COUNTERSIGN_TWILIO_FROM"),
        ({"sendgrid_api_key": SecretStr("hush")}, "COUNTERSIGN_SENDGRID_API_KEY"),
        ({"sendgrid_from": "countersign"}, "COUNTERSIGN_SENDGRID_FROM"),
    ],
)
async def test_keys_of_providers_that_look_like_none_are_named_and_not_shown(
    changes: dict[str, Any], name: str
) -> None:
    lines = told(await check_providers(sound(**changes)))

    assert name in lines
    assert "hush" not in lines


async def test_a_key_ring_that_others_can_read_is_a_fault(tmp_path: Path) -> None:
    ring = tmp_path / "key-ring.json"
    text = RingText.new()
    ring.write_text(derive_ring(text, WORKER_PURPOSES).dump())
    ring.chmod(0o600)
    assert levels(await check_key_ring(sound(key_ring_file=ring))) == {"ok"}
    ring.write_text(text.dump())
    assert "countersign keys derive" in told(await check_key_ring(sound(key_ring_file=ring)), Level.WARNING)
    assert levels(await check_key_ring(sound(key_ring_file=ring, mode="local"))) == {"ok"}

    ring.chmod(0o640)
    assert "chmod 600" in told(await check_key_ring(sound(key_ring_file=ring)))


async def test_files_of_secrets_that_every_user_can_read_are_a_warning(tmp_path: Path) -> None:
    secret, other, tls = (tmp_path / name for name in ("countersign_twilio_auth_token", "of-something-else", "tls.key"))
    for file in (secret, other, tls):
        file.write_text("hush")
        file.chmod(0o640)
    settings = sound(secrets=tmp_path, temporal_tls_key_file=tls)
    assert levels(await check_files(settings)) == {"ok"}

    for file in (secret, other, tls):
        file.chmod(0o644)
    found = await check_files(settings)

    assert [each.level for each in found] == [Level.WARNING, Level.WARNING]
    assert str(secret) in told(found, Level.WARNING)
    assert str(tls) in told(found, Level.WARNING)
    assert "hush" not in told(found, Level.WARNING)


async def test_a_key_ring_in_a_file_of_secrets_is_not_one_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "countersign_key_ring").write_text("…")
    settings = sound(secrets=tmp_path, key_ring=SecretStr(derive_ring(RingText.new(), WORKER_PURPOSES).dump()))

    assert levels(await check_settings(settings)) == {"ok"}
    assert "a file of secrets" in told(await check_key_ring(settings), Level.OK)


async def test_a_file_for_tls_that_cannot_be_read_is_a_fault(settings: Settings, tmp_path: Path) -> None:
    client = Authority(tmp_path, "authority").certify("client")

    found = await check_temporal(
        settings.model_copy(
            update={"temporal_tls_cert_file": client.certificate, "temporal_tls_key_file": tmp_path / "nowhere"}
        )
    )

    assert "COUNTERSIGN_TEMPORAL_TLS_KEY_FILE cannot be read" in told(found)


async def test_a_key_of_128_bits_is_a_fault_and_is_not_shown() -> None:
    short = json.dumps({"current": "k1", "keys": {"k1": "c2hvcnQgc2hvcnQgc2hvcg=="}})

    lines = told(await check_key_ring(sound(key_ring=SecretStr(short))))

    assert "at least 32 are needed" in lines
    assert "c2hvcnQ" not in lines


async def test_keys_of_tokens_are_fetched_and_looked_at() -> None:
    with JwksServer.running("k1") as server:
        assert levels(await check_token_keys(sound(jwt_jwks_url=server.url))) == {"ok"}
        server.answer = b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}'
        assert "can be used" in told(await check_token_keys(sound(jwt_jwks_url=server.url)))
        server.status = 500
        assert "cannot be had" in told(await check_token_keys(sound(jwt_jwks_url=server.url)))


async def test_an_identity_provider_that_does_not_answer_is_a_fault() -> None:
    settings = sound(oidc_issuer=f"http://127.0.0.1:{NOTHING}", mode="local")
    assert "cannot be had" in told(await check_identity_provider(settings))


async def test_the_database_of_the_application_is_as_it_should_be(settings: Settings) -> None:
    found = await check_database(settings)

    assert levels(found) == {"ok"}
    assert [each.what for each in found] == ["database", "database", "database", "clock", "database role"]


async def test_the_owner_or_a_superuser_is_no_role_for_the_application(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    owner = await check_database(settings.model_copy(update={"database_url": SecretStr(postgres.owner_url)}))
    assert "It owns the tables" in told(owner)

    superuser = postgres.superuser_url.rpartition("/")[0] + postgres.app_url[postgres.app_url.rindex("/") :]
    found = await check_database(settings.model_copy(update={"database_url": SecretStr(superuser)}))
    assert "It is a superuser" in told(found)


async def test_a_role_that_may_change_audit_events_and_a_schema_that_is_old_are_faults(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    database = OwnDatabase.make_migrated(postgres)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("GRANT UPDATE ON audit_events TO countersign_app")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")

    lines = told(await check_database(settings.model_copy(update={"database_url": SecretStr(database.app_url)})))

    assert "It may change or delete audit events" in lines
    assert "The schema is at 0001, not " in lines
    assert "run countersign migrate" in lines


async def test_a_database_without_a_schema_is_a_fault(settings: Settings, postgres: EmbeddedPostgres) -> None:
    empty = OwnDatabase.make(postgres)

    lines = told(await check_database(settings.model_copy(update={"database_url": SecretStr(empty.app_url)})))

    assert "The schema is at none" in lines


async def test_a_database_that_does_not_answer_is_a_fault_and_its_password_is_not_shown() -> None:
    url = SecretStr(f"postgresql://app:hush@127.0.0.1:{NOTHING}/x")

    [found] = await check_database(sound(database_url=url))

    assert found.level is Level.FAULT
    assert "hush" not in found.told


async def test_temporal_is_looked_at_and_a_short_retention_is_a_warning(settings: Settings) -> None:
    found = await check_temporal(settings)

    assert Level.FAULT not in levels(found)
    assert "on this machine, without TLS" in told(found, Level.OK)
    assert "the search attributes are there" in told(found, Level.OK)


async def test_temporal_that_does_not_answer_or_has_no_such_namespace_is_a_fault(settings: Settings) -> None:
    away = settings.model_copy(update={"temporal_address": f"127.0.0.1:{NOTHING}"})
    assert "does not answer" in told(await check_temporal(away))

    strange = settings.model_copy(update={"temporal_namespace": "strange"})
    assert "NOT_FOUND" in told(await check_temporal(strange))


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("[::1]", True), ("localhost", True), ("/run/postgresql", True), ("", True),
     ("temporal", False), ("10.0.0.1", False)],
)  # fmt: skip
def test_what_is_on_this_machine_needs_no_tls(host: str, here: bool) -> None:  # noqa: FBT001 - a table of truth
    assert is_loopback(host) == here


async def test_what_is_ill_does_not_keep_the_rest_from_being_seen() -> None:
    unwell = sound(database_url=SecretStr("postgresql://%zz"), key_ring_file=None, mode="local")

    found = await examine(unwell.model_copy(update={"oidc_issuer": "", "jwt_jwks_url": "", "temporal_address": "x"}))

    assert {"settings", "key ring", "database", "Temporal", "keys of tokens", "Twilio"} <= {each.what for each in found}


def test_the_local_stack_is_well_and_says_what_is_allowed_there_only(terminal: Terminal) -> None:
    result = terminal.type("doctor", "--json")

    found = [Finding.model_validate(each) for each in json.loads(result.output)]
    assert result.exit_code == 0, told(found)
    assert "Allowed on the local stack only." in told(found, Level.WARNING)
    assert {"key ring", "database", "Temporal", "identity provider"} <= {
        each.what for each in found if each.level is Level.OK
    }


def test_a_fault_ends_it_with_exit_code_1_and_a_line_that_says_what_to_do(terminal: Terminal) -> None:
    result = terminal.type("doctor", DATABASE_URL=f"postgresql://app:hush@127.0.0.1:{NOTHING}/x")

    assert result.exit_code == 1
    [line] = [each for each in result.output.splitlines() if each.startswith("fault")]
    assert "DATABASE_URL" in line
    assert "hush" not in result.output
