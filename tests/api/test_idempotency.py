"""An Idempotency-Key: the same again gives the same request, another body with it is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from api.schemas import Edit, NewApiKey
from tests.support.cast import Cast

Start = tuple[str, object]


_BOT = {"name": "bot", "permissions": ["trade"]}


async def new_api_key(_cast: Cast) -> Start:
    return "/api-keys", {"name": "bot", "permissions": ["trade"]}


async def new_fix_credentials(_cast: Cast) -> Start:
    return "/fix-credentials", {"session_type": "trade"}


async def edit(cast: Cast) -> Start:
    body = {"permissions": ["read"], "ip_whitelist": "203.0.113.7", "acknowledge_deactivation": True}
    return f"/api-keys/{await cast.owner.inactive_api_key()}/edits", body


async def api_key_activation(cast: Cast) -> Start:
    return f"/api-keys/{await cast.owner.inactive_api_key()}/activations", None


async def fix_activation(cast: Cast) -> Start:
    return f"/fix-credentials/{(await cast.owner.inactive_fix())['id']}/activations", None


STARTS = [new_api_key, new_fix_credentials, edit, api_key_activation, fix_activation]
EACH_START = pytest.mark.parametrize("prepare", STARTS, ids=lambda start: start.__name__)
Prepare = Callable[[Cast], Awaitable[Start]]


@EACH_START
async def test_the_same_key_and_body_give_the_same_request_open_or_done(cast: Cast, prepare: Prepare) -> None:
    path, body = await prepare(cast)
    flow = await cast.owner.begin(path, body, key="once")

    while_open = await cast.owner.post(path, body, key="once")
    await flow.cancel()
    when_done = await cast.owner.post(path, body, key="once")

    assert (while_open.status_code, while_open.json()["id"]) == (202, flow.id)
    assert while_open.headers["location"] == f"/v1/requests/{flow.id}"
    assert (when_done.status_code, when_done.json()["id"], when_done.json()["outcome"]) == (202, flow.id, "cancelled")


@EACH_START
async def test_the_same_key_sent_many_times_at_once_starts_one_request(cast: Cast, prepare: Prepare) -> None:
    path, body = await prepare(cast)

    answers = await asyncio.gather(*(cast.owner.post(path, body, key="once") for _ in range(10)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


@EACH_START
async def test_without_a_key_the_same_again_is_a_start_of_its_own(cast: Cast, prepare: Prepare) -> None:
    path, body = await prepare(cast)
    first = await cast.owner.post(path, body)
    again = await cast.owner.post(path, body)

    if path == "/fix-credentials":
        assert again.status_code == 202
        assert again.json()["id"] != first.json()["id"]
    else:
        assert again.status_code == 409
        assert again.json()["request_id"] == first.json()["id"]


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/api-keys", {"name": "bot"}, {"name": "bot", "permissions": ["trade"]}),
        ("/api-keys", {"name": "bot"}, {"name": "Bot"}),
        ("/api-keys", _BOT, {**_BOT, "trading_limits": [{"asset": "BTC", "daily_volume": "1"}]}),
        ("/fix-credentials", {"session_type": "trade"}, {"session_type": "market_data"}),
    ],
)
async def test_another_body_with_the_same_key_is_refused(
    cast: Cast, path: str, body: dict[str, Any], other: dict[str, Any]
) -> None:
    await cast.owner.post(path, body, key="once")

    response = await cast.owner.post(path, other, key="once")

    assert response.status_code == 422
    assert response.json()["type"] == "/problems/idempotency-key-reused"


async def test_fields_in_another_order_or_left_at_their_default_are_the_same_body(cast: Cast) -> None:
    first = await cast.owner.post("/api-keys", {"name": "bot", "permissions": []}, key="once")

    again = await cast.owner.post("/api-keys", {"ip_whitelist": "", "name": "bot"}, key="once")

    assert again.json()["id"] == first.json()["id"]


async def test_a_body_without_trading_limits_stands_for_what_it_stood_for_before_there_were_any() -> None:
    created = NewApiKey(name="bot", permissions=["trade"])
    edited = Edit(permissions=["trade"], ip_whitelist="", acknowledge_deactivation=True)

    assert created.model_dump(mode="json") == {"name": "bot", "permissions": ["trade"], "ip_whitelist": ""}
    assert "trading_limits" not in edited.model_dump(mode="json")
    assert Edit(permissions=[], ip_whitelist="", trading_limits=[]).model_dump(mode="json")["trading_limits"] == []


async def test_a_key_belongs_to_user_account_and_route(cast: Cast) -> None:
    body = {"session_type": "trade"}
    first = await cast.owner.post("/fix-credentials", body, key="once")
    same_account = await cast.second_owner.post("/fix-credentials", body, key="once")
    other_account = await cast.outsider.post("/fix-credentials", body, key="once")
    other_route = await cast.owner.post("/api-keys", {"name": "bot"}, key="once")

    answers = [first, same_account, other_account, other_route]
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json()["id"] for answer in answers}) == 4


async def test_a_key_of_one_credential_is_free_for_another(cast: Cast) -> None:
    one, other = await cast.owner.inactive_api_key("one"), await cast.owner.inactive_api_key("other")

    answers = [await cast.owner.post(f"/api-keys/{each}/activations", key="once") for each in (one, other)]

    assert [answer.json()["credential_id"] for answer in answers] == [one, other]


async def test_a_start_that_was_refused_leaves_its_key_free(cast: Cast) -> None:
    refused = await cast.owner.post("/api-keys", {"name": "bot", "ip_whitelist": "nonsense"}, key="once")
    accepted = await cast.owner.post("/api-keys", {"name": "bot"}, key="once")

    assert (refused.status_code, accepted.status_code) == (422, 202)


async def test_a_wrong_code_sent_again_with_its_key_counts_once(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    wrong = "000000" if await flow.code() != "000000" else "000001"

    answers = [await flow.enter_code(wrong, key="one") for _ in range(3)]

    assert [answer.json()["attempts_left"] for answer in answers] == [4, 4, 4]
    assert (await flow.shown())["attempts_left"] == 4
    assert (await flow.enter_code(wrong, key="two")).json()["attempts_left"] == 3


async def test_the_same_message_key_sent_many_times_at_once_counts_once(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    wrong = "000000" if await flow.code() != "000000" else "000001"

    answers = await asyncio.gather(*(flow.enter_code(wrong, key="one") for _ in range(8)))

    assert {(answer.status_code, answer.json()["attempts_left"]) for answer in answers} == {(422, 4)}
    assert (await flow.shown())["attempts_left"] == 4


async def test_a_message_sent_again_after_the_end_gets_the_answer_it_got_before(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    await flow.to_choice()
    first = await flow.post("/activation", {"when": "later"}, key="one")

    again = await flow.post("/activation", {"when": "later"}, key="one")
    another = await flow.post("/activation", {"when": "later"}, key="two")

    assert (first.status_code, again.status_code, another.status_code) == (200, 200, 409)
    assert again.json()["outcome"] == "left_inactive"


async def test_a_message_key_is_another_for_each_kind_of_message_and_each_person(cast: Cast) -> None:
    flow = await cast.owner.create_api_key()
    key = str(uuid4())
    assert (await flow.enter_code(key=key)).status_code == 200
    await flow.reveal()

    assert (await flow.post("/secret-saved", key=key)).json()["step"] == "activation_choice"
    assert (await cast.second_owner.post(f"/requests/{flow.id}/secret-saved", key=key)).status_code in {403, 409}
