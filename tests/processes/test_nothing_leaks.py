"""Secrets, codes and seeds are nowhere but where their owner meets them."""

import asyncio
import base64
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyotp
import pytest

from countersign.adapters.keyring import Purpose
from countersign.local.postgres_home import postgres_home
from countersign.local.sign_in import demo_totp_seed
from countersign.wiring import parts
from tests.security.canaries import found_in, whole_number_in
from tests.support.histories import Line, every_workflow, read_history
from tests.support.processes import Creation, DemoPerson, RunningStack

_PHONE, _EMAIL = "+12025550123", "sam@example.com"


@dataclass
class Walked:
    """What was entered, sent and shown."""

    secrets: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    seeds: list[str] = field(default_factory=list)
    workflow_ids: list[str] = field(default_factory=list)

    @property
    def hidden(self) -> list[str]:
        return [*self.secrets, *self.tokens, *self.seeds]


@pytest.fixture(scope="module")
def walked(stack: RunningStack) -> Walked:
    found = Walked()
    for name in ("olivia", "sonia"):
        found.seeds.append(asyncio.run(demo_totp_seed(stack.settings, name)))
    new_key = {"name": f"leak {uuid4().hex}", "permissions": ["trade", "funds_external"]}
    _walk(found, stack.person("olivia"), "/v1/api-keys", new_key, seed=found.seeds[0])
    _walk(found, stack.person("sam"), "/v1/api-keys", {**new_key, "name": f"leak {uuid4().hex}"})
    _walk(found, stack.person("sonia"), "/v1/fix-credentials", {"session_type": "trade"}, seed=found.seeds[1])
    _walk(found, stack.person("sam"), "/v1/fix-credentials", {"session_type": "market_data"})
    assert len(found.secrets) == 4
    return found


def _walk(found: Walked, person: DemoPerson, path: str, body: dict[str, Any], *, seed: str = "") -> None:
    creation = person.begin(path, body)
    found.workflow_ids.append(creation.until(lambda shown: shown["step"] == "two_factor_code")["workflow_id"])
    code = pyotp.TOTP(seed).now() if seed else creation.sent_code()
    wrong = f"{(int(code) + 500_000) % 1_000_000:06}"
    refused = person.call("POST", f"/v1/requests/{creation.id}/two-factor-code", creation.code_body(wrong))
    assert refused.status_code == 422
    creation.post("/two-factor-code", creation.code_body(code))
    shown = creation.reveal()
    found.secrets += [shown[name] for name in ("api_secret", "password") if shown.get(name)]
    creation.post("/secret-saved")
    creation.post("/activation", {"when": "now"})
    found.codes += [code, wrong]
    if path.endswith("api-keys"):
        _confirm(found, creation)


def _confirm(found: Walked, creation: Creation) -> None:
    code = creation.sent_code()
    found.codes.append(code)
    found.tokens.append(creation.link_token())
    creation.post("/activation-code", {"code": code})


def test_the_search_finds_what_it_looks_for_in_every_form() -> None:
    secret = "cs_secret_0123456789abcdef"
    for padding in (b"", b"x", b"xy"):
        content = padding + secret.encode() + b"the end"
        for form in (content, content.hex().encode(), base64.b64encode(content)):
            assert found_in(form, [secret]) == [secret]
    assert whole_number_in('{"code": "123456"}', "123456")
    assert not whole_number_in("0.123456 9123456 a123456", "123456")


def test_temporals_database_holds_nothing_in_the_clear(stack: RunningStack, walked: Walked) -> None:
    files = sorted(stack.data.glob("temporal.db*"))
    content = b"".join(file.read_bytes() for file in files)

    assert walked.workflow_ids[0].encode() in content
    assert found_in(content, [*walked.hidden, _PHONE, _EMAIL]) == []
    assert [code for code in walked.codes if b'"%s"' % code.encode() in content] == []


async def test_decrypted_histories_hold_codes_in_their_messages_alone_and_no_secret(
    stack: RunningStack, walked: Walked
) -> None:
    lines: list[Line] = []
    async with parts(stack.settings, purposes=frozenset(Purpose), lazy=False) as core:
        async for workflow_id, run_id in every_workflow(core.client):
            lines += await read_history(core.client, core.keys, workflow_id, run_id=run_id)
    messages = "".join(line.text for line in lines if line.is_message)
    others = "".join(line.text for line in lines if not line.is_message)

    assert found_in((messages + others).encode(), [*walked.hidden, _PHONE, _EMAIL]) == []
    assert [code for code in walked.codes if whole_number_in(others, code)] == []
    assert [code for code in walked.codes if whole_number_in(messages, code)] == walked.codes


def test_a_dump_of_the_database_holds_no_secret_code_or_seed(stack: RunningStack, walked: Walked) -> None:
    url = stack.settings.migration_database_url.get_secret_value()
    dump = subprocess.run(
        (str(postgres_home(stack.data).bin / "pg_dump"), url), check=True, capture_output=True, cwd=Path("/")
    ).stdout

    assert b"COPY public.requests" in dump
    assert found_in(dump, walked.hidden) == []
    assert [code for code in walked.codes if whole_number_in(dump.decode(), code)] == []


def test_logs_hold_no_secret_code_seed_phone_or_email(stack: RunningStack, walked: Walked) -> None:
    logs = sorted((stack.data / "logs").iterdir())
    content = b"".join(log.read_bytes() for log in [*logs, stack.data.parent / "up.txt"])

    assert b"Working on the task queue" in content
    assert {log.stem for log in logs} >= {"api", "worker", "temporal", "postgres"}
    assert found_in(content, [*walked.hidden, _PHONE, _EMAIL]) == []
    assert [code for code in walked.codes if whole_number_in(content.decode(), code)] == []


def test_the_audit_trail_holds_no_secret_code_seed_phone_or_email(stack: RunningStack, walked: Walked) -> None:
    content = "".join(stack.person(name).call("GET", "/v1/audit-events?limit=500").text for name in ("sam", "sonia"))

    assert "secret:shown" in content
    assert found_in(content.encode(), [*walked.hidden, _PHONE, _EMAIL]) == []
    assert [code for code in walked.codes if whole_number_in(content, code)] == []
