"""Settings: from the environment or from files of secrets, each described, and told clearly where it is wrong."""

import os
from pathlib import Path

import pytest

from countersign.settings import Settings, SettingsUnreadable, read_settings
from tests import settings_table


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of secrets, and an environment without settings."""
    for name in list(os.environ):
        if name.startswith(("COUNTERSIGN_", "DATABASE_URL", "TEMPORAL_ADDRESS")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COUNTERSIGN_SECRETS", str(tmp_path))
    return tmp_path


def test_the_table_of_settings_is_that_of_the_code() -> None:
    assert settings_table.FILE.read_text(encoding="utf-8") == settings_table.document(), (
        "write it anew: python -m tests.settings_table --write"
    )


def test_every_setting_is_described_in_a_sentence() -> None:
    assert settings_table.undescribed() == []


def test_any_setting_may_be_a_file_whose_last_line_break_does_not_count(secrets: Path) -> None:
    (secrets / "database_url").write_text("postgresql://app@db.example/x\n")
    (secrets / "countersign_twilio_auth_token").write_text("token\r\n")
    (secrets / "countersign_rules").write_text('{"sms_per_day": 5}')

    found = read_settings()

    assert found.database_url.get_secret_value() == "postgresql://app@db.example/x"
    assert found.twilio_auth_token.get_secret_value() == "token"
    assert found.rules.sms_per_day == 5


def test_secrets_that_kubernetes_mounts_as_links_into_a_hidden_folder_are_read(secrets: Path) -> None:
    (secrets / "..2026_11").mkdir()
    (secrets / "..2026_11" / "countersign_twilio_from").write_text("+447700900000")
    (secrets / "..data").symlink_to("..2026_11")
    (secrets / "countersign_twilio_from").symlink_to("..data/countersign_twilio_from")

    assert read_settings().twilio_from == "+447700900000"


def test_the_environment_wins_over_a_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "countersign_task_queue").write_text("of-the-file")
    monkeypatch.setenv("COUNTERSIGN_TASK_QUEUE", "of-the-environment")

    assert read_settings().task_queue == "of-the-environment"


def test_a_folder_of_secrets_that_is_not_there_is_told(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_SECRETS", str(secrets / "nowhere"))

    with pytest.raises(SettingsUnreadable, match=r"COUNTERSIGN_SECRETS names .*nowhere, and there is no such folder"):
        read_settings()


def test_the_usual_folder_may_be_missing(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERSIGN_SECRETS")
    monkeypatch.setattr("countersign.settings._USUAL_SECRETS", secrets / "nowhere")

    assert read_settings().task_queue == "countersign"


def test_where_the_usual_folder_is_there_it_is_read_unasked(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERSIGN_SECRETS")
    monkeypatch.setattr("countersign.settings._USUAL_SECRETS", secrets)
    (secrets / "countersign_task_queue").write_text("of-the-file\n")

    assert read_settings().task_queue == "of-the-file"


def test_a_secret_that_is_not_text_is_told_and_not_shown(secrets: Path) -> None:
    (secrets / "countersign_twilio_auth_token").write_bytes(b"hush\xff")

    with pytest.raises(SettingsUnreadable, match="twilio_auth_token") as told:
        read_settings()
    assert "hush" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COUNTERSIGN_API_PORT", "hush"),
        ("COUNTERSIGN_QUOTAS__CODES", "-1"),
        ("COUNTERSIGN_RULES", '{"code_lifetime": "-PT1S"}'),
        ("COUNTERSIGN_CODEC_CORS_ORIGINS", "hush"),
        ("COUNTERSIGN_MODE", "hush"),
    ],
)
def test_a_wrong_value_is_told_by_its_name_and_not_shown(
    name: str, value: str, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsUnreadable) as told:
        read_settings()
    assert name.removeprefix("COUNTERSIGN_").lower() in str(told.value).lower()
    assert "hush" not in str(told.value)


def test_settings_are_read_from_nowhere_else(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(secrets)
    (secrets / ".env").write_text("COUNTERSIGN_TASK_QUEUE=of-a-dotenv\n")

    assert Settings().task_queue == "countersign"
