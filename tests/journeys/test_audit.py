import asyncio
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from countersign.local.postgres import EmbeddedPostgres
from tests.support.cast import Cast
from tests.support.fix import (
    audit,
    credential_of,
    decide,
    decided,
    name_of,
    problem,
    signal_decision,
    statement_for,
    tags,
    waiting_for_manager,
)
from tests.support.opened import activation, edit

CREATED = ["request:opened", "two-factor:passed", "credential:created", "secret:shown", "secret:saved"]
ACTIVATED = ["credential:status", "request:ended"]
REWRITES: list[LiteralString] = [
    "UPDATE audit_events SET event = 'nothing'",
    "UPDATE audit_events SET event = 'nothing' WHERE false",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events",
    "TRUNCATE accounts CASCADE",
]
ASKED = ["credential:status", "account-manager:asked"]


async def test_a_fix_creation_leaves_its_events_in_order(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    decided(await decide(cast.account_manager, await name_of(flow)))

    found = await tags(cast.owner, flow.id)

    assert found == [*CREATED, "activation:chosen", *ASKED, "account-manager:decided", *ACTIVATED]


async def test_an_api_key_creation_leaves_its_events_in_order(cast: Cast) -> None:
    flow = await (await cast.owner.create_api_key()).to_activation_code()
    await flow.enter_activation_code()

    assert await tags(cast.owner, flow.id) == [*CREATED, "activation:chosen", "credential:status", *ACTIVATED]


async def test_an_edit_leaves_its_events_with_what_it_changed(cast: Cast) -> None:
    flow = await (await edit(cast)).to_choice()
    await flow.choose("later")

    events = await audit(cast.owner, flow.id)

    assert [event["event"] for event in events] == [
        "request:opened",
        "two-factor:passed",
        "credential:status",
        "credential:edited",
        "activation:chosen",
        "request:ended",
    ]
    assert events[3]["details"]["before"]["permissions"] == ["read", "trade"]
    assert events[3]["details"]["after"]["permissions"] == ["read"]


async def test_an_activation_of_an_api_key_leaves_its_events(cast: Cast) -> None:
    flow = await (await activation(cast)).to_secret()

    assert await tags(cast.owner, flow.id) == ["request:opened", "two-factor:passed", *ACTIVATED]


async def test_an_activation_by_name_leaves_its_events(cast: Cast) -> None:
    fix = await cast.owner.inactive_fix()
    request = decided(await decide(cast.account_manager, fix["session_name"]))

    events = await audit(cast.owner, request["id"])

    assert [event["event"] for event in events] == [
        "request:opened",
        *ASKED,
        "account-manager:decided",
        *ACTIVATED,
    ]
    assert events[0]["actor_id"] == events[3]["actor_id"] == str(cast.account_manager.id)


async def test_a_rejection_and_a_reminder_leave_their_events(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    await flow.skip(hours=4, seconds=20)
    await signal_decision(flow, await statement_for(flow, cast.account_manager, decision="reject", reason="not yet"))
    await flow.outcome()

    *_, reminded, rejected, status, ended = await audit(cast.owner, flow.id)

    assert (reminded["event"], reminded["actor_kind"]) == ("account-manager:reminded", "system")
    assert (rejected["details"], rejected["actor_id"]) == (
        {"decision": "reject", "reason": "not yet"},
        str(cast.account_manager.id),
    )
    assert (status["details"]["after"], ended["details"]["outcome"]) == ("inactive", "rejected")


async def test_wrong_codes_resends_cancels_and_expiries_leave_their_events(cast: Cast) -> None:
    cancelled = await cast.sms_owner.create_fix()
    [code] = await cancelled.sent_codes("sms")
    await cancelled.enter_code(f"{(int(code) + 1) % 10**6:06}")
    await cancelled.skip(minutes=2)
    await cancelled.post("/two-factor-code/resend")
    await cancelled.cancel()
    expired = await cast.owner.create_fix()
    await expired.skip(minutes=5, seconds=20)
    await expired.outcome()

    events = await audit(cast.owner, cancelled.id)
    assert [event["event"] for event in events] == ["request:opened", "code:wrong", "code:requested", "request:ended"]
    assert events[1]["details"]["attempts_left"] == 4
    assert code not in str(events)
    opened, ended = await audit(cast.owner, expired.id)
    assert (opened["event"], ended["event"], ended["actor_kind"]) == ("request:opened", "request:ended", "system")
    assert (ended["details"]["outcome"], ended["details"]["reason"]) == ("expired", "time ran out")


async def test_every_event_of_a_person_names_who_what_when_and_from_which_ip(cast: Cast) -> None:
    flow = await waiting_for_manager(cast.owner)
    decided(await decide(cast.account_manager, await name_of(flow)))

    events = await audit(cast.owner, flow.id, seen_by=cast.ops)

    managers = {"account-manager:decided", "credential:status", "request:ended"}
    late = events[-3:]
    assert {event["event"] for event in late} == managers
    assert {event["actor_id"] for event in late} == {str(cast.account_manager.id)}
    assert {event["actor_id"] for event in events[:-3]} == {str(cast.owner.id)}
    assert {event["ip"] for event in events} == {"127.0.0.1"}
    assert {event["actor_kind"] for event in events} == {"user"}
    fix = await credential_of(flow)
    assert {event["credential_id"] for event in events} == {fix["id"]}
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


async def test_what_came_by_signal_is_said_to_have_come_so(cast: Cast) -> None:
    flow = await cast.owner.create_fix()
    await flow.handle.signal("cancel", {})
    await flow.outcome()

    ended = (await audit(cast.owner, flow.id))[-1]

    assert (ended["event"], ended["actor_kind"], ended["actor_id"]) == ("request:ended", "signal", None)


async def test_numbers_have_no_gaps_when_20_requests_come_at_once(cast: Cast) -> None:
    flows = await asyncio.gather(*(cast.owner.create_fix() for _ in range(20)))
    await asyncio.gather(*(flow.cancel() for flow in flows))

    numbers = [event["number"] for event in await audit(cast.owner)]

    assert numbers == list(range(1, 41))


async def test_each_account_has_a_trail_of_its_own_and_sees_no_other(cast: Cast) -> None:
    ours, theirs = await cast.owner.create_fix(), await cast.outsider.create_fix()

    assert {event["request_id"] for event in await audit(cast.owner)} == {ours.id}
    [event] = await audit(cast.outsider)
    assert (event["number"], event["request_id"]) == (1, theirs.id)


async def test_ops_reads_any_accounts_trail_and_an_owner_only_the_own(cast: Cast) -> None:
    await cast.outsider.create_fix()
    path = f"/audit-events?account_id={cast.outsider.account_id}"

    [seen] = (await cast.ops.get(path)).json()
    assert seen["event"] == "request:opened"
    assert (await cast.owner.get(path)).json() == []
    assert problem(await cast.account_manager.get(path)) == (403, "prime-liquidity-owner-required")


async def test_the_trail_is_read_page_by_page(cast: Cast) -> None:
    await (await cast.owner.create_fix()).cancel()
    await cast.owner.create_fix()

    newest = (await cast.owner.get("/audit-events?limit=2")).json()
    older = (await cast.owner.get(f"/audit-events?before={newest[-1]['number']}")).json()

    assert [event["number"] for event in [*newest, *older]] == [3, 2, 1]


@pytest.mark.parametrize("role", ["app", "owner"])
async def test_no_role_changes_what_was_recorded(cast: Cast, postgres: EmbeddedPostgres, role: str) -> None:
    await cast.owner.create_fix()
    before = await audit(cast.owner)

    url = {"app": postgres.app_url, "owner": postgres.owner_url}[role]
    for statement in REWRITES:
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL(statement))

    assert await audit(cast.owner) == before


async def test_the_application_cannot_take_the_guard_away(cast: Cast, postgres: EmbeddedPostgres) -> None:
    for statement in ("ALTER TABLE audit_events DISABLE TRIGGER ALL", "DROP TABLE audit_events"):
        with (
            psycopg.connect(postgres.app_url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(sql.SQL(statement))
