import asyncio
import base64
from collections.abc import Sequence
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from tests.support.cast import Cast, Flow
from tests.support.fix import credential_of, decide, decided, name_of, result_of, signal_decision, waiting_for_manager

MESSAGES = [
    "two_factor_code",
    "resend_code",
    "secret_saved",
    "activate",
    "activate_later",
    "activation_code",
    "account_manager_decision",
    "cancel",
]
RUBBISH: dict[str, Sequence[Any]] = {
    "nothing": [],
    "too many": [{}, {}, {}],
    "a number": [5],
    "a list": [[1, 2, 3]],
    "text": ["yes, do it"],
    "null": [None],
    "wrong members": [{"code": 5, "statement": [], "reason": {}, "actor": "me"}],
    "a huge code": [{"code": "1" * 100_000, "statement": "x" * 100_000, "reason": "x" * 100_000}],
    "control characters": [{"code": "\x00" * 6, "statement": "\x00", "reason": "\x00"}],
    "another kind": [{"kind": "nonsense", "code": "123456", "statement": "a.b.c"}],
    "a wrong challenge": [{"code": "123456", "reveal_challenge": "x", "statement": "a.b.c", "reason": "\n"}],
    "a strange actor": [{"code": "123456", "statement": "a.b.c", "actor": {"kind": "god", "ip": "here"}, "reason": 1}],
}


async def assert_still_well(flow: Flow) -> None:
    """The request goes on as if nothing had come."""
    await flow.to_secret()
    await flow.to_account_manager()
    assert (await credential_of(flow))["status"] == "awaiting_activation"


async def plain_handle(flow: Flow) -> WorkflowHandle[Any, Any]:
    """Return the workflow to a client that encrypts nothing."""
    core = flow.person.core
    client = await Client.connect(core.settings.temporal_address, data_converter=pydantic_data_converter)
    return client.get_workflow_handle(flow.workflow_id)


async def updated(handle: WorkflowHandle[Any, Any], name: str, args: Sequence[Any]) -> str:
    """Return how an update with rubbish was refused."""
    try:
        async with asyncio.timeout(5):
            await handle.execute_update(name, args=args)
    except (WorkflowUpdateFailedError, RPCError) as error:
        return type(error).__name__
    return "accepted"


@pytest.mark.parametrize("rubbish", RUBBISH)
async def test_rubbish_is_dropped_as_a_signal_and_refused_as_an_update(cast: Cast, rubbish: str) -> None:
    flow = await cast.owner.create_fix()

    for name in MESSAGES:
        await flow.handle.signal(name, args=RUBBISH[rubbish])
    answers = {name: await updated(flow.handle, name, RUBBISH[rubbish]) for name in MESSAGES}

    assert set(answers.values()) == {"WorkflowUpdateFailedError"}
    await assert_still_well(flow)


async def test_what_was_not_encrypted_is_dropped_however_well_formed(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    plain = await plain_handle(flow)

    for name in MESSAGES:
        await plain.signal(name, {"code": "123456", "statement": "a.b.c"})
    await plain.signal("cancel", {})
    refusals = {await updated(plain, "cancel", [{}]), await updated(plain, "two_factor_code", [{"code": "123456"}])}

    assert refusals == {"WorkflowUpdateFailedError"}
    assert (await flow.shown())["attempts_left"] == 5
    await assert_still_well(flow)


async def test_unknown_signals_and_updates_wedge_nothing(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    await flow.handle.signal("approve_everything", {"now": True})
    assert await updated(flow.handle, "approve_everything", [{"now": True}]) == "WorkflowUpdateFailedError"

    decided(await decide(cast.account_manager, await name_of(flow)))
    assert await result_of(flow) == "activated"


@pytest.mark.parametrize("ip", ["fe80::1%eth0", "::ffff:203.0.113.7", "203.0.113.7"])
async def test_whatever_address_an_actor_names_the_message_is_handled(cast: Cast, ip: str) -> None:
    flow = await cast.owner.create_fix()

    await flow.handle.signal("cancel", {"actor": {"kind": "signal", "ip": ip}})

    assert await flow.outcome() == "cancelled"


async def test_an_actor_who_is_nobody_cancels_nothing_and_wedges_nothing(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    nobody = {"kind": "user", "user_id": "00000000-0000-0000-0000-000000000000"}
    with pytest.raises(WorkflowUpdateFailedError):
        await flow.handle.execute_update("cancel", {"actor": nobody})

    await assert_still_well(flow)


@pytest.mark.parametrize(
    "header",
    [b"[" * 3000, b'{"alg":"HS256","kid":5}', b'{"alg":["HS256"]}', b"\xff\xfe", b'{"alg":"HS256","kid":"\\ud800"}'],
)
async def test_a_statement_built_to_break_its_reader_is_dropped(cast: Cast, header: bytes) -> None:
    flow = await waiting_for_manager(cast.owner)

    await signal_decision(flow, f"{base64.urlsafe_b64encode(header).decode().rstrip('=')}.e30.AAAA"[:4096])

    decided(await decide(cast.account_manager, await name_of(flow)))
    assert await result_of(flow) == "activated"


async def test_a_hundred_garbage_signals_cost_nothing_but_history(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    await asyncio.gather(*(signal_decision(flow, f"rubbish {number}") for number in range(100)))

    decided(await decide(cast.account_manager, await name_of(flow)))
    assert await result_of(flow) == "activated"
