"""However many come at once, the database judges them one by one."""

import asyncio
import time
from collections import Counter
from uuid import uuid4

import httpx
import pytest

from tests.support.cast import Cast, Flow, Person

_AT_ONCE = 50
_ROUNDS = [0, *(pytest.param(number, marks=pytest.mark.prove) for number in range(1, 23))]


def _answers(responses: list[httpx.Response]) -> Counter[tuple[int, str]]:
    return Counter((each.status_code, each.json().get("type", "").rpartition("/")[2]) for each in responses)


async def _events(flow: Flow) -> Counter[str]:
    rows = (await flow.person.get("/audit-events?limit=500")).json()
    return Counter(row["event"] for row in rows if row["request_id"] == flow.id)


def _wrong_codes(person: Person) -> list[str]:
    now = int(time.time()) // 30
    right = {person.code_of_step(now + offset) for offset in range(-3, 4)}
    return [code for number in range(_AT_ONCE + 10) if (code := f"{number:06}") not in right][:_AT_ONCE]


@pytest.mark.parametrize("round_number", _ROUNDS)
async def test_fifty_times_the_right_code_with_one_key_is_one_effect_and_one_answer(
    cast: Cast, round_number: int
) -> None:
    flow = await cast.owner.create_api_key()
    code = await flow.code()

    responses = await asyncio.gather(*(flow.enter_code(code, key="the-same") for _ in range(_AT_ONCE)))

    assert _answers(responses) == {(200, ""): _AT_ONCE}
    assert len({each.content for each in responses}) == 1
    assert len((await cast.owner.get("/api-keys")).json()) == 1
    events = await _events(flow)
    assert (events["two-factor:passed"], events["credential:created"], events["code:wrong"]) == (1, 1, 0)


@pytest.mark.parametrize("round_number", _ROUNDS)
async def test_fifty_times_the_right_code_with_fifty_keys_is_one_effect_and_49_conflicts_none_of_them_wrong(
    cast: Cast, round_number: int
) -> None:
    flow = await cast.owner.create_api_key()
    code = await flow.code()

    responses = await asyncio.gather(*(flow.enter_code(code, key=str(number)) for number in range(_AT_ONCE)))

    assert _answers(responses) == {(200, ""): 1, (409, "not-at-this-step"): _AT_ONCE - 1}
    assert len((await cast.owner.get("/api-keys")).json()) == 1
    events = await _events(flow)
    assert (events["two-factor:passed"], events["credential:created"], events["code:wrong"]) == (1, 1, 0)


@pytest.mark.parametrize("round_number", _ROUNDS)
async def test_of_fifty_wrong_codes_at_once_exactly_five_count_and_the_request_is_refused(
    cast: Cast, round_number: int
) -> None:
    flow = await cast.owner.create_api_key()

    responses = await asyncio.gather(*(flow.enter_code(code) for code in _wrong_codes(cast.owner)))

    assert _answers(responses) == {(422, "wrong-code"): 5, (409, "request-closed"): _AT_ONCE - 5}
    left = [each.json()["attempts_left"] for each in responses if each.status_code == 422]
    assert sorted(left) == [0, 1, 2, 3, 4]
    assert await flow.outcome() == "refused"
    assert (await _events(flow))["code:wrong"] == 5


@pytest.mark.parametrize("round_number", _ROUNDS)
async def test_fifty_starts_with_one_key_are_one_request(cast: Cast, round_number: int) -> None:
    body = {"name": "bot", "permissions": ["trade"]}

    responses = await asyncio.gather(*(cast.owner.post("/api-keys", body, key="one") for _ in range(_AT_ONCE)))

    assert _answers(responses) == {(202, ""): _AT_ONCE}
    [request_id] = {each.json()["id"] for each in responses}
    assert [each["id"] for each in (await cast.owner.get("/requests")).json()] == [request_id]


@pytest.mark.parametrize("round_number", _ROUNDS)
async def test_of_fifty_starts_with_one_name_one_is_accepted(cast: Cast, round_number: int) -> None:
    body = {"name": "bot", "permissions": ["trade"]}

    responses = await asyncio.gather(*(cast.owner.post("/api-keys", body, key=str(uuid4())) for _ in range(_AT_ONCE)))

    assert _answers(responses) == {(202, ""): 1, (409, "name-taken"): _AT_ONCE - 1}
    [accepted] = [each.json()["id"] for each in responses if each.status_code == 202]
    assert {each.json()["request_id"] for each in responses if each.status_code == 409} == {accepted}
