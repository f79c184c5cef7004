import stat
from pathlib import Path

import pytest

from countersign.cli.context import command_settings
from countersign.local.files import read_environment, write_environment, write_private


def test_a_private_file_is_readable_to_its_owner_alone(tmp_path: Path) -> None:
    write_private(tmp_path / "key", "text")

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_an_environment_file_gives_back_what_was_written(tmp_path: Path) -> None:
    variables = {"PLAIN": "value", "AWKWARD": 'it\'s = "quoted"\n# and on two lines', "EMPTY": "", "LIST": '["a", "b"]'}

    write_environment(tmp_path / "stack.env", variables)

    assert read_environment(tmp_path / "stack.env") == variables
    assert stat.S_IMODE((tmp_path / "stack.env").stat().st_mode) == 0o600


def test_a_missing_environment_file_is_an_empty_one(tmp_path: Path) -> None:
    assert read_environment(tmp_path / "stack.env") == {}


@pytest.fixture
def _stack_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"COUNTERSIGN_MODE": "local", "COUNTERSIGN_API_PORT": "1234", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    write_environment(tmp_path / "stack.env", variables)
    for name in variables:
        monkeypatch.setenv(name, "")  # so that it is put back after the test
        monkeypatch.delenv(name)
    monkeypatch.setenv("COUNTERSIGN_DATA", str(tmp_path))


@pytest.mark.usefixtures("_stack_env")
def test_a_command_finds_the_stack_that_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:2")

    settings = command_settings()

    assert (settings.mode, settings.api_port) == ("local", 1234)
    assert settings.temporal_address == "127.0.0.1:2"


@pytest.mark.usefixtures("_stack_env")
def test_a_command_with_a_mode_of_its_own_leaves_the_stack_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_MODE", "production")

    assert command_settings().api_port == 8080
