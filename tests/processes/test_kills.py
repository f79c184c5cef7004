"""Kill -9 of any process in the middle of a creation: the same request goes on, and nothing happens twice."""

import asyncio
import random
from collections import Counter
from uuid import UUID, uuid4

import pytest

from countersign.gateway_client import GatewayClient, VerifierUnavailable
from countersign.local.sign_in import gateway_token
from tests.support.customers import ApiKey, asked
from tests.support.patience import eventually
from tests.support.processes import Creation, RunningStack, wait_until

_ALL = ["worker", "api", "temporal", "postgres"]


def _create_with_kills(stack: RunningStack, *, after_code: str, at_email: str) -> tuple[Creation, str]:
    sam, name = stack.person("sam"), f"killed {uuid4().hex[:8]}"
    creation = sam.begin("/v1/api-keys", {"name": name, "permissions": ["trade"]})
    creation.until(lambda shown: shown["step"] == "two_factor_code")
    creation.post("/two-factor-code", creation.code_body(creation.sent_code()))
    stack.kill(after_code)
    creation.reveal()
    creation.post("/secret-saved")
    creation.post("/activation", {"when": "now"})
    stack.kill(at_email)
    creation.post("/activation-code", {"code": creation.sent_code()})
    return creation, name


def _assert_done_once(stack: RunningStack, creation: Creation, name: str) -> None:
    sam = creation.person
    assert creation.shown()["outcome"] == "activated"
    [key] = [each for each in sam.get("/v1/api-keys") if each["name"] == name]
    assert key["status"] == "active"
    wait_until(lambda: len(_mails(creation, name)) >= 3)
    assert sorted(Counter(_mails(creation, name)).values()) == [1, 1, 1]
    numbers = [each["number"] for each in sam.get("/v1/audit-events?limit=500")]
    assert numbers == list(range(len(numbers), 0, -1))
    events = [each["event"] for each in sam.get("/v1/audit-events?limit=500") if each["request_id"] == creation.id]
    expected = ["request:opened", "two-factor:passed", "credential:created", "secret:shown", "secret:saved"]
    assert Counter(events)["request:ended"] == 1
    assert [Counter(events)[event] for event in expected] == [1] * len(expected)


def _mails(creation: Creation, name: str) -> list[str]:
    return [each["subject"] for each in creation.person.inbox() if each["channel"] == "mail" and name in each["text"]]


async def test_a_killed_verifier_is_started_again_and_lets_in_what_was_let_in_before(stack: RunningStack) -> None:
    key = await asyncio.to_thread(_active_key, stack)
    token = await asyncio.to_thread(gateway_token, stack.settings)
    async with GatewayClient(f"http://127.0.0.1:{stack.ports['VERIFIER_']}", token=token) as gateway:
        assert (await gateway.verify([asked(key.rest())]))[0].allowed
        await asyncio.to_thread(stack.kill, "verifier")

        async def is_allowed() -> bool | None:
            try:
                return (await gateway.verify([asked(key.rest())]))[0].allowed
            except VerifierUnavailable:
                return None

        assert await eventually(is_allowed, lambda found: found is not None)
        sam = stack.person("sam")
        await asyncio.to_thread(sam.call, "POST", f"/v1/api-keys/{key.id}/deactivations")
        await eventually(is_allowed, lambda found: found is False)


def _active_key(stack: RunningStack) -> ApiKey:
    creation = stack.person("sam").begin("/v1/api-keys", {"name": f"gateway {uuid4().hex[:8]}"})
    creation.until(lambda shown: shown["step"] == "two_factor_code")
    creation.post("/two-factor-code", creation.code_body(creation.sent_code()))
    secret = creation.reveal()
    creation.post("/secret-saved")
    creation.post("/activation", {"when": "now"})
    creation.post("/activation-code", {"code": creation.sent_code()})
    credential_id = UUID(creation.shown()["credential_id"])
    return ApiKey(credential_id, credential_id, secret["api_key"], secret["api_secret"])


@pytest.mark.parametrize(("after_code", "at_email"), [("worker", "postgres")])
def test_a_creation_goes_on_to_active_though_two_processes_were_killed_meanwhile(
    stack: RunningStack, after_code: str, at_email: str
) -> None:
    creation, name = _create_with_kills(stack, after_code=after_code, at_email=at_email)

    _assert_done_once(stack, creation, name)


@pytest.mark.prove
@pytest.mark.parametrize(
    ("after_code", "at_email"),
    [("worker", "api"), ("temporal", "postgres"), ("api", "worker"), ("postgres", "temporal")],
)
def test_a_creation_goes_on_to_active_though_any_two_were_killed_meanwhile(
    stack: RunningStack, after_code: str, at_email: str
) -> None:
    creation, name = _create_with_kills(stack, after_code=after_code, at_email=at_email)

    _assert_done_once(stack, creation, name)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(10))
def test_a_creation_goes_on_to_active_whatever_is_killed(stack: RunningStack, seed: int) -> None:
    choice = random.Random(seed)

    creation, name = _create_with_kills(stack, after_code=choice.choice(_ALL), at_email=choice.choice(_ALL))

    _assert_done_once(stack, creation, name)


@pytest.mark.prove
def test_a_stack_whose_supervisor_was_killed_finds_its_data_and_the_creation_goes_on(stack: RunningStack) -> None:
    sam, name = stack.person("sam"), f"orphaned {uuid4().hex[:8]}"
    creation = sam.begin("/v1/api-keys", {"name": name, "permissions": ["trade"]})
    creation.until(lambda shown: shown["step"] == "two_factor_code")
    creation.post("/two-factor-code", creation.code_body(creation.sent_code()))
    stack.kill_supervisor()

    stack.start()

    creation.reveal()
    creation.post("/secret-saved")
    creation.post("/activation", {"when": "now"})
    creation.post("/activation-code", {"code": creation.sent_code()})
    _assert_done_once(stack, creation, name)
