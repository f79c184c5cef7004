"""Backups of a running stack, restored to different moments: nothing is activated by it, and what can go on goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.support.processes import Creation, RunningStack, running_stack, wait_until


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    with running_stack(tmp_path) as running:
        yield running


@pytest.fixture
def terminal(stack: RunningStack) -> Terminal:
    return Terminal(stack.data)


def restored(stack: RunningStack, terminal: Terminal, folder: Path, *, only: str) -> None:
    assert stack.stop() == 0
    terminal.run("restore", str(folder), "--only", only)
    stack.start()


def key_at_secret(stack: RunningStack, name: str) -> Creation:
    creation = stack.person("sam").begin("/v1/api-keys", {"name": name, "permissions": ["trade"]})
    creation.until(lambda shown: shown["step"] == "two_factor_code")
    creation.post("/two-factor-code", creation.code_body(creation.sent_code()))
    return creation


def on_to_activation_code(creation: Creation) -> Creation:
    creation.reveal()
    creation.post("/secret-saved")
    creation.post("/activation", {"when": "now"})
    return creation


def on_to_active(creation: Creation) -> dict[str, Any]:
    creation.post("/activation-code", {"code": creation.sent_code()})
    assert creation.shown()["outcome"] == "activated"
    return key_of(creation)


def key_of(creation: Creation) -> dict[str, Any]:
    path = f"/v1/api-keys/{creation.shown()['credential_id']}"
    return dict(creation.person.get(path))


def reconciled(terminal: Terminal) -> str:
    return terminal.run("requests", "reconcile")


@pytest.mark.prove
def test_a_database_restored_to_before_its_temporal_activates_nothing_and_says_whose_past_is_lost(
    stack: RunningStack, terminal: Terminal, tmp_path: Path
) -> None:
    sam = stack.person("sam")
    switched_off = on_to_active(on_to_activation_code(key_at_secret(stack, "switched off")))
    revealed = key_at_secret(stack, "revealed")
    terminal.run("backup", str(tmp_path / "backup"))
    sam.call("POST", f"/v1/api-keys/{switched_off['id']}/deactivations")
    on_to_active(on_to_activation_code(revealed))
    begun_since = key_at_secret(stack, "begun since")
    terminal.run("audit", "checkpoint")

    restored(stack, terminal, tmp_path / "backup", only="database")

    assert f"create-api-key/{begun_since.id}: has no request" in terminal.run("requests", "reconcile", "--dry-run")
    assert f"create-api-key/{begun_since.id}: had no request" in reconciled(terminal)
    wait_until(lambda: revealed.shown()["outcome"] == "cancelled")
    assert sam.call("GET", f"/v1/requests/{begun_since.id}").status_code == 404
    assert {key["name"]: key["status"] for key in sam.get("/v1/api-keys")} == {"switched off": "active"}
    assert "Every open request has its workflow" in reconciled(terminal)

    [aside] = stack.data.glob("audit-checkpoints-*.jsonl")
    assert terminal.type("audit", "verify", "--checkpoints", str(aside)).exit_code == 1
    assert "1 credentials off" in terminal.run("accounts", "contain", "--checkpoints", str(aside))
    assert {key["status"] for key in sam.get("/v1/api-keys")} == {"inactive"}
    refused = sam.call("POST", "/v1/api-keys", {"name": "another", "permissions": ["trade"]})
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (403, "issuing-frozen")


@pytest.mark.prove
def test_a_temporal_restored_to_before_its_database_goes_on_where_the_requests_stand(
    stack: RunningStack, terminal: Terminal, tmp_path: Path
) -> None:
    gone_on = key_at_secret(stack, "gone on")
    ended = key_at_secret(stack, "ended")
    signalled = stack.person("sam").begin("/v1/fix-credentials", {"session_type": "trade"})
    signalled.until(lambda shown: shown["step"] == "two_factor_code")
    terminal.run("backup", str(tmp_path / "backup"))
    on_to_activation_code(gone_on)
    on_to_active(on_to_activation_code(ended))
    begun_since = key_at_secret(stack, "begun since")
    wrong = {"code": "000000", "reveal_challenge": "x" * 43}
    terminal.signal(f"create-fix-credentials/{signalled.id}", "two_factor_code", wrong)
    signalled.until(lambda shown: shown["attempts_left"] == 4)

    restored(stack, terminal, tmp_path / "backup", only="temporal")
    reconciled(terminal)

    terminal.signal(f"create-fix-credentials/{signalled.id}", "cancel", {"reason": "not taken for the lost code"})
    assert signalled.until(lambda shown: shown["outcome"] is not None)["outcome"] == "cancelled"
    assert on_to_active(gone_on)["status"] == "active"
    assert on_to_active(on_to_activation_code(begun_since))["status"] == "active"
    assert (ended.shown()["outcome"], key_of(ended)["status"]) == ("activated", "active")
    assert "Every open request has its workflow" in reconciled(terminal)
    events = [each["event"] for each in stack.person("sam").get("/v1/audit-events?limit=500")]
    once_each = ("credential:created", "secret:saved", "request:ended")
    assert [events.count(event) for event in once_each] == [3, 3, 4]
    assert terminal.type("audit", "verify").exit_code == 0


@pytest.mark.prove
def test_a_backup_restored_into_an_empty_folder_is_the_stack_as_it_was(
    stack: RunningStack, terminal: Terminal, tmp_path: Path
) -> None:
    active = on_to_active(on_to_activation_code(key_at_secret(stack, "kept")))
    under_way = on_to_activation_code(key_at_secret(stack, "under way"))
    sent = under_way.sent_code()
    terminal.run("backup", str(tmp_path / "backup"))
    stack.stop()
    (tmp_path / "elsewhere").mkdir()
    Terminal(tmp_path / "elsewhere" / "data").run("restore", str(tmp_path / "backup"))

    with running_stack(tmp_path / "elsewhere") as other:
        sam = other.person("sam")
        assert dict(sam.get(f"/v1/api-keys/{active['id']}")) == active
        again = Creation(sam, under_way.id)
        again.post("/activation-code", {"code": sent})
        assert again.shown()["outcome"] == "activated"
