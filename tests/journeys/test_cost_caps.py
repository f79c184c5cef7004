"""What requests and SMS may cost: caps of an account by the hour and the day, and of all accounts by the day."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from countersign.domain.errors import SmsSuspended
from countersign.domain.messages import SYSTEM
from countersign.domain.rules import Rules
from countersign.effects.sms import count_sms, hold_sms
from countersign.local.issuer import Issuer
from countersign.wiring import Parts
from tests.support.answers import problem, retry_after
from tests.support.cast import Cast, Providers, challenge_of
from tests.support.patience import eventually
from tests.support.rows import change, select
from tests.support.stage import Stage, set_stage

DAY = 24 * 3600


@pytest.fixture
async def stage(core: Parts, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    rules = Rules(requests_per_hour=3, sms_per_account_and_day=3, sms_per_day=0)
    async with set_stage(core, issuer=issuer, providers=providers, rules=rules) as opened, opened.at_work():
        yield opened


@asynccontextmanager
async def capped(core: Parts, issuer: Issuer, providers: Providers, *, more: int) -> AsyncIterator[Stage]:
    """A stage on which that many more SMS may be made today."""
    [(made,)] = await select(core, "SELECT coalesce(max(made), 0) FROM sms_days WHERE day = %s", today())
    rules = Rules(sms_per_day=int(made) + more)
    async with set_stage(core, issuer=issuer, providers=providers, rules=rules) as opened:
        yield opened


def today() -> object:
    return datetime.now(UTC).date()


async def made_today(core: Parts) -> int:
    [(made,)] = await select(core, "SELECT coalesce(max(made), 0) FROM sms_days WHERE day = %s", today())
    return int(made)


async def test_after_as_many_requests_as_the_hour_has_another_is_429(stage: Stage) -> None:
    owner = stage.cast.owner
    answers = [await owner.post("/api-keys", {"name": f"bot {number}"}) for number in range(4)]

    assert [each.status_code for each in answers[:3]] == [202] * 3
    assert problem(answers[3]) == (429, "too-many-requests")
    assert 3590 <= retry_after(answers[3]) <= 3600
    assert answers[3].headers["RateLimit"] == f'"too-many-requests";r=0;t={retry_after(answers[3])}'


@pytest.mark.prove
async def test_all_kinds_of_request_and_all_owners_of_the_account_count_together(stage: Stage) -> None:
    cast = stage.cast
    await cast.owner.begin("/api-keys", {"name": "bot"})
    await cast.second_owner.begin("/fix-credentials", {"session_type": "trade"})
    await cast.sms_owner.begin("/security/changes", {"to": "off"})

    assert problem(await cast.owner.post("/api-keys", {"name": "other"})) == (429, "too-many-requests")
    assert (await cast.outsider.post("/api-keys", {"name": "other"})).status_code == 202


async def test_a_repeated_idempotency_key_does_not_count_and_is_answered_when_nothing_is_left(stage: Stage) -> None:
    owner, form = stage.cast.owner, {"name": "bot"}
    for _ in range(5):
        assert (await owner.post("/api-keys", form, key="same")).status_code == 202
    for number in range(2):
        assert (await owner.post("/api-keys", {"name": f"bot {number}"})).status_code == 202
    assert problem(await owner.post("/api-keys", {"name": "last"})) == (429, "too-many-requests")

    assert (await owner.post("/api-keys", form, key="same")).status_code == 202


@pytest.mark.prove
async def test_what_was_refused_does_not_count(stage: Stage) -> None:
    owner = stage.cast.owner
    for _ in range(5):
        assert (await owner.post("/api-keys", {"name": ""})).status_code == 422

    assert (await owner.post("/api-keys", {"name": "bot"})).status_code == 202


@pytest.mark.prove
async def test_of_many_asked_for_at_once_no_more_are_begun_than_the_hour_has(stage: Stage) -> None:
    forms = [{"name": f"bot {number}"} for number in range(8)]

    answers = await asyncio.gather(*(stage.cast.owner.post("/api-keys", form) for form in forms))

    assert sorted(each.status_code for each in answers) == [202] * 3 + [429] * 5


@pytest.mark.prove
async def test_an_hour_later_requests_are_begun_again(stage: Stage) -> None:
    owner = stage.cast.owner
    for number in range(3):
        await owner.post("/api-keys", {"name": f"bot {number}"})
    account = owner.account_id
    await change(
        stage.core, "UPDATE requests SET created_at = created_at - interval '1 hour' WHERE account_id = %s", account
    )

    assert (await owner.post("/api-keys", {"name": "another"})).status_code == 202


def test_a_rule_under_which_nobody_could_begin_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody could begin"):
        Rules(requests_per_hour=0)


@pytest.fixture
async def thrifty(core: Parts, issuer: Issuer, providers: Providers) -> AsyncIterator[Stage]:
    rules = Rules(sms_per_account_and_day=2, sms_per_day=0)
    async with set_stage(core, issuer=issuer, providers=providers, rules=rules) as opened, opened.at_work():
        yield opened


async def test_after_as_many_sms_as_the_day_has_the_account_gets_none(thrifty: Stage) -> None:
    cast = thrifty.cast
    for number in range(2):
        await (await cast.sms_owner.create_api_key(f"bot {number}")).code()

    refused = await cast.sms_owner.post("/api-keys", {"name": "another"})

    assert problem(refused) == (429, "too-many-sms")
    assert DAY - 60 <= retry_after(refused) <= DAY
    assert (await cast.owner.post("/api-keys", {"name": "another"})).status_code == 202


async def test_a_resend_counts_and_so_do_requests_about_to_send(thrifty: Stage) -> None:
    flow = await thrifty.cast.sms_owner.create_api_key()
    await flow.code()
    await flow.skip(minutes=2)
    assert (await flow.post("/two-factor-code/resend")).status_code == 200
    await flow.skip(minutes=2)

    assert problem(await flow.post("/two-factor-code/resend")) == (429, "too-many-sms")
    assert (await flow.enter_code()).status_code == 200


@pytest.mark.prove
async def test_mails_do_not_count_among_the_sms(thrifty: Stage) -> None:
    flow = await thrifty.cast.sms_owner.create_api_key()
    await flow.to_activation_code()
    assert (await flow.enter_activation_code()).status_code == 200

    assert (await thrifty.cast.sms_owner.post("/api-keys", {"name": "another"})).status_code == 202


async def test_when_the_day_of_all_accounts_is_used_up_it_is_503_with_a_type_of_its_own(
    core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with capped(core, issuer, providers, more=1) as stage, stage.at_work():
        flow = await stage.cast.sms_owner.create_api_key()
        await flow.code()

        refused = await stage.cast.sms_owner.post("/api-keys", {"name": "another"})

        assert problem(refused) == (503, "sms-suspended")
        assert 1 <= int(refused.headers["Retry-After"]) <= DAY
        assert (await stage.cast.owner.post("/api-keys", {"name": "by authenticator"})).status_code == 202
        assert (await flow.enter_code()).status_code == 200


async def test_two_accounts_at_once_do_not_pass_the_cap_and_who_loses_is_told(
    core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with capped(core, issuer, providers, more=1) as stage:
        owners = stage.cast.sms_owner, stage.cast.outsider
        await change(core, "UPDATE users SET two_factor_method = 'sms' WHERE id = %s", stage.cast.outsider.id)
        before = await made_today(core)
        # No worker yet: both are accepted while there is one SMS left.
        answers = [await each.post("/api-keys", {"name": "bot"}) for each in owners]
        assert [each.status_code for each in answers] == [202, 202]
        paths = [f"/requests/{each.json()['id']}" for each in answers]

        async with stage.at_work():

            async def are_begun() -> bool:
                shown = [(await who.get(path)).json() for who, path in zip(owners, paths, strict=True)]
                return all(each["step"] != "starting" for each in shown)

            await eventually(are_begun)
            shown = [(await who.get(path)).json() for who, path in zip(owners, paths, strict=True)]

        assert sorted(str(each["outcome"]) for each in shown) == ["None", "cancelled"]
        assert [each["reason"] for each in shown if each["outcome"]] == ["sms-suspended"]
        assert await made_today(core) == before + 1


async def test_a_change_to_sms_that_could_not_send_uses_up_no_code(
    core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with capped(core, issuer, providers, more=0) as stage, stage.at_work():
        owner = stage.cast.owner
        flow = await owner.begin("/security/changes", {"to": "sms"})
        code = owner.authenticator_code()
        body = {"code": code, "reveal_challenge": challenge_of("x" * 43)}
        assert problem(await flow.post("/two-factor-code", body)) == (503, "sms-suspended")

        other = await owner.begin("/api-keys", {"name": "bot"})
        assert (await other.enter_code(code)).status_code == 200


async def test_the_log_tells_once_of_four_fifths_and_once_of_all(
    core: Parts, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    far = datetime(2099, 1, 1, 12, tzinfo=UTC)
    desk = replace(core.desk, rules=Rules(sms_per_day=10))
    assert cast.owner.account_id
    for _ in range(12):
        async with desk.on_account(cast.owner.account_id, at=far, actor=SYSTEM) as work:
            await count_sms(work)

    told = [(each.levelno, each.getMessage()) for each in caplog.records if each.name == "countersign.effects.sms"]
    assert told == [
        (logging.WARNING, "8 of the day's 10 SMS are made"),
        (logging.ERROR, "All 10 SMS of the day are made: no more are sent until midnight UTC"),
    ]
    async with desk.on_account(cast.owner.account_id, at=far, actor=SYSTEM) as work:
        with pytest.raises(SmsSuspended) as refused:
            await hold_sms(work)
    assert refused.value.extra == {"retry_after": 12 * 3600}


async def test_a_cap_that_is_held_makes_nobody_wait_who_makes_no_sms(core: Parts, cast: Cast) -> None:
    assert cast.sms_owner.account_id
    async with core.desk.on_account(cast.sms_owner.account_id, at=datetime.now(UTC), actor=SYSTEM) as work:
        await hold_sms(work)
        other = cast.outsider
        assert (await asyncio.wait_for(other.post("/api-keys", {"name": "bot"}), 5)).status_code == 202


async def test_metrics_tell_the_days_sms_the_cap_and_what_was_refused(
    core: Parts, issuer: Issuer, providers: Providers
) -> None:
    async with capped(core, issuer, providers, more=0) as stage:
        http: httpx.AsyncClient = stage.cast.owner.http
        await stage.cast.sms_owner.post("/api-keys", {"name": "bot"})

        text = (await http.get("/metrics")).text

        assert 'countersign_problems_total{problem="sms-suspended"} 1.0' in text
        assert f"countersign_sms_today {await made_today(core):.1f}" in text
        assert f"countersign_sms_cap {stage.core.settings.rules.sms_per_day:.1f}" in text


COSTLY = ["+449098790879", "+448448123456", "+447012345678", "+19002345678", "+447640123456", "+443000001234"]


async def test_numbers_that_cost_more_than_a_mobiles_are_refused(cast: Cast) -> None:
    for phone in COSTLY:
        response = await cast.bare_owner.post("/security/changes", {"to": "sms", "phone": phone})

        assert problem(response) == (422, "invalid-input"), phone
        assert "use a mobile number" in response.json()["detail"]
        assert phone not in response.text


async def test_where_countries_are_named_no_other_number_is_taken(
    core: Parts, issuer: Issuer, providers: Providers
) -> None:
    rules = Rules(sms_countries="1, 49")
    async with set_stage(core, issuer=issuer, providers=providers, rules=rules) as stage:
        owner = stage.cast.bare_owner

        refused = await owner.post("/security/changes", {"to": "sms", "phone": "+447300123456"})

        assert problem(refused) == (422, "invalid-input")
        assert "begin with +1, +49" in refused.json()["detail"]
        taken = await owner.post("/security/changes", {"to": "sms", "phone": "+4915123456789"})
        assert taken.status_code == 202
