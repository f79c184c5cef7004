from uuid import UUID

import pytest

from countersign.domain.people import Role
from countersign.storage import accounts
from tests.support.cast import Cast, Person
from tests.support.fix import (
    all_mails,
    ask_for_activation,
    audit,
    credential_of,
    decide,
    decided,
    execute,
    look_up,
    name_of,
    problem,
    queue,
    waiting_for_manager,
)

WITHDRAW = "DELETE FROM account_manager_assignments WHERE user_id = %s"


async def belong(person: Person, account_of: Person, role: Role) -> None:
    async with person.core.database.connection() as connection:
        await accounts.add_member(connection, account_id=home(account_of), user_id=person.id, role=role)


def home(person: Person) -> UUID:
    assert person.account_id is not None
    return person.account_id


async def test_an_unassigned_account_manager_finds_nothing_of_an_account(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    name = await name_of(flow)

    assert await queue(cast.unassigned_manager) == []
    found = await cast.unassigned_manager.get(f"/account-manager/fix-credentials/{name}")
    assert problem(found) == (404, "not-found")
    for decision in ("activate", "reject"):
        response = await decide(cast.unassigned_manager, name, decision, version=1)
        assert problem(response) == (404, "not-found")
    body = {"decision": "activate", "reason": "", "version": 1}
    signed = await cast.unassigned_manager.post(f"/account-manager/fix-credentials/{name}/statement", body)
    assert problem(signed) == (404, "not-found")
    assert await flow.step() == "account_manager"


async def test_an_unknown_session_name_is_404(cast: Cast) -> None:
    response = await cast.account_manager.get("/account-manager/fix-credentials/CS-T-0000-0000-0000")

    assert problem(response) == (404, "not-found")


@pytest.mark.parametrize("role", [Role.OWNER, Role.MEMBER])
async def test_an_account_manager_may_not_decide_on_an_account_he_or_she_belongs_to(cast: Cast, role: Role) -> None:
    flow = await waiting_for_manager(cast.owner)
    await belong(cast.account_manager, cast.owner, role)

    for decision in ("activate", "reject"):
        response = await decide(cast.account_manager, await name_of(flow), decision)
        assert problem(response) == (403, "forbidden")
    assert await flow.step() == "account_manager"


async def test_an_account_manager_may_not_start_an_activation_in_an_account_he_or_she_belongs_to(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()
    await belong(cast.account_manager, cast.owner, Role.OWNER)

    assert problem(await decide(cast.account_manager, fix["session_name"])) == (403, "forbidden")
    assert (await cast.owner.get("/requests?open=true")).json() == []


async def test_an_owner_who_is_an_account_manager_of_the_same_account_cannot_activate_for_himself(cast: Cast) -> None:
    await belong(cast.account_manager, cast.owner, Role.OWNER)
    fix = await cast.owner.inactive_fix()
    cast.account_manager.account_id = home(cast.owner)

    flow = await ask_for_activation(cast.account_manager, fix)

    assert problem(await decide(cast.account_manager, fix["session_name"])) == (403, "forbidden")
    assert await flow.step() == "account_manager"


async def test_the_other_account_managers_are_asked_by_an_owner_who_is_one_too(cast: Cast) -> None:
    await belong(cast.account_manager, cast.owner, Role.OWNER)
    async with cast.core.database.connection() as connection:
        await accounts.assign_manager(connection, account_id=home(cast.owner), user_id=cast.unassigned_manager.id)
    fix = await cast.owner.inactive_fix()
    cast.account_manager.account_id = home(cast.owner)

    await ask_for_activation(cast.account_manager, fix)

    assert await all_mails(cast.unassigned_manager) == [f"Activation asked for: {fix['session_name']} (Home)"]


async def test_an_assignment_withdrawn_between_look_and_decision_counts(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    shown = await look_up(cast.account_manager, await name_of(flow))

    await execute(cast.core, WITHDRAW, cast.account_manager.id)

    response = await decide(cast.account_manager, shown["session_name"], version=shown["version"])
    assert problem(response) == (404, "not-found")
    assert await flow.step() == "account_manager"


async def test_an_account_manager_who_no_longer_is_one_decides_nothing(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    name = await name_of(flow)
    await execute(cast.core, "UPDATE users SET staff_role = NULL WHERE id = %s", cast.account_manager.id)

    assert problem(await decide(cast.account_manager, name, version=1)) == (403, "forbidden")


async def test_the_queue_shows_what_waits_oldest_first_and_what_is_decided_on(cast: Cast) -> None:
    first = await waiting_for_manager(cast.owner)
    inactive = await cast.second_owner.inactive_fix("market_data")
    await (await cast.sms_owner.create_fix()).to_choice()
    second = await ask_for_activation(cast.owner, inactive)

    waiting = await queue(cast.account_manager)

    assert [entry["request_id"] for entry in waiting] == [first.id, second.id]
    assert waiting[0].pop("asked_at") < waiting[1]["asked_at"]
    assert waiting[0] == {
        "session_name": await name_of(first),
        "session_type": "trade",
        "account_id": str(cast.owner.account_id),
        "account_name": "Home",
        "status": "awaiting_activation",
        "version": (await credential_of(first))["version"],
        "request_id": first.id,
        "workflow_id": first.workflow_id,
        "step": "account_manager",
    }
    assert (waiting[1]["session_name"], waiting[1]["session_type"]) == (inactive["session_name"], "market_data")


async def test_the_queue_shows_only_accounts_the_manager_looks_after(cast: Cast) -> None:
    theirs = await waiting_for_manager(cast.outsider)
    assert await queue(cast.account_manager) == []

    async with cast.core.database.connection() as connection:
        account_id = home(cast.outsider)
        await accounts.assign_manager(connection, account_id=account_id, user_id=cast.unassigned_manager.id)

    [entry] = await queue(cast.unassigned_manager)
    assert (entry["request_id"], entry["account_name"]) == (theirs.id, "Away")


async def test_what_was_decided_leaves_the_queue(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)

    decided(await decide(cast.account_manager, await name_of(flow)))

    assert await queue(cast.account_manager) == []


async def test_the_queue_shows_as_many_as_are_asked_for(cast: Cast) -> None:
    await waiting_for_manager(cast.owner)
    await waiting_for_manager(cast.second_owner)

    assert len((await cast.account_manager.get("/account-manager/queue?limit=1")).json()) == 1
    assert problem(await cast.account_manager.get("/account-manager/queue?limit=0")) == (422, "invalid-input")


async def test_a_session_name_is_found_as_a_person_would_type_it(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    name = await name_of(flow)
    head, tail = name[:5], name[5:]
    typed = f" {head.lower()}{tail.lower().replace('0', 'o').replace('1', 'l').replace('-', ' ')} "

    answer = decided(await decide(cast.account_manager, typed))

    assert (answer["id"], answer["outcome"]) == (flow.id, "activated")


async def test_an_api_keys_name_is_no_session_name(cast: Cast) -> None:
    await cast.owner.inactive_api_key("CS-T-0000-0000-0000")

    response = await cast.account_manager.get("/account-manager/fix-credentials/CS-T-0000-0000-0000")

    assert problem(response) == (404, "not-found")


@pytest.mark.parametrize("who", ["owner", "member", "ops", "plain_owner"])
async def test_nobody_but_account_managers_decides(cast: Cast, who: str) -> None:
    flow = await waiting_for_manager(cast.owner)
    person: Person = getattr(cast, who)

    assert problem(await decide(person, await name_of(flow), version=1)) == (403, "forbidden")
    assert await flow.step() == "account_manager"


async def test_a_refused_decision_of_someone_who_may_not_decide_is_in_the_audit_trail(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await belong(cast.account_manager, cast.owner, Role.MEMBER)

    await decide(cast.account_manager, await name_of(flow))

    events = await audit(cast.owner, seen_by=cast.ops)
    [event] = [each for each in events if each["event"] == "account-manager:decision-refused"]
    assert (event["details"]["problem"], event["actor_id"]) == ("forbidden", str(cast.account_manager.id))


@pytest.mark.parametrize("body", [{}, {"decision": "approve", "version": 1}, {"decision": "activate"}])
async def test_a_decision_without_word_or_version_is_refused(cast: Cast, body: dict[str, object]) -> None:
    flow = await waiting_for_manager(cast.owner)

    path = f"/account-manager/fix-credentials/{await name_of(flow)}/decision"
    assert problem(await cast.account_manager.post(path, body)) == (422, "invalid-input")


async def test_a_decision_sent_again_with_its_idempotency_key_gets_its_first_answer(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    path = f"/account-manager/fix-credentials/{await name_of(flow)}/decision"
    decision = {"decision": "activate", "version": 1}

    first = await cast.account_manager.post(path, decision, key="once")
    again = await cast.account_manager.post(path, decision, key="once")
    another = await cast.account_manager.post(path, decision, key="twice")

    assert (first.json()["outcome"], again.json()) == ("activated", first.json())
    assert another.status_code == 409
