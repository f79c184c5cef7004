"""Races about whole requests and credentials: who comes first is the winner, and a deactivation always wins."""

from datetime import UTC, datetime
from uuid import UUID

import httpx

from countersign.domain.messages import SYSTEM
from countersign.domain.requests import Step
from countersign.effects.thawing import thaw
from tests.races.course import TIMES, Course
from tests.races.lanes import Lane, activation, edit, new_key
from tests.support.answers import problem
from tests.support.cast import Flow
from tests.support.fix import execute
from tests.support.stage import without_caps

_BEFORE_FREEZE = 10**6
_CLOSED = (409, "request-closed")


def _form(*permissions: str) -> dict[str, object]:
    return {"permissions": list(permissions), "ip_whitelist": "", "acknowledge_deactivation": True}


def _winner(*answers: httpx.Response, status: int = 202) -> int:
    [won] = [place for place, answer in enumerate(answers) if answer.status_code == status]
    return won


async def _key(lane: Lane, key: str) -> dict[str, object]:
    return dict((await lane.owner.get(f"/api-keys/{key}")).json())


@TIMES
async def test_of_two_edits_at_once_the_first_is_opened_and_the_other_is_told_which(course: Course, times: int) -> None:
    forms = (_form("read"), _form("trade", "funds_wallet"))

    async def two_edits(lane: Lane) -> str:
        key = await lane.inactive_key()
        path = f"/api-keys/{key}/edits"
        answers = await lane.start.fire(
            lambda: lane.owner.post(path, forms[0]), lambda: lane.cast.sms_owner.post(path, forms[1])
        )
        won = _winner(*answers)
        accepted, refused = answers[won].json(), answers[1 - won]
        assert problem(refused) == (409, "request-open")
        assert refused.json()["request_id"] == accepted["id"]
        assert set(accepted["permissions"]) == {"read", *forms[won]["permissions"]}  # type: ignore[misc]
        assert (await lane.owner.delete(f"/requests/{accepted['id']}")).json()["outcome"] == "cancelled"
        return "owner" if won == 0 else "other owner"

    await course.run(two_edits, times=times, sides=("owner", "other owner"))


@TIMES
async def test_a_deactivation_wins_over_an_edit_that_is_confirmed_at_once(course: Course, times: int) -> None:
    async def code_against_deactivation(lane: Lane) -> str:
        key = await lane.active_key()
        flow = await lane.at(Step.TWO_FACTOR_CODE, edit(key))
        code = await lane.code()
        entered, deactivated = await lane.start.fire(
            lambda: flow.enter_code(code), lambda: lane.cast.second_owner.post(f"/api-keys/{key}/deactivations")
        )
        was_in_time = entered.status_code == 200
        assert was_in_time or problem(entered) == _CLOSED
        assert deactivated.json() == {"id": key, "status": "inactive", "superseded_request": flow.id}
        shown, stands = await flow.shown(), await _key(lane, key)
        assert (shown["outcome"], stands["status"]) == ("superseded", "inactive")
        assert (stands["ip_whitelist"] == shown["ip_whitelist"]) is was_in_time
        return "code" if was_in_time else "deactivation"

    await course.run(code_against_deactivation, times=times, sides=("code", "deactivation"))


@TIMES
async def test_an_edit_begun_at_once_with_a_deactivation_is_superseded_or_begins_on_an_inactive_key(
    course: Course, times: int
) -> None:
    async def start_against_deactivation(lane: Lane) -> str:
        key = await lane.active_key()
        started, deactivated = await lane.start.fire(
            lambda: lane.owner.post(f"/api-keys/{key}/edits", _form("read")),
            lambda: lane.cast.second_owner.post(f"/api-keys/{key}/deactivations"),
        )
        assert (started.status_code, deactivated.status_code) == (202, 200)
        flow, came_first = started.json()["id"], deactivated.json()["superseded_request"] is not None
        shown = (await lane.owner.get(f"/requests/{flow}")).json()
        assert deactivated.json()["superseded_request"] == (flow if came_first else None)
        assert shown["outcome"] == ("superseded" if came_first else None)
        assert (await _key(lane, key))["status"] == "inactive"
        return "start" if came_first else "deactivation"

    await course.run(start_against_deactivation, times=times, sides=("start", "deactivation"))


@TIMES
async def test_a_deactivation_wins_over_an_activation_that_is_confirmed_at_once(course: Course, times: int) -> None:
    async def code_against_deactivation(lane: Lane) -> str:
        key = await lane.inactive_key()
        flow = await lane.at(Step.TWO_FACTOR_CODE, activation(key))
        code = await lane.code()
        entered, deactivated = await lane.start.fire(
            lambda: flow.enter_code(code), lambda: lane.cast.second_owner.post(f"/api-keys/{key}/deactivations")
        )
        was_in_time = entered.status_code == 200
        assert was_in_time or problem(entered) == _CLOSED
        assert deactivated.json()["superseded_request"] == (None if was_in_time else flow.id)
        assert deactivated.json()["status"] == (await _key(lane, key))["status"] == "inactive"
        assert (await flow.shown())["outcome"] == ("activated" if was_in_time else "superseded")
        return "code" if was_in_time else "deactivation"

    await course.run(code_against_deactivation, times=times, sides=("code", "deactivation"))


@TIMES
async def test_of_a_two_factor_code_and_a_cancel_at_once_the_first_wins(course: Course, times: int) -> None:
    async def code_against_cancel(lane: Lane) -> str:
        key = await lane.inactive_key()
        flow = await lane.at(Step.TWO_FACTOR_CODE, activation(key))
        code = await lane.code()
        answers = await lane.start.fire(
            lambda: flow.enter_code(code), lambda: lane.cast.second_owner.delete(f"/requests/{flow.id}")
        )
        won = _winner(*answers, status=200)
        outcome, status = (("activated", "active"), ("cancelled", "inactive"))[won]
        assert problem(answers[1 - won]) == _CLOSED
        assert answers[1 - won].json()["outcome"] == answers[won].json()["outcome"] == outcome
        assert (await _key(lane, key))["status"] == status
        return ("code", "cancel")[won]

    await course.run(code_against_cancel, times=times, sides=("code", "cancel"))


@TIMES
async def test_a_creation_cancelled_at_once_with_its_code_leaves_nothing(course: Course, times: int) -> None:
    async def code_against_cancel(lane: Lane) -> str:
        flow = await lane.at(Step.TWO_FACTOR_CODE, new_key())
        code = await lane.code()
        entered, cancelled = await lane.start.fire(lambda: flow.enter_code(code), flow.cancel)
        was_in_time = entered.status_code == 200
        assert was_in_time or problem(entered) == _CLOSED
        assert cancelled.json()["outcome"] == "cancelled"
        credential = cancelled.json()["credential_id"]
        assert (await lane.owner.get(f"/api-keys/{credential}")).status_code == 404
        assert problem(await flow.reveal())[0] in {409, 410}
        return "code" if was_in_time else "cancel"

    await course.run(code_against_cancel, times=times, sides=("code", "cancel"))


@TIMES
async def test_of_the_mailed_code_and_a_cancel_at_once_the_first_wins(course: Course, times: int) -> None:
    async def code_against_cancel(lane: Lane) -> str:
        draft = await lane.draft(edit(await lane.inactive_key()))
        await draft.take_to(Step.ACTIVATION_CODE)
        flow, (code, _) = await draft.begin(), await draft.mailed()
        answers = await lane.start.fire(lambda: flow.enter_activation_code(code), flow.cancel)
        won = _winner(*answers, status=200)
        outcome, status = (("activated", "active"), ("cancelled", "inactive"))[won]
        assert problem(answers[1 - won]) == _CLOSED
        assert answers[1 - won].json()["outcome"] == answers[won].json()["outcome"] == outcome
        assert (await _key(lane, answers[won].json()["credential_id"]))["status"] == status
        return ("code", "cancel")[won]

    await course.run(code_against_cancel, times=times, sides=("code", "cancel"))


@TIMES
async def test_a_credential_discarded_at_once_with_saved_is_gone_or_left_inactive(course: Course, times: int) -> None:
    async def saved_against_cancel(lane: Lane) -> str:
        draft = await lane.draft(new_key())
        await draft.take_to(Step.SECRET_SAVED)
        await draft.show()
        flow = await draft.begin()
        saved, cancelled = await lane.start.fire(flow.save, flow.cancel)
        was_in_time = saved.status_code == 200
        assert was_in_time or problem(saved) == _CLOSED
        assert cancelled.json()["outcome"] == "cancelled"
        found = await lane.owner.get(f"/api-keys/{cancelled.json()['credential_id']}")
        assert found.status_code == (200 if was_in_time else 404)
        assert not was_in_time or found.json()["status"] == "inactive"
        return "saved" if was_in_time else "cancel"

    await course.run(saved_against_cancel, times=times, sides=("saved", "cancel"))


@TIMES
async def test_a_credential_discarded_at_once_with_activate_waits_for_nobody(course: Course, times: int) -> None:
    async def activate_against_deactivation(lane: Lane) -> str:
        draft = await lane.draft(new_key())
        await draft.take_to(Step.ACTIVATION_CHOICE)
        flow, key = await draft.begin(), str((await draft.request()).credential_id)
        chosen, deactivated = await lane.start.fire(
            lambda: flow.choose("now"), lambda: lane.cast.second_owner.post(f"/api-keys/{key}/deactivations")
        )
        was_in_time = chosen.status_code == 200
        assert was_in_time or problem(chosen) == _CLOSED
        assert deactivated.json() == {"id": key, "status": "inactive", "superseded_request": flow.id}
        assert (await _key(lane, key))["status"] == "inactive"
        return "activate" if was_in_time else "deactivation"

    await course.run(activate_against_deactivation, times=times, sides=("activate", "deactivation"))


@TIMES
async def test_a_start_at_once_with_a_freeze_is_refused_or_gets_no_further(course: Course, times: int) -> None:
    async def start_against_freeze(lane: Lane) -> str:
        account = lane.owner.account_id
        flow = await lane.at(Step.TWO_FACTOR_CODE, activation(await lane.inactive_key()))
        almost = "UPDATE accounts SET wrong_codes_in_a_row = %s WHERE id = %s"
        await execute(lane.stage.core, almost, _BEFORE_FREEZE - 1, account)
        wrong, started = await lane.start.fire(
            lambda: flow.enter_code("000000"),
            lambda: lane.cast.sms_owner.post("/fix-credentials", {"session_type": "trade"}),
        )
        assert problem(wrong) == (422, "wrong-code")
        was_in_time = started.status_code == 202
        assert was_in_time or problem(started) == (403, "issuing-frozen")
        if was_in_time:
            begun = Flow(lane.cast.sms_owner, started.json()["id"], started.json()["workflow_id"])
            assert problem(await begun.enter_code("123456")) in {(403, "issuing-frozen"), _CLOSED}
        await flow.cancel()
        assert isinstance(account, UUID)
        async with lane.stage.core.desk.on_account(account, at=datetime.now(UTC), actor=SYSTEM) as work:
            await thaw(work)
        return "start" if was_in_time else "freeze"

    assert without_caps(course.stage.core.settings.rules).wrong_codes_before_freeze == _BEFORE_FREEZE
    await course.run(start_against_freeze, times=times, sides=("freeze", "start"))
