"""Races at one step of a request: two clicks, two tabs, two people, and the deadline."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from countersign.domain.requests import Step
from tests.races.course import TIMES, Course
from tests.races.lanes import Lane, edit, manager_asked, new_fix, new_key
from tests.support.answers import problem
from tests.support.cast import Flow, Person, challenge_of
from tests.support.fix import decide
from tests.support.patience import eventually
from tests.support.rows import select
from tests.support.stops import press, status_of, token_of

_CLOSED = (409, "request-closed")
_NOT_NOW = (409, "not-at-this-step")
# So that what was begun that long ago, less this, is over in a moment.
_MOMENT = timedelta(seconds=0.4)
_FIVE_MINUTES = timedelta(minutes=5)
_A_DAY = timedelta(hours=24)


def _winner(*answers: httpx.Response) -> int:
    [won] = [place for place, answer in enumerate(answers) if answer.status_code in {200, 202}]
    return won


async def _events(flow: Flow, tag: str) -> int:
    query = "SELECT count(*) FROM audit_events WHERE request_id = %s AND event = %s"
    return int((await select(flow.person.core, query, flow.id, tag))[0][0])


@TIMES
async def test_a_double_click_with_one_key_is_one_start_with_one_answer(course: Course, times: int) -> None:
    async def double_click(lane: Lane) -> None:
        path, key = f"/api-keys/{await lane.inactive_key()}/activations", uuid4().hex
        first, second = await lane.start.fire(
            lambda: lane.owner.post(path, key=key), lambda: lane.owner.post(path, key=key)
        )
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json()["id"] == second.json()["id"]

    await course.repeat(double_click, times=times)


@TIMES
async def test_of_a_double_click_without_a_key_the_first_starts_and_the_second_is_told_so(
    course: Course, times: int
) -> None:
    async def double_click(lane: Lane) -> str:
        path = f"/api-keys/{await lane.inactive_key()}/activations"
        answers = await lane.start.fire(lambda: lane.owner.post(path), lambda: lane.owner.post(path))
        won = _winner(*answers)
        assert problem(answers[1 - won]) == (409, "request-open")
        assert answers[1 - won].json()["request_id"] == answers[won].json()["id"]
        return ("first", "second")[won]

    await course.run(double_click, times=times, sides=("first", "second"))


@TIMES
async def test_a_double_click_on_activate_with_one_key_mails_one_code(course: Course, times: int) -> None:
    async def double_click(lane: Lane) -> None:
        flow = await lane.at(Step.ACTIVATION_CHOICE, edit(await lane.inactive_key()))
        body, key = {"when": "now"}, uuid4().hex
        first, second = await lane.start.fire(
            lambda: flow.post("/activation", body, key=key), lambda: flow.post("/activation", body, key=key)
        )
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json()["step"] == second.json()["step"] == "activation_code"
        assert await _events(flow, "activation:chosen") == 1

    await course.repeat(double_click, times=times)


@TIMES
async def test_of_two_tabs_that_enter_the_code_at_once_the_first_alone_sees_the_secret(
    course: Course, times: int
) -> None:
    async def two_tabs(lane: Lane) -> str:
        flow = await lane.at(Step.TWO_FACTOR_CODE, new_key())
        code, verifiers = await lane.code(), (uuid4().hex + uuid4().hex, uuid4().hex + uuid4().hex)
        bodies = [{"code": code, "reveal_challenge": challenge_of(verifier)} for verifier in verifiers]
        answers = await lane.start.fire(
            lambda: flow.post("/two-factor-code", bodies[0]), lambda: flow.post("/two-factor-code", bodies[1])
        )
        won = _winner(*answers)
        assert problem(answers[1 - won]) == _NOT_NOW
        assert problem(await flow.reveal(verifiers[1 - won])) == (403, "reveal-refused")
        assert (await flow.reveal(verifiers[won])).status_code == 200
        assert (await _events(flow, "credential:created"), await _events(flow, "code:wrong")) == (1, 0)
        return ("first", "second")[won]

    await course.run(two_tabs, times=times, sides=("first", "second"))


@TIMES
async def test_later_wins_over_activate_now_in_another_tab(course: Course, times: int) -> None:
    async def now_against_later(lane: Lane) -> str:
        key = await lane.inactive_key()
        flow = await lane.at(Step.ACTIVATION_CHOICE, edit(key))
        now, later = await lane.start.fire(lambda: flow.choose("now"), lambda: flow.choose("later"))
        assert now.status_code == 200 or problem(now) == _CLOSED
        assert later.json()["outcome"] == "left_inactive"
        assert (await lane.owner.get(f"/api-keys/{key}")).json()["status"] == "inactive"
        return "now" if now.status_code == 200 else "later"

    await course.run(now_against_later, times=times, sides=("now", "later"))


def _decision(who: Person, credential: dict[str, Any], decision: str) -> Callable[[], Any]:
    return lambda: decide(who, credential["session_name"], decision, version=credential["version"], reason=decision)


async def _two_decisions(lane: Lane, *decisions: str) -> tuple[int, dict[str, Any], Flow]:
    fix = await lane.inactive_fix()
    flow = await lane.at(Step.ACCOUNT_MANAGER, manager_asked(fix))
    waiting = (await lane.owner.get(f"/fix-credentials/{fix}")).json()
    answers = await lane.start.fire(
        _decision(lane.cast.account_manager, waiting, decisions[0]),
        _decision(lane.cast.unassigned_manager, waiting, decisions[1]),
    )
    won = _winner(*answers)
    status, slug = problem(answers[1 - won])
    assert (status, slug in {"request-closed", "nothing-waiting", "version-changed"}) == (409, True), slug
    assert await _events(flow, "account-manager:decided") == 1
    return won, dict((await lane.owner.get(f"/fix-credentials/{fix}")).json()), flow


@TIMES
async def test_of_two_account_managers_who_activate_at_once_one_does(course: Course, times: int) -> None:
    async def same(lane: Lane) -> str:
        won, credential, flow = await _two_decisions(lane, "activate", "activate")
        assert (credential["status"], (await flow.shown())["outcome"]) == ("active", "activated")
        return ("first", "second")[won]

    await course.run(same, times=times, sides=("first", "second"))


@TIMES
async def test_of_two_account_managers_who_disagree_at_once_the_first_decides(course: Course, times: int) -> None:
    async def opposite(lane: Lane) -> str:
        won, credential, flow = await _two_decisions(lane, "activate", "reject")
        assert credential["status"] == ("active", "inactive")[won]
        assert (await flow.shown())["outcome"] == ("activated", "rejected")[won]
        return ("activates", "rejects")[won]

    await course.run(opposite, times=times, sides=("activates", "rejects"))


@TIMES
async def test_a_new_code_asked_for_as_the_last_one_runs_out_comes_in_time_or_the_creation_is_interrupted(
    course: Course, times: int
) -> None:
    async def resend_against_deadline(lane: Lane) -> str:
        draft = await lane.draft(new_fix(), ago=_FIVE_MINUTES - _MOMENT)
        flow, deadline = await draft.begin(), draft.at + _FIVE_MINUTES
        resent = await lane.start.fire_at(deadline, lambda: flow.post("/two-factor-code/resend"))
        if resent.status_code == 200:
            shown = await flow.shown()
            assert (shown["outcome"], datetime.fromisoformat(shown["expires_at"]) > deadline) == (None, True)
            return "resend"
        assert problem(resent) in {(422, "code-expired"), _CLOSED}
        assert await flow.outcome() == "expired"
        return "deadline"

    await course.run(resend_against_deadline, times=times, sides=("resend", "deadline"))


@TIMES
async def test_a_code_entered_as_it_runs_out_is_in_time_or_the_creation_is_interrupted(
    course: Course, times: int
) -> None:
    async def code_against_deadline(lane: Lane) -> str:
        draft = await lane.draft(new_fix(), ago=_FIVE_MINUTES - _MOMENT)
        flow, deadline, code = await draft.begin(), draft.at + _FIVE_MINUTES, await lane.code()
        entered = await lane.start.fire_at(deadline, lambda: flow.enter_code(code))
        if entered.status_code == 200:
            assert entered.json()["step"] == "secret_saved"
            return "code"
        assert problem(entered) in {(422, "code-expired"), _CLOSED}
        assert await flow.outcome() == "expired"
        assert (await _events(flow, "code:wrong"), await _events(flow, "credential:created")) == (0, 0)
        return "deadline"

    await course.run(code_against_deadline, times=times, sides=("code", "deadline"))


@TIMES
async def test_a_link_pressed_as_its_day_ends_activates_or_the_key_is_left_inactive(course: Course, times: int) -> None:
    async def link_against_deadline(lane: Lane) -> str:
        key = await lane.inactive_key()
        draft = await lane.draft(edit(key), ago=_A_DAY - _MOMENT)
        await draft.take_to(Step.ACTIVATION_CODE)
        flow, (_, token) = await draft.begin(), await draft.mailed()
        pressed = await lane.start.fire_at(draft.at + _A_DAY, lambda: flow.post("/activation-link", {"token": token}))
        was_in_time = pressed.status_code == 200
        assert was_in_time or problem(pressed) == _CLOSED
        assert await flow.outcome() == ("activated" if was_in_time else "left_inactive")
        # What is over is shown as over at once; the worker closes it a moment later.
        await eventually(lambda: status_of(lane.owner, key), {"active" if was_in_time else "inactive"}.__contains__)
        return "link" if was_in_time else "deadline"

    await course.run(link_against_deadline, times=times, sides=("link", "deadline"))


@TIMES
async def test_two_reveals_at_once_with_one_verifier_show_the_same_secret_and_are_one_showing(
    course: Course, times: int
) -> None:
    async def two_reveals(lane: Lane) -> None:
        draft = await lane.draft(new_key())
        await draft.take_to(Step.SECRET_SAVED)
        first, second = await lane.start.fire(draft.flow.reveal, draft.flow.reveal)
        assert (first.status_code, first.json()) == (200, second.json())
        assert await _events(draft.flow, "secret:shown") == 1

    await course.repeat(two_reveals, times=times)


@TIMES
async def test_two_reveals_at_once_with_two_verifiers_show_the_secret_to_who_entered_the_code(
    course: Course, times: int
) -> None:
    async def two_reveals(lane: Lane) -> None:
        draft = await lane.draft(new_key())
        await draft.take_to(Step.SECRET_SAVED)
        strange = uuid4().hex + uuid4().hex
        shown, refused = await lane.start.fire(draft.flow.reveal, lambda: draft.flow.reveal(strange))
        assert shown.status_code == 200
        assert problem(refused) == (403, "reveal-refused")
        assert shown.json()["api_secret"] not in refused.text

    await course.repeat(two_reveals, times=times)


async def _stop_link(flow: Flow) -> tuple[str, str]:
    query = "SELECT id FROM stops WHERE request_id = %s AND user_id = %s ORDER BY created_at"
    [found, *_] = await select(flow.person.core, query, flow.id, flow.person.id)
    return str(found[0]), await token_of(flow.person, str(found[0]))


@TIMES
async def test_a_stop_link_wins_over_an_activation_that_is_confirmed_at_once(course: Course, times: int) -> None:
    async def code_against_stop(lane: Lane) -> str:
        draft = await lane.draft(edit(await lane.inactive_key(), ["funds_wallet"]))
        link = await _stop_link(draft.flow)
        await draft.take_to(Step.ACTIVATION_CODE)
        flow, (code, _) = await draft.begin(), await draft.mailed()
        entered, stopped = await lane.start.fire(
            lambda: flow.enter_activation_code(code), lambda: press(lane.owner.http, link)
        )
        was_in_time = entered.status_code == 200
        assert was_in_time or problem(entered) == _CLOSED
        assert stopped.json()["effect"] == ("deactivated" if was_in_time else "cancelled")
        shown = await flow.shown()
        assert shown["outcome"] == ("activated" if was_in_time else "cancelled")
        assert (await lane.owner.get(f"/api-keys/{shown['credential_id']}")).json()["status"] == "inactive"
        return "code" if was_in_time else "stop"

    await course.run(code_against_stop, times=times, sides=("code", "stop"))


@TIMES
async def test_of_two_presses_of_a_stop_link_at_once_the_first_stops_and_both_are_told_the_same(
    course: Course, times: int
) -> None:
    async def two_presses(lane: Lane) -> None:
        draft = await lane.draft(edit(await lane.active_key(), ["funds_wallet"]))
        link = await _stop_link(draft.flow)
        first, second = await lane.start.fire(
            lambda: press(lane.owner.http, link), lambda: press(lane.owner.http, link)
        )
        assert (first.status_code, first.json()) == (200, second.json())
        assert await _events(draft.flow, "credential:stopped") == 1

    await course.repeat(two_presses, times=times)
