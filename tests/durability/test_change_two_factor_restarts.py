"""A change of two-factor authentication has one effect, whatever stops between two of its lines."""

from collections import Counter

import httpx
import pytest

from countersign.domain.messages import Envelope, Verdict
from countersign.effects import messages
from countersign.effects.work import Desk
from tests.support.cast import Cast
from tests.support.fix import all_mails, audit
from tests.support.pages import Reader
from tests.support.security import (
    begin_change,
    begin_on_page,
    changed,
    enter_on_page,
    enter_recovery_code,
    new_code,
    new_code_on_page,
    ok,
    recovery_codes,
    standing,
)
from tests.support.stage import Stage, ended, settle, through


async def test_each_step_whose_answer_is_lost_after_its_commit_is_found_done_when_it_runs_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = await recovery_codes(await changed(cast.owner, "recovery_codes"))
    forgotten = set[str]()
    apply_message = messages.apply_message

    async def apply_and_forget_once(desk: Desk, envelope: Envelope) -> Verdict:
        verdict = await apply_message(desk, envelope)
        if envelope.message.actor.user_id == cast.owner.id and envelope.key not in forgotten:
            forgotten.add(envelope.key)
            raise ConnectionError
        return verdict

    monkeypatch.setattr(messages, "apply_message", apply_and_forget_once)
    flow = await begin_change(cast.owner, "authenticator")
    ok(await enter_recovery_code(flow, codes[0]))
    ok(await flow.enter_code(await new_code(flow)))

    assert await ended(flow) == "changed"
    assert len(forgotten) == 2
    events = Counter(event["event"] for event in await audit(cast.owner))
    names = ("two-factor:recovery-code-used", "two-factor:new-factor-passed", "user:changed")
    assert [events[name] for name in names] == [1, 1, 1]
    assert (await standing(cast.owner))["recovery_codes_left"] == 9
    assert set(Counter(await all_mails(cast.owner)).values()) == {1}


async def test_a_code_that_no_worker_answered_is_taken_once_by_the_next_one(
    stage: Stage, impatient: httpx.AsyncClient
) -> None:
    nora = stage.cast.bare_owner
    async with stage.at_work():
        flow = await begin_change(nora, "authenticator")
        code = await new_code(flow)
        await settle(flow)

    with through(nora, impatient):
        assert (await flow.enter_code(code, key="mine")).status_code == 503
    async with stage.at_work():
        ok(await flow.enter_code(code, key="mine"))
        assert await ended(flow) == "changed"

    assert [event["event"] for event in await audit(nora)].count("user:changed") == 1


async def test_a_thief_is_signed_out_although_the_page_never_learnt_that_the_change_was_made(
    stage: Stage, impatient: httpx.AsyncClient
) -> None:
    nora = stage.cast.bare_owner
    hers, thiefs = [await Reader.signed_in(nora) for _ in range(2)]
    async with stage.at_work():
        flow = await begin_on_page(hers, nora, "authenticator")
        code = await new_code_on_page(hers, flow)
        await settle(flow)

    page = await enter_on_page(Reader(impatient, hers.cookie), flow, code)
    assert page.status == 503
    async with stage.at_work():
        assert await ended(flow) == "changed"

    assert [await each.is_signed_in() for each in (hers, thiefs)] == [True, False]
