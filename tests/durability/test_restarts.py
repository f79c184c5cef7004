"""Whatever stops between two lines of ours, each message has one effect."""

import asyncio
import os
import sys
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from countersign.adapters.keyring import Purpose
from countersign.domain.messages import AGAIN, Actor, ActorKind, Envelope, TwoFactorCode, Verdict
from countersign.effects import messages
from countersign.effects.work import Desk
from countersign.settings import Settings
from countersign.storage.database import scalar
from countersign.wiring import parts
from tests.support import dying_worker
from tests.support.cast import Cast, Flow
from tests.support.patience import eventually
from tests.support.stage import Stage, api_of, ended, settle, through
from tests.support.workers import working


async def _events(flow: Flow) -> Counter[str]:
    rows = (await flow.person.get("/audit-events?limit=500")).json()
    return Counter(row["event"] for row in rows if row["request_id"] == flow.id)


async def test_a_wrong_code_answered_503_and_sent_again_with_its_key_counts_once(
    stage: Stage, impatient: httpx.AsyncClient
) -> None:
    async with stage.at_work():
        flow = await stage.cast.owner.create_api_key()
        await settle(flow)

    with through(flow.person, impatient):
        unanswered = [await flow.enter_code("000000", key="mine") for _ in range(2)]
    async with stage.at_work():
        answered = [await flow.enter_code("000000", key="mine") for _ in range(2)]

    for response in unanswered:
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert int(response.headers["retry-after"]) > 0
    assert [(each.status_code, each.json()["attempts_left"]) for each in answered] == [(422, 4), (422, 4)]
    assert (await _events(flow))["code:wrong"] == 1


async def test_the_right_code_answered_503_and_sent_again_with_its_key_has_one_effect(
    stage: Stage, impatient: httpx.AsyncClient
) -> None:
    async with stage.at_work():
        flow = await stage.cast.owner.create_api_key()
        code = await flow.code()
        await settle(flow)

    with through(flow.person, impatient):
        assert (await flow.enter_code(code, key="mine")).status_code == 503
    async with stage.at_work():
        assert (await flow.enter_code(code, key="mine")).json()["step"] == "secret_saved"

    assert (await _events(flow))["credential:created"] == 1


async def test_a_used_authenticator_code_is_refused_again_after_worker_and_api_were_restarted(
    stage: Stage,
) -> None:
    async with stage.at_work():
        first = await stage.cast.owner.create_api_key("first")
        code = await first.code()
        await first.enter_code(code)

    async with (
        parts(stage.core.settings, purposes=frozenset(Purpose), lazy=False) as fresh,
        working(fresh, chores=False),
        api_of(stage.core.settings) as http,
    ):
        with through(first.person, http):
            second = await first.person.create_api_key("second")
            refused = await second.enter_code(code)
            assert (refused.status_code, refused.json()["type"]) == (409, "/problems/code-already-used")
            assert (await second.shown())["attempts_left"] == 5
            await second.to_secret()


async def test_each_step_whose_answer_is_lost_after_its_commit_is_found_done_when_it_runs_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = set[str]()
    apply_message = messages.apply_message

    async def apply_and_forget_once(desk: Desk, envelope: Envelope) -> Verdict:
        verdict = await apply_message(desk, envelope)
        if envelope.message.actor.user_id == cast.owner.id and envelope.key not in forgotten:
            forgotten.add(envelope.key)
            raise ConnectionError
        return verdict

    monkeypatch.setattr(messages, "apply_message", apply_and_forget_once)
    flow = await cast.owner.create_api_key()
    await flow.enter_code("000000")
    await flow.to_activation_code()
    await flow.enter_activation_code()

    assert await ended(flow) == "activated"
    assert len(forgotten) == 5
    events = await _events(flow)
    names = ("code:wrong", "two-factor:passed", "credential:created", "secret:saved", "activation:chosen")
    assert [events[name] for name in names] == [1, 1, 1, 1, 1]
    subjects = await _mails_once_all_went_out(cast)
    assert len(subjects) == 3
    assert set(subjects.values()) == {1}


async def _mails_once_all_went_out(cast: Cast) -> Counter[str]:
    async def all_went_out() -> bool:
        async with cast.core.database.connection() as connection:
            query = "SELECT count(*) FROM notices WHERE account_id = %s AND sent_at IS NULL"
            return bool(await scalar(connection, query, (cast.owner.account_id,)) == 0)

    await eventually(all_went_out)
    return Counter(cast.providers.subjects_to(cast.owner.email))


async def test_a_worker_that_dies_between_the_commit_and_its_answer_leaves_one_effect(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _shorten_tasks(monkeypatch)
    async with stage.at_work():
        flow = await stage.cast.owner.create_api_key()
        code = await flow.code()
        await settle(flow)
    dying = await _start_dying_worker(stage.core.settings)
    asked = asyncio.create_task(flow.enter_code(code, key="mine"))
    assert await asyncio.wait_for(dying.wait(), 10) == dying_worker.EXIT_CODE
    created = (await flow.person.get("/api-keys")).json()

    async with stage.at_work():
        await asked
        answer = await eventually(lambda: flow.enter_code(code, key="mine"), lambda each: each.status_code != 503)

    assert (answer.status_code, answer.json()["step"]) == (200, "secret_saved")
    assert len(created) == 1
    assert (await flow.person.get("/api-keys")).json() == created
    assert (await _events(flow))["two-factor:passed"] == 1


def _shorten_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    start_workflow = Client.start_workflow

    async def start(self: Client, *args: Any, **options: Any) -> Any:
        # Temporal gives a dead worker ten seconds otherwise.
        return await start_workflow(self, *args, task_timeout=timedelta(seconds=1), **options)

    monkeypatch.setattr(Client, "start_workflow", start)


async def _start_dying_worker(settings: Settings) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "COUNTERSIGN_MODE": "local",
        "COUNTERSIGN_KEY_RING": settings.key_ring.get_secret_value(),
        "COUNTERSIGN_TASK_QUEUE": settings.task_queue,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.dying_worker", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
    return process


async def test_an_update_that_is_sent_as_another_of_the_same_key_gets_the_verdict_of_the_first(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    message = TwoFactorCode(
        actor=Actor(kind=ActorKind.USER, user_id=cast.owner.id), code="000000", reveal_challenge=flow.challenge
    )

    for update_id in ("mine", f"mine{AGAIN}1", f"mine{AGAIN}2"):
        with pytest.raises(WorkflowUpdateFailedError):
            await flow.handle.execute_update(message.kind, message, id=update_id)

    assert (await flow.shown())["attempts_left"] == 4
