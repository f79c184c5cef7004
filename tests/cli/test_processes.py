"""How the API process listens."""

from typing import Any

import pytest
import uvicorn

from countersign.cli.processes import api


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What uvicorn is told."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda _app, **options: told.update(options))
    monkeypatch.setenv("COUNTERSIGN_MODE", "production")
    return told


def test_nobodys_word_is_taken_for_where_a_caller_is(served: dict[str, Any]) -> None:
    api()

    assert served["proxy_headers"] is False


def test_the_word_of_named_proxies_is(served: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.1")

    api()

    assert (served["proxy_headers"], served["forwarded_allow_ips"]) == (True, "10.0.0.0/8,192.0.2.1")


def test_no_address_that_is_asked_for_is_logged(served: dict[str, Any]) -> None:
    api()

    assert (served["access_log"], served["server_header"]) == (False, False)
