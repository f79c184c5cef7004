"""Limits per account: codes sent, codes entered wrong, credentials. A stack of its own has the large ones small."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from countersign.domain.rules import Rules
from countersign.local.issuer import Issuer
from countersign.wiring import Parts
from tests.support.answers import enter_wrong_codes, problem, retry_after
from tests.support.cast import Cast, Providers
from tests.support.rows import change, let_deadline_pass, subjects
from tests.support.strict import strict_stack


@pytest.fixture(scope="module")
async def strict(core: Parts) -> AsyncIterator[tuple[Parts, httpx.AsyncClient]]:
    rules = Rules(wrong_codes_before_freeze=6, credentials_per_account=2)
    async with strict_stack(core, rules=rules, task_queue="small-limits") as opened:
        yield opened


@pytest.fixture
async def strict_cast(
    strict: tuple[Parts, httpx.AsyncClient], issuer: Issuer, providers: Providers, worker: None
) -> Cast:
    core, http = strict
    return await Cast.enter(core, http=http, issuer=issuer, providers=providers)


async def test_of_eleven_sms_asked_for_at_once_ten_are_sent(cast: Cast) -> None:
    forms = [{"name": f"bot {number}"} for number in range(11)]

    answers = await asyncio.gather(*(cast.sms_owner.post("/api-keys", form) for form in forms))

    [refused] = [answer for answer in answers if answer.status_code != 202]
    assert problem(refused) == (429, "too-many-codes")
    # Judged at the moment it came in, which may be just before the sends it waited for.
    assert 1 <= retry_after(refused) <= 3605


async def _ten_sends(cast: Cast) -> None:
    await change(
        cast.core,
        """INSERT INTO code_sends (challenge_id, number, account_id, channel, opened_at, expires_at, delivery)
           SELECT s.challenge_id, n, s.account_id, s.channel, s.opened_at, s.expires_at, 'sent'
           FROM code_sends s, generate_series(2, 10) n WHERE s.account_id = %s""",
        cast.sms_owner.account_id,
    )


async def test_after_ten_codes_in_the_hour_the_resend_waits_until_the_first_is_an_hour_old(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await flow.code()
    await _ten_sends(cast)
    await flow.skip(minutes=2)

    response = await flow.post("/two-factor-code/resend")

    assert problem(response) == (429, "too-many-codes")
    assert 57 * 60 <= retry_after(response) <= 58 * 60


async def test_the_mail_code_counts_among_the_ten_of_the_hour(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key()
    await flow.to_choice()
    await _ten_sends(cast)

    assert problem(await flow.choose("now")) == (429, "too-many-codes")
    assert await flow.step() == "activation_choice"


async def test_an_hour_later_codes_are_sent_again(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key("first")
    await flow.code()
    await _ten_sends(cast)
    assert problem(await cast.sms_owner.post("/api-keys", {"name": "second"})) == (429, "too-many-codes")

    account = cast.sms_owner.account_id
    await change(
        cast.core, "UPDATE code_sends SET opened_at = opened_at - interval '1 hour' WHERE account_id = %s", account
    )

    assert (await cast.sms_owner.post("/api-keys", {"name": "second"})).status_code == 202


async def test_an_authenticator_needs_no_send(cast: Cast) -> None:
    flow = await cast.sms_owner.create_api_key("first")
    await flow.code()
    await _ten_sends(cast)

    assert (await cast.owner.post("/api-keys", {"name": "second"})).status_code == 202


async def test_after_twenty_wrong_codes_in_the_hour_no_code_of_the_account_is_checked(cast: Cast) -> None:
    for number in range(4):
        await enter_wrong_codes(await cast.owner.create_api_key(f"bot {number}"), 5)
    flow = await cast.second_owner.create_api_key("last")

    response = await flow.enter_code()

    assert problem(response) == (429, "too-many-wrong-codes")
    assert 3500 <= retry_after(response) <= 3600
    assert (await flow.shown())["attempts_left"] == 5

    account = cast.owner.account_id
    await change(cast.core, "UPDATE message_verdicts SET at = at - interval '1 hour' WHERE account_id = %s", account)
    assert (await flow.enter_code()).status_code == 200


async def test_wrong_mail_codes_count_among_those_of_the_hour(cast: Cast) -> None:
    for number in range(3):
        await enter_wrong_codes(await cast.owner.create_api_key(f"bot {number}"), 5)
    flow = await cast.second_owner.create_api_key("last")
    await flow.to_activation_code()
    await enter_wrong_codes(flow, 4)
    another = await cast.second_owner.create_api_key("another")
    await enter_wrong_codes(another, 1)

    assert problem(await flow.enter_activation_code()) == (429, "too-many-wrong-codes")


async def test_too_many_wrong_codes_in_a_row_freeze_issuing_and_mail_every_owner(strict_cast: Cast) -> None:
    cast = strict_cast
    await enter_wrong_codes(await cast.owner.create_api_key("first"), 5)
    second = await cast.owner.create_api_key("second")
    await enter_wrong_codes(second, 1)

    assert problem(await second.enter_code()) == (403, "issuing-frozen")
    assert problem(await cast.second_owner.post("/api-keys", {"name": "third"})) == (403, "issuing-frozen")
    for owner in (cast.owner, cast.second_owner, cast.sms_owner, cast.bare_owner):
        assert await subjects(cast, owner) == ["New credentials are frozen for Home"]
    assert await subjects(cast, cast.member) == []


async def test_a_right_code_ends_the_row_of_wrong_ones(strict_cast: Cast) -> None:
    first = await strict_cast.owner.create_api_key("first")
    await enter_wrong_codes(first, 4)
    await first.to_choice()
    await first.choose("later")
    second = await strict_cast.owner.create_api_key("second")
    await enter_wrong_codes(second, 4)

    assert (await second.enter_code()).status_code == 200


async def test_a_frozen_account_activates_nothing_by_mail_and_can_still_deactivate(strict_cast: Cast) -> None:
    key_id = await strict_cast.owner.active_api_key("active")
    flow = await strict_cast.owner.create_api_key("waiting")
    await flow.to_activation_code()
    [token] = await flow.link_tokens()
    code = await flow.code()
    await change(strict_cast.core, "UPDATE accounts SET frozen_at = now() WHERE id = %s", strict_cast.owner.account_id)

    by_code = await flow.enter_activation_code(code)
    by_link = await flow.post("/activation-link", {"token": token})
    edit = {"permissions": [], "ip_whitelist": "", "acknowledge_deactivation": True}

    assert problem(by_code) == problem(by_link) == (403, "issuing-frozen")
    assert problem(await strict_cast.owner.post(f"/api-keys/{key_id}/edits", edit)) == (403, "issuing-frozen")
    assert (await strict_cast.owner.post(f"/api-keys/{key_id}/deactivations")).json()["status"] == "inactive"


async def test_an_account_has_no_more_credentials_than_it_may_have_creations_included(strict_cast: Cast) -> None:
    await strict_cast.owner.inactive_api_key("first")
    second = await strict_cast.owner.create_api_key("second")

    response = await strict_cast.owner.post("/api-keys", {"name": "third"})

    assert problem(response) == (409, "too-many-credentials")
    assert response.json()["limit"] == 2
    assert problem(await strict_cast.owner.post("/fix-credentials", {"session_type": "trade"})) == (
        409,
        "too-many-credentials",
    )
    await second.to_secret()
    await second.cancel()
    assert (await strict_cast.owner.post("/api-keys", {"name": "third"})).status_code == 202


async def test_an_overdue_creation_takes_no_room(strict_cast: Cast) -> None:
    flows = [await strict_cast.owner.create_api_key(name) for name in ("first", "second")]
    await let_deadline_pass(strict_cast.core, flows[0].id)

    assert (await strict_cast.owner.post("/api-keys", {"name": "third"})).status_code == 202


async def test_another_account_has_limits_of_its_own(cast: Cast) -> None:
    for number in range(4):
        await enter_wrong_codes(await cast.owner.create_api_key(f"bot {number}"), 5)
    flow = await cast.outsider.create_api_key()

    assert (await flow.enter_code()).status_code == 200
