"""No worker for an hour: people see where they are, and what they do counts once one is back, by its deadlines."""

import asyncio

import httpx

from tests.support.answers import problem
from tests.support.fix import look_up
from tests.support.stage import Stage, ended, settle, through

_AN_HOUR = 60


async def test_an_hour_without_a_worker_costs_nobody_anything_but_the_hour(
    stage: Stage, impatient: httpx.AsyncClient
) -> None:
    cast, owner = stage.cast, stage.cast.owner
    async with stage.at_work():
        at_code, at_mail = await owner.create_api_key("first"), await owner.create_api_key("second")
        at_choice, at_manager = await owner.create_fix(), await (await owner.create_fix()).to_account_manager()
        await at_mail.to_activation_code()
        [token] = await at_mail.link_tokens()
        await at_choice.to_choice()
        # The timers of the first steps ring meanwhile; time cannot be skipped past a timer while nobody works.
        for flow in (at_mail, at_choice):
            await flow.skip(minutes=31)
        for flow in (at_code, at_mail, at_choice, at_manager):
            await settle(flow)
    # Not the manager's, whose statement is signed by the clock of the API.
    for flow in (at_mail, at_choice):
        await flow.skip(minutes=_AN_HOUR)
    name = str((await at_manager.shown())["name"])
    decision = {"decision": "activate", "version": (await look_up(cast.account_manager, name))["version"]}

    async def say_it() -> tuple[httpx.Response, ...]:
        """What each does, and does again when it was answered 503: each with its key."""
        decide = f"/account-manager/fix-credentials/{name}/decision"
        return await asyncio.gather(
            at_mail.post("/activation-link", {"token": token}, key="link"),
            at_choice.post("/activation", {"when": "later"}, key="later"),
            owner.call("DELETE", f"/requests/{at_code.id}", key="cancel"),
            cast.account_manager.post(decide, decision, key="decision"),
        )

    with through(owner, impatient), through(cast.account_manager, impatient):
        for answer in await say_it():
            assert (problem(answer), int(answer.headers["retry-after"])) == ((503, "temporarily-unavailable"), 2)
        shown = [(await flow.shown())["step"] for flow in (at_mail, at_choice, at_code, at_manager)]
    assert shown == ["activation_code", "activation_choice", "two_factor_code", "account_manager"]

    async with stage.at_work():
        answers = await say_it()
        assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
        outcomes = [answer.json()["outcome"] for answer in answers]
        assert outcomes == ["activated", "left_inactive", "cancelled", "activated"]
        assert [await ended(flow) for flow in (at_mail, at_choice, at_code, at_manager)] == outcomes
