"""How the API process listens."""

from typing import Any

import pytest
import uvicorn

from countersign.adapters.keyring import derive_ring
from countersign.adapters.ring_text import KeyRingInvalid, RingText
from countersign.cli.processes import api
from countersign.wiring import WORKER_PURPOSES, held_purposes


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


def test_a_ring_that_was_derived_for_workers_is_refused_before_anything_is_served(
    served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = derive_ring(RingText.new(), held_purposes(WORKER_PURPOSES))
    monkeypatch.setenv("COUNTERSIGN_KEY_RING", workers.dump())

    with pytest.raises(KeyRingInvalid, match="holds no key for sign_in"):
        api()

    assert served == {}
