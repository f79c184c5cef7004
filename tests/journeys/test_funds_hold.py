"""After a changed email, phone or two-factor method, funds permissions begin a day later."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from countersign.domain.messages import Actor, ActorKind
from countersign.effects.people import UserChange, change_user
from tests.support.cast import Cast, Flow, Person
from tests.support.fix import audit, execute, mails
from tests.support.security import changed
from tests.support.stops import events_called, status_of

FUNDS: dict[str, Any] = {"permissions": ["trade", "funds_external"]}
EDIT = {**FUNDS, "ip_whitelist": "203.0.113.7", "acknowledge_deactivation": True}


async def change_phone(person: Person, *, ago: timedelta = timedelta()) -> datetime:
    """Let ops change the person's number; return when funds begin."""
    at = datetime.now(UTC) - ago
    number = f"+4473{int(at.timestamp()) % 10**8:08}"
    await change_user(person.core.desk, person.id, UserChange(phone=number), at=at, actor=Actor(kind=ActorKind.OPS))
    return at + timedelta(hours=24)


async def key(person: Person, key_id: str) -> dict[str, Any]:
    return dict((await person.get(f"/api-keys/{key_id}")).json())


async def funds_from(person: Person, key_id: str) -> datetime | None:
    told = (await key(person, key_id))["funds_permissions_from"]
    return datetime.fromisoformat(told) if told else None


async def activate(person: Person, key_id: str) -> Flow:
    flow = await person.begin(f"/api-keys/{key_id}/activations")
    assert (await flow.enter_code()).status_code == 200
    return flow


async def edit(person: Person, key_id: str) -> None:
    flow = await person.begin(f"/api-keys/{key_id}/edits", EDIT)
    await flow.to_activation_code()
    await flow.enter_activation_code()


async def test_a_key_made_after_the_change_works_at_once_but_for_funds(cast: Cast) -> None:
    begin = await change_phone(cast.owner)
    flow = await (await cast.owner.create_api_key(**FUNDS)).to_activation_code()
    foreseen = (await flow.shown())["funds_permissions_from"]

    await flow.enter_activation_code()

    shown = await flow.shown()
    made = await key(cast.owner, shown["credential_id"])
    assert (made["status"], made["permissions"]) == ("active", ["read", "trade", "funds_external"])
    assert {foreseen, shown["funds_permissions_from"], made["funds_permissions_from"]} == {
        begin.isoformat().replace("+00:00", "Z")
    }


async def test_the_hold_is_in_the_trail_and_in_the_mails(cast: Cast) -> None:
    begin = await change_phone(cast.owner)

    key_id = await cast.owner.active_api_key(**FUNDS)

    held = events_called(await audit(cast.owner), "credential:funds-held")
    assert {(event["credential_id"], event["details"]["until"]) for event in held} == {(key_id, begin.isoformat())}
    for subject in ("API key created", "API key activated"):
        [body] = await mails(cast.second_owner, subject)
        assert f"Funds permissions begin: {begin:%Y-%m-%d %H:%M} UTC" in body


async def test_without_a_change_or_without_funds_nothing_is_held(cast: Cast) -> None:
    await change_phone(cast.owner)

    unchanged = await cast.second_owner.inactive_api_key("theirs", **FUNDS)
    harmless = await cast.owner.inactive_api_key("harmless")

    assert [await funds_from(cast.owner, each) for each in (unchanged, harmless)] == [None, None]
    assert events_called(await audit(cast.owner), "credential:funds-held") == []


async def test_a_change_of_a_day_ago_holds_nothing(cast: Cast) -> None:
    await change_phone(cast.owner, ago=timedelta(hours=24))

    assert await funds_from(cast.owner, await cast.owner.inactive_api_key(**FUNDS)) is None


async def test_a_key_that_was_active_before_the_change_stays_as_it_is_until_it_is_activated_anew(cast: Cast) -> None:
    key_id = await cast.owner.active_api_key(**FUNDS)

    begin = await change_phone(cast.owner)
    assert (await funds_from(cast.owner, key_id), await status_of(cast.owner, key_id)) == (None, "active")

    await cast.owner.post(f"/api-keys/{key_id}/deactivations")
    await activate(cast.owner, key_id)
    assert await funds_from(cast.owner, key_id) == begin


@pytest.mark.parametrize("later", [activate, edit])
async def test_another_owner_who_changed_nothing_lifts_no_hold_of_who_knows_the_secret(cast: Cast, later: Any) -> None:
    begin = await change_phone(cast.owner)
    key_id = await cast.owner.inactive_api_key(**FUNDS)

    await later(cast.second_owner, key_id)

    assert await status_of(cast.owner, key_id) == "active"
    assert await funds_from(cast.owner, key_id) == begin


async def test_funds_that_another_owner_adds_to_a_key_made_after_the_change_are_held(cast: Cast) -> None:
    begin = await change_phone(cast.owner)
    key_id = await cast.owner.inactive_api_key("harmless")

    await (await cast.second_owner.begin(f"/api-keys/{key_id}/edits", EDIT)).enter_code()

    assert await funds_from(cast.owner, key_id) == begin


@pytest.mark.prove
async def test_a_later_change_holds_longer_and_an_older_one_shortens_nothing(cast: Cast) -> None:
    await change_phone(cast.owner, ago=timedelta(hours=5))
    key_id = await cast.owner.inactive_api_key(**FUNDS)
    later = await change_phone(cast.second_owner)

    await activate(cast.second_owner, key_id)
    await cast.owner.post(f"/api-keys/{key_id}/deactivations")
    await activate(cast.owner, key_id)

    assert await funds_from(cast.owner, key_id) == later


async def test_a_hold_that_is_over_is_forgotten_at_the_next_activation(cast: Cast) -> None:
    await change_phone(cast.owner)
    key_id = await cast.owner.inactive_api_key(**FUNDS)
    over = datetime.now(UTC) - timedelta(seconds=1)
    await execute(
        cast.core, "UPDATE users SET security_changed_at = %s WHERE id = %s", over - timedelta(hours=24), cast.owner.id
    )
    await execute(cast.core, "UPDATE credentials SET funds_from = %s WHERE id = %s", over, key_id)
    assert await funds_from(cast.owner, key_id) is None

    await activate(cast.second_owner, key_id)

    async with cast.core.database.connection() as connection:
        rows = await (
            await connection.execute("SELECT funds_from FROM credentials WHERE id = %s", (key_id,))
        ).fetchall()
    assert rows == [(None,)]


@pytest.mark.parametrize(("who", "to"), [("owner", "authenticator"), ("bare_owner", "authenticator")])
async def test_a_change_by_the_person_counts_and_so_does_turning_two_factor_on(cast: Cast, who: str, to: str) -> None:
    person = getattr(cast, who)
    await changed(person, to)

    until = await funds_from(person, await person.inactive_api_key(**FUNDS))

    assert until is not None
    assert timedelta(hours=23, minutes=59) < until - datetime.now(UTC) <= timedelta(hours=24)


async def test_new_recovery_codes_alone_hold_nothing(cast: Cast) -> None:
    await changed(cast.owner, "recovery_codes")

    assert await funds_from(cast.owner, await cast.owner.inactive_api_key(**FUNDS)) is None


async def test_a_request_that_ended_otherwise_foresees_nothing(cast: Cast) -> None:
    await change_phone(cast.owner)
    flow = await cast.owner.create_api_key(**FUNDS)
    assert (await flow.shown())["funds_permissions_from"] is not None

    await flow.cancel()

    assert (await flow.shown())["funds_permissions_from"] is None
