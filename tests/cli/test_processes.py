"""How the API process listens, and what keeps a process from starting."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from api.serving import server_config
from countersign.adapters.keyring import Purpose, derive_ring
from countersign.adapters.ring_text import RingText
from countersign.cli.processes import _require_usable
from countersign.settings import HttpLimits, Settings
from countersign.wiring import API_PURPOSES, WORKER_PURPOSES, SettingsMissing, held_purposes


def served(**changes: object) -> uvicorn.Config:
    """Return what uvicorn is told."""
    return server_config(Starlette(), Settings().model_copy(update=changes))


def test_nobodys_word_is_taken_for_where_a_caller_is() -> None:
    assert served().proxy_headers is False


def test_the_word_of_named_proxies_is() -> None:
    config = served(trusted_proxies="10.0.0.0/8,192.0.2.1")

    assert (config.proxy_headers, config.forwarded_allow_ips) == (True, "10.0.0.0/8,192.0.2.1")


def test_no_address_that_is_asked_for_is_logged() -> None:
    assert (served().access_log, served().server_header) == (False, False)


def test_connections_and_their_patience_have_limits_which_are_settings() -> None:
    limits = HttpLimits(connections=7, keep_alive_seconds=3)
    config = served(http=limits)

    assert (config.limit_concurrency, config.timeout_keep_alive) == (7, 3)
    assert served().limit_concurrency == HttpLimits().connections


@pytest.mark.parametrize(
    ("ring", "told"), [("", "There is no key ring"), ('{"current": "k1"}', "key ring")], ids=["none", "a broken one"]
)
@pytest.mark.parametrize("purposes", [API_PURPOSES, WORKER_PURPOSES], ids=["api", "worker"])
def test_without_a_usable_key_ring_no_process_starts(ring: str, told: str, purposes: frozenset[Purpose]) -> None:
    settings = Settings(mode="local", database_url=SecretStr("x"), key_ring=SecretStr(ring))

    with pytest.raises(SettingsMissing, match=told):
        _require_usable(settings, purposes)


@pytest.mark.prove
def test_what_keeps_a_process_from_starting_is_told_without_a_traceback(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    environment |= {"COUNTERSIGN_MODE": "production", "DATABASE_URL": "postgresql://nobody:hush@127.0.0.1:9/none"}

    command = (sys.executable, "-m", "countersign", "api")
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr.startswith("countersign: COUNTERSIGN_KEY_RING_FILE is not set.")
    assert "Traceback" not in ended.stderr
    assert "hush" not in ended.stderr


def test_a_ring_that_was_derived_for_workers_is_refused_before_anything_is_served() -> None:
    workers = derive_ring(RingText.new(), held_purposes(WORKER_PURPOSES))
    settings = Settings(mode="local", database_url=SecretStr("x"), key_ring=SecretStr(workers.dump()))

    with pytest.raises(SettingsMissing, match="holds no key for sign_in"):
        _require_usable(settings, API_PURPOSES)
