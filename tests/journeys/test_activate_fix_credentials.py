import asyncio
from typing import Any

import pytest
from temporalio.service import RPCError

from countersign.storage import accounts
from tests.support.cast import Cast, Flow
from tests.support.fix import (
    active_fix,
    all_mails,
    ask_for_activation,
    credential_of,
    decide,
    decided,
    execute,
    look_up,
    mails,
    name_of,
    problem,
    queue,
    result_of,
    signal_decision,
    statement_for,
    waiting_for_manager,
)


async def test_an_owner_asks_and_the_account_manager_activates(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()

    flow = await ask_for_activation(cast.owner, fix)
    shown = await flow.shown()
    decided(await decide(cast.account_manager, fix["session_name"]))

    assert (shown["step"], shown["journey"]) == ("account_manager", "activate-fix-credentials")
    assert await flow.outcome() == "activated"
    assert (await credential_of(flow))["status"] == "active"
    assert await result_of(flow) == "activated"


async def test_asking_needs_no_two_factor_code(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()

    flow = await ask_for_activation(cast.bare_owner, fix)

    assert (await flow.shown())["channel"] is None
    assert await flow.step() == "account_manager"


async def test_asking_mails_the_account_managers_who_asked_for_what(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix("market_data")

    await ask_for_activation(cast.second_owner, fix)

    [body] = await mails(cast.account_manager, f"Activation asked for: {fix['session_name']}")
    assert body.startswith("second_owner asked at ")
    assert "market data" in body


async def test_asking_for_active_credentials_is_409(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)

    response = await cast.owner.post(f"/fix-credentials/{fix['id']}/activations")

    assert problem(response) == (409, "wrong-status")


async def test_asking_while_a_request_is_open_is_409_with_the_id_of_the_first(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    response = await cast.second_owner.post(f"/fix-credentials/{(await credential_of(flow))['id']}/activations")

    assert problem(response) == (409, "request-open")
    assert response.json()["request_id"] == flow.id


async def test_credentials_that_were_deactivated_can_be_activated_again(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)
    await cast.owner.post(f"/fix-credentials/{fix['id']}/deactivations")

    flow = await ask_for_activation(cast.owner, fix)
    decided(await decide(cast.account_manager, fix["session_name"]))

    assert (await credential_of(flow))["status"] == "active"


async def test_an_account_manager_who_activates_by_name_answers_the_request_that_waits(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    answer = decided(await decide(cast.account_manager, await name_of(flow)))

    assert (answer["id"], answer["outcome"]) == (flow.id, "activated")
    assert len((await cast.owner.get("/requests")).json()) == 1


async def test_an_account_manager_who_activates_by_name_starts_a_request_where_none_waits(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()

    answer = decided(await decide(cast.account_manager, fix["session_name"]))

    assert (answer["journey"], answer["outcome"]) == ("activate-fix-credentials", "activated")
    assert answer["begun_by"] == str(cast.account_manager.id)
    assert (await look_up(cast.account_manager, fix["session_name"]))["status"] == "active"
    assert (await cast.owner.get(f"/requests/{answer['id']}")).json()["outcome"] == "activated"


async def test_activating_by_name_asks_no_account_manager_and_tells_the_owners(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()

    decided(await decide(cast.account_manager, fix["session_name"]))

    [body] = await mails(cast.owner, "FIX credentials activated")
    assert "Activated by account_manager" in body
    assert await all_mails(cast.account_manager) == []


async def test_rejecting_with_nothing_waiting_is_409(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()

    response = await decide(cast.account_manager, fix["session_name"], "reject")

    assert problem(response) == (409, "nothing-waiting")
    assert (await cast.owner.get("/requests?open=true")).json() == []


async def test_deciding_on_active_credentials_is_409(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)

    for decision in ("activate", "reject"):
        response = await decide(cast.account_manager, fix["session_name"], decision)
        assert problem(response) == (409, "nothing-waiting")


@pytest.mark.parametrize("decision", ["activate", "reject"])
async def test_a_decision_before_the_password_is_saved_is_409(cast: Cast, decision: str) -> None:
    flow = await (await cast.owner.create_fix()).to_secret()
    await flow.reveal()

    response = await decide(cast.account_manager, await name_of(flow), decision)

    assert problem(response) == (409, "nothing-waiting")
    assert await flow.step() == "secret_saved"


async def test_a_decision_before_the_owner_chose_to_activate_is_409(cast: Cast) -> None:
    flow = await (await cast.owner.create_fix()).to_choice()

    response = await decide(cast.account_manager, await name_of(flow))

    assert problem(response) == (409, "nothing-waiting")
    assert response.json()["step"] == "activation_choice"
    assert await flow.step() == "activation_choice"


async def test_a_decision_before_the_two_factor_code_finds_no_such_credentials(cast: Cast) -> None:
    flow = await cast.owner.create_fix()

    response = await decide(cast.account_manager, await name_of(flow), version=1)

    assert problem(response) == (404, "not-found")


async def test_a_decision_on_another_version_than_the_one_shown_is_refused_with_the_present_one(cast: Cast) -> None:
    fix = await active_fix(cast, cast.owner)
    await cast.owner.post(f"/fix-credentials/{fix['id']}/deactivations")
    flow = await ask_for_activation(cast.owner, fix)

    response = await decide(cast.account_manager, fix["session_name"], version=fix["version"])

    assert problem(response) == (409, "version-changed")
    assert response.json()["version"] == fix["version"] + 1
    assert await flow.step() == "account_manager"


async def test_by_name_too_the_version_that_was_shown_counts(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()

    response = await decide(cast.account_manager, fix["session_name"], version=fix["version"] + 1)

    assert problem(response) == (409, "version-changed")
    assert (await cast.owner.get("/requests?open=true")).json() == []


async def test_a_rejection_mails_its_reason_and_leaves_the_credentials_inactive(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    answer = decided(await decide(cast.account_manager, await name_of(flow), "reject", reason="limits not agreed"))

    assert (answer["outcome"], answer["reason"]) == ("rejected", "limits not agreed")
    assert (await credential_of(flow))["status"] == "inactive"
    for person in (cast.owner, cast.second_owner):
        [body] = await mails(person, f"Activation rejected: {await name_of(flow)}")
        assert "Reason: limits not agreed" in body
        assert body.startswith("account_manager rejected")
    assert await result_of(flow) == "rejected"


async def test_after_a_rejection_the_owner_can_ask_again(cast: Cast) -> None:
    first = await waiting_for_manager(cast.owner)
    decided(await decide(cast.account_manager, await name_of(first), "reject"))

    second = await ask_for_activation(cast.owner, await credential_of(first))
    decided(await decide(cast.account_manager, await name_of(second)))

    assert (await credential_of(second))["status"] == "active"


async def test_a_decided_request_takes_no_second_decision(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    decided(await decide(cast.account_manager, await name_of(flow), "reject"))

    response = await decide(cast.account_manager, await name_of(flow), "reject")

    assert problem(response) == (409, "nothing-waiting")


async def test_a_silent_account_manager_is_reminded_after_4_and_24_hours_and_no_more(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    subject = f"Still waiting for you: {await name_of(flow)}"

    await flow.skip(hours=3, minutes=59)
    assert [mail for mail in await all_mails(cast.account_manager) if mail.startswith("Still")] == []
    await flow.skip(minutes=2)
    [reminder] = await mails(cast.account_manager, subject)
    await flow.skip(hours=19, minutes=58)
    assert len(await mails(cast.account_manager, subject)) == 1
    await flow.skip(minutes=2)
    assert len(await mails(cast.account_manager, subject, count=2)) == 2
    await flow.skip(days=10)
    assert len(await mails(cast.account_manager, subject, count=2)) == 2
    assert "owner asked for it at" in reminder


async def test_an_account_manager_may_take_30_days(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    await flow.skip(days=30)

    shown = await flow.shown()
    assert (shown["step"], shown["outcome"], shown["expires_at"]) == ("account_manager", None, None)
    await signal_decision(flow, await statement_for(flow, cast.account_manager))
    assert await flow.outcome() == "activated"


async def test_an_answered_request_reminds_nobody(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await flow.skip(hours=3)
    await signal_decision(flow, await statement_for(flow, cast.account_manager))

    assert await flow.outcome() == "activated"
    assert await result_of(flow) == "activated"
    assert len(await all_mails(cast.account_manager)) == 1


async def test_a_deactivation_while_the_account_manager_is_asked_wins_over_a_later_decision(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    fix = await credential_of(flow)
    late = await statement_for(flow, cast.account_manager)

    await cast.second_owner.post(f"/fix-credentials/{fix['id']}/deactivations")

    assert await flow.outcome() == "superseded"
    response = await decide(cast.account_manager, fix["session_name"], version=fix["version"])
    assert problem(response) == (409, "version-changed")
    await result_of(flow)
    await _cannot_be_signalled(flow, late)
    assert (await credential_of(flow))["status"] == "inactive"


async def test_a_request_that_was_superseded_leaves_the_next_one_to_be_decided(cast: Cast) -> None:
    first = await waiting_for_manager(cast.owner)
    fix = await credential_of(first)
    await cast.owner.post(f"/fix-credentials/{fix['id']}/deactivations")

    second = await ask_for_activation(cast.owner, fix)
    answer = decided(await decide(cast.account_manager, fix["session_name"]))

    assert answer["id"] == second.id
    assert await first.outcome() == "superseded"


async def test_an_account_that_is_frozen_starts_no_activation(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()
    await execute(cast.core, "UPDATE accounts SET frozen_at = now() WHERE id = %s", cast.owner.account_id)

    asked = await cast.owner.post(f"/fix-credentials/{fix['id']}/activations")
    by_name = await decide(cast.account_manager, fix["session_name"])

    assert problem(asked) == problem(by_name) == (403, "issuing-frozen")


async def test_an_account_that_was_frozen_meanwhile_is_not_activated_but_can_be_rejected(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await execute(cast.core, "UPDATE accounts SET frozen_at = now() WHERE id = %s", cast.owner.account_id)

    assert problem(await decide(cast.account_manager, await name_of(flow))) == (403, "issuing-frozen")
    assert decided(await decide(cast.account_manager, await name_of(flow), "reject"))["outcome"] == "rejected"


async def test_an_account_that_lost_prime_liquidity_meanwhile_is_not_activated(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    name = await name_of(flow)
    await execute(cast.core, "UPDATE accounts SET prime_liquidity = false WHERE id = %s", cast.owner.account_id)

    response = await decide(cast.account_manager, name)

    assert problem(response) == (403, "prime-liquidity-owner-required")
    assert (await look_up(cast.account_manager, name))["status"] == "awaiting_activation"


async def test_what_an_owner_asked_for_who_left_meanwhile_is_not_activated_but_can_be_rejected(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    name = await name_of(flow)
    await execute(cast.core, "DELETE FROM memberships WHERE user_id = %s", cast.owner.id)

    assert problem(await decide(cast.account_manager, name)) == (403, "prime-liquidity-owner-required")
    assert decided(await decide(cast.account_manager, name, "reject"))["outcome"] == "rejected"


async def test_two_account_managers_who_decide_at_once_have_one_effect(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    async with cast.core.database.connection() as connection:
        account_id = cast.owner.account_id
        assert account_id is not None
        await accounts.assign_manager(connection, account_id=account_id, user_id=cast.unassigned_manager.id)
    seen: list[dict[str, Any]] = [*await queue(cast.account_manager), *await queue(cast.unassigned_manager)]
    assert [entry["request_id"] for entry in seen] == [flow.id, flow.id]

    answers = await asyncio.gather(
        decide(cast.account_manager, await name_of(flow), version=1),
        decide(cast.unassigned_manager, await name_of(flow), "reject", version=1),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def _cannot_be_signalled(flow: Flow, statement: str) -> None:
    with pytest.raises(RPCError, match="already completed"):
        await signal_decision(flow, statement)
