"""Mails about what weakens an account carry a link that stops it, without signing in."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from countersign.adapters.keyring import KeyRing, Purpose, new_key_ring_json
from countersign.domain.errors import InvalidLink
from countersign.domain.messages import Actor, ActorKind
from countersign.effects import stopping
from countersign.effects.people import UserChange, change_user
from countersign.effects.stop_links import stop_token
from countersign.local.issuer import Issuer
from countersign.storage import stops
from countersign.storage.database import column
from tests.support.cast import Cast, Flow, Person, Providers
from tests.support.fix import audit, credential_of, execute, mails, problem, result_of
from tests.support.pages import Reader
from tests.support.rows import notices, select
from tests.support.security import also_owner_of, changed
from tests.support.stage import ended, set_stage
from tests.support.stops import (
    ACTIVATED,
    ASKED,
    CHANGED,
    CONTACT,
    EDITED,
    events_called,
    let_link_age,
    link_at,
    link_to,
    press,
    pressed,
    status_of,
    token_of,
)

FUNDS = {"permissions": ["trade", "funds_external"], "ip_whitelist": "203.0.113.7"}
NOBODY = "00000000-0000-4000-8000-000000000000"


async def edit(person: Person, key_id: str, **form: object) -> Flow:
    body = {"permissions": ["trade"], "ip_whitelist": "203.0.113.7", "acknowledge_deactivation": True, **form}
    return await person.begin(f"/api-keys/{key_id}/edits", body)


async def change_email(person: Person) -> str:
    email = f"new.{person.id.hex}@example.com"
    change = UserChange(email=email)
    await change_user(person.core.desk, person.id, change, at=datetime.now(UTC), actor=Actor(kind=ActorKind.OPS))
    return email


# Who is told ------------------------------------------------------------------------------------------------------


async def test_every_owner_is_told_at_once_who_asks_for_what_and_from_where(cast: Cast) -> None:
    await cast.owner.create_api_key("mover", **FUNDS)

    for owner in (cast.owner, cast.second_owner, cast.sms_owner, cast.bare_owner):
        [body] = await mails(owner, f"{ASKED}: mover")
        for fact in (
            "owner began to create “mover”",
            "Can move funds: Funds External",
            "203.0.113.7",
            "From: 127.0.0.1",
        ):
            assert fact in body
    assert not cast.providers.mails_to(cast.member.email)


async def test_an_edit_that_adds_funds_is_told_with_what_was_before(cast: Cast) -> None:
    key_id = await cast.owner.inactive_api_key("bot", ip_whitelist="203.0.113.7")

    await edit(cast.second_owner, key_id, permissions=["trade", "funds_wallet"])

    [body] = await mails(cast.owner, f"{EDITED}: bot")
    assert "second_owner began to edit “bot”" in body
    assert "Until now:\nPermissions: Read, Trade\nWorks from: 203.0.113.7" in body


@pytest.mark.parametrize(
    ("whitelist", "told"),
    [("203.0.113.0/24", True), ("203.0.113.5", False)],
)
async def test_an_edit_of_the_whitelist_is_told_if_it_lets_in_more(cast: Cast, whitelist: str, *, told: bool) -> None:
    key_id = await cast.owner.inactive_api_key("bot", ip_whitelist="203.0.113.4/30")

    await edit(cast.owner, key_id, ip_whitelist=whitelist)

    events = {event for event, _ in await notices(cast.core, cast.owner.account_id)}
    assert ("more_access_requested" in events) is told


async def test_what_moves_no_funds_is_not_told_when_it_begins(cast: Cast) -> None:
    await cast.owner.create_api_key("bot")
    await cast.owner.create_fix()

    assert await notices(cast.core, cast.owner.account_id) == []


# What a press does about a credential ---------------------------------------------------------------------------


async def at_secret(flow: Flow) -> None:
    await flow.to_secret()


async def at_code(flow: Flow) -> None:
    await flow.to_activation_code()


@pytest.mark.parametrize("go", [at_secret, at_code])
async def test_an_open_request_is_cancelled_wherever_it_stands(
    cast: Cast, http: httpx.AsyncClient, go: Callable[[Flow], Awaitable[None]]
) -> None:
    flow = await cast.owner.create_api_key("mover", **FUNDS)
    await go(flow)

    assert await pressed(http, await link_to(cast.second_owner, ASKED)) == "cancelled"

    shown = await flow.shown()
    assert (shown["outcome"], shown["reason"]) == ("cancelled", "stopped by the link in a mail")
    assert await result_of(flow) == "cancelled"
    assert "active" not in {each["status"] for each in (await cast.owner.get("/api-keys")).json()}


async def test_a_key_activated_meanwhile_is_deactivated_and_mails_and_trail_tell_by_whose_link(
    cast: Cast, http: httpx.AsyncClient
) -> None:
    key_id = await cast.owner.active_api_key("mover", **FUNDS)

    assert await pressed(http, await link_to(cast.second_owner, ASKED)) == "deactivated"

    assert await status_of(cast.owner, key_id) == "inactive"
    [body] = await mails(cast.owner, "API key stopped and deactivated: mover")
    assert "The link in a mail to second_owner was used" in body
    [event] = events_called(await audit(cast.owner), "credential:stopped")
    assert (event["actor_kind"], event["actor_id"]) == ("mail_link", str(cast.second_owner.id))
    assert (event["credential_id"], event["ip"]) == (key_id, "127.0.0.1")


async def test_the_mail_about_an_activation_stops_it_too(cast: Cast, http: httpx.AsyncClient) -> None:
    key_id = await cast.owner.inactive_api_key("mover", **FUNDS)
    await (await cast.owner.begin(f"/api-keys/{key_id}/activations")).enter_code()

    assert await pressed(http, await link_to(cast.owner, ACTIVATED)) == "deactivated"

    assert await status_of(cast.owner, key_id) == "inactive"


async def test_an_edit_that_nobody_confirmed_is_cancelled_and_the_key_goes_on_as_it_was(
    cast: Cast, http: httpx.AsyncClient
) -> None:
    key_id = await cast.owner.active_api_key("bot", ip_whitelist="203.0.113.7")
    flow = await edit(cast.owner, key_id, ip_whitelist="")

    assert await pressed(http, await link_to(cast.owner, EDITED)) == "cancelled"

    assert (await flow.outcome(), await status_of(cast.owner, key_id)) == ("cancelled", "active")
    assert (await credential_of(flow))["ip_whitelist"] == ["203.0.113.7"]


@pytest.mark.prove
async def test_an_edit_that_was_activated_meanwhile_is_deactivated(cast: Cast, http: httpx.AsyncClient) -> None:
    key_id = await cast.owner.active_api_key("bot", ip_whitelist="203.0.113.7")
    flow = await edit(cast.owner, key_id, ip_whitelist="")
    await flow.to_activation_code()
    await flow.enter_activation_code()

    assert await pressed(http, await link_to(cast.owner, EDITED)) == "deactivated"

    assert await status_of(cast.owner, key_id) == "inactive"


async def test_a_later_request_about_the_same_key_ends_too(cast: Cast, http: httpx.AsyncClient) -> None:
    key_id = await cast.owner.inactive_api_key("mover", **FUNDS)
    later = await cast.second_owner.begin(f"/api-keys/{key_id}/activations")

    assert await pressed(http, await link_to(cast.owner, ASKED)) == "cancelled"

    assert (await later.outcome(), await status_of(cast.owner, key_id)) == ("cancelled", "inactive")


async def test_pressed_twice_it_counts_once_and_tells_the_same(cast: Cast, http: httpx.AsyncClient) -> None:
    key_id = await cast.owner.active_api_key("mover", **FUNDS)
    link = await link_to(cast.owner, ASKED)
    first = await press(http, link)
    await (await cast.owner.begin(f"/api-keys/{key_id}/activations")).enter_code()

    again = await press(http, link)

    assert first.json() == again.json()
    assert await status_of(cast.owner, key_id) == "active"
    assert len(events_called(await audit(cast.owner), "credential:stopped")) == 1


async def test_after_everything_has_ended_there_is_nothing_left_to_stop(cast: Cast, http: httpx.AsyncClient) -> None:
    await (await cast.owner.create_api_key("mover", **FUNDS)).cancel()

    assert await pressed(http, await link_to(cast.owner, ASKED)) == "nothing_left"

    assert "Request stopped: mover" not in cast.providers.subjects_to(cast.owner.email)


# Who can press ----------------------------------------------------------------------------------------------------


async def test_a_wrong_token_and_an_unknown_id_are_told_alike(cast: Cast, http: httpx.AsyncClient) -> None:
    flow = await cast.owner.create_api_key("mover", **FUNDS)
    link_id, token = await link_to(cast.owner, ASKED)
    [other] = {(await link_to(cast.second_owner, ASKED))[1]}

    answers = [await press(http, tried) for tried in ((link_id, "x" * 43), (link_id, other), (NOBODY, token))]

    assert [problem(answer) for answer in answers] == [(422, "invalid-link")] * 3
    assert len({answer.text for answer in answers}) == 1
    assert await flow.step() == "two_factor_code"


async def test_a_link_is_good_for_7_days(cast: Cast, http: httpx.AsyncClient) -> None:
    flow = await cast.owner.create_api_key("mover", **FUNDS)
    link, almost = await link_to(cast.owner, ASKED), timedelta(days=7) - timedelta(minutes=1)

    old = await let_link_age(cast.owner, link, timedelta(days=7))
    assert problem(await press(http, old)) == (410, "link-expired")
    assert await flow.step() == "two_factor_code"

    good = await let_link_age(cast.owner, link, almost - timedelta(days=7))
    assert await pressed(http, good) == "cancelled"


async def test_who_owns_the_account_no_more_stops_nothing_in_it(cast: Cast, http: httpx.AsyncClient) -> None:
    flow = await cast.owner.create_api_key("mover", **FUNDS)
    link = await link_to(cast.second_owner, ASKED)
    await execute(cast.core, "DELETE FROM memberships WHERE user_id = %s", cast.second_owner.id)

    assert problem(await press(http, link)) == (422, "invalid-link")
    assert await flow.step() == "two_factor_code"


async def test_who_writes_to_the_database_cannot_turn_a_link_against_anything_else(
    cast: Cast, http: httpx.AsyncClient
) -> None:
    victim = await cast.second_owner.active_api_key("victim", **FUNDS)
    await cast.owner.create_api_key("mover", **FUNDS)
    link = await link_to(cast.owner, f"{ASKED}: mover")

    await execute(cast.core, "UPDATE stops SET credential_id = %s WHERE id = %s", victim, link[0])

    assert problem(await press(http, link)) == (422, "invalid-link")
    assert await status_of(cast.owner, victim) == "active"


async def test_who_has_the_whole_database_and_not_the_key_of_the_purpose_has_no_token(cast: Cast) -> None:
    await cast.owner.create_api_key("mover", **FUNDS)
    link_id, token = await link_to(cast.owner, ASKED)
    async with cast.core.database.connection() as connection:
        stored = await column(connection, "SELECT n::text FROM notices n UNION SELECT s::text FROM stops s")
        stop = await stops.get(connection, UUID(link_id))
    assert stop is not None
    assert not [row for row in stored if token in row]
    ring = cast.core.settings.key_ring.get_secret_value()

    whole = KeyRing.from_json(ring)
    assert stop_token(whole, stop) == token
    swapped = {(Purpose.STOP_LINK, whole.current): whole.key(Purpose.ACTIVATION_LINK)}
    assert stop_token(KeyRing(current=whole.current, keys=swapped), stop) != token


async def test_a_link_outlives_the_rotation_of_the_key_ring_but_not_the_loss_of_its_key(cast: Cast) -> None:
    flow = await cast.owner.create_api_key("mover", **FUNDS)
    link_id, token = await link_to(cast.owner, ASKED)
    old, new = json.loads(cast.core.settings.key_ring.get_secret_value()), json.loads(new_key_ring_json())
    rotated = json.dumps({"current": new["current"], "keys": {**old["keys"], **new["keys"]}})
    at = datetime.now(UTC)

    lost = replace(cast.core.desk, keys=KeyRing.from_json(json.dumps(new)))
    with pytest.raises(InvalidLink):
        await stopping.press(lost, UUID(link_id), token=token, at=at, ip=None)
    turned = replace(cast.core.desk, keys=KeyRing.from_json(rotated))
    stopped = await stopping.press(turned, UUID(link_id), token=token, at=at, ip=None)

    assert (stopped.effect, await flow.outcome()) == ("cancelled", "cancelled")


# A changed email, phone or two-factor method ----------------------------------------------------------------------


async def test_a_stopped_change_freezes_every_account_of_the_person_and_signs_him_out_everywhere(
    cast: Cast, http: httpx.AsyncClient
) -> None:
    away = await also_owner_of(cast.owner, cast.outsider)
    await changed(cast.owner, "authenticator")
    reader = await Reader.signed_in(cast.owner)
    begun = await cast.owner.create_api_key("mover", **FUNDS)
    others = await cast.second_owner.create_api_key("bot")

    assert await pressed(http, await link_to(cast.owner, CHANGED)) == "frozen"

    assert not await reader.is_signed_in()
    assert await begun.outcome() == "cancelled"
    assert await others.step() == "two_factor_code"
    frozen = await select(
        cast.core,
        "SELECT id FROM accounts WHERE frozen_at IS NOT NULL AND id = ANY(%s)",
        [cast.owner.account_id, away, cast.plain_owner.account_id],
    )
    assert {row[0] for row in frozen} == {cast.owner.account_id, away}
    assert problem(await cast.second_owner.post("/fix-credentials", {"session_type": "trade"})) == (
        403,
        "issuing-frozen",
    )


async def test_a_stopped_change_deactivates_what_was_activated_in_the_persons_name_since(
    cast: Cast, http: httpx.AsyncClient
) -> None:
    await cast.owner.active_api_key("before")
    theirs = await cast.second_owner.inactive_api_key("theirs")
    await changed(cast.owner, "authenticator")
    for person, key_id in ((cast.owner, await cast.owner.inactive_api_key("since")), (cast.second_owner, theirs)):
        flow = await person.begin(f"/api-keys/{key_id}/activations")
        assert (await flow.enter_code()).json()["outcome"] == "activated"

    await pressed(http, await link_to(cast.owner, CHANGED))

    keys = (await cast.owner.get("/api-keys")).json()
    assert {key["name"]: key["status"] for key in keys} == {
        "before": "active",
        "theirs": "active",
        "since": "inactive",
    }
    await mails(cast.second_owner, "API key stopped and deactivated: since")


async def test_a_stopped_change_is_in_every_trail_and_told_to_the_owners(cast: Cast, http: httpx.AsyncClient) -> None:
    await changed(cast.owner, "authenticator")

    await pressed(http, await link_to(cast.owner, CHANGED))

    trail = await audit(cast.owner)
    for tag in ("user:change-stopped", "account:issuing-frozen"):
        [event] = events_called(trail, tag)
        assert (event["actor_kind"], event["actor_id"]) == ("mail_link", str(cast.owner.id))
    [body] = await mails(cast.second_owner, "New credentials are frozen for Home")
    assert "The link in a mail to owner was used" in body


@pytest.mark.prove
async def test_pressed_again_after_ops_have_thawed_it_freezes_nothing(cast: Cast, http: httpx.AsyncClient) -> None:
    await changed(cast.owner, "authenticator")
    link = await link_to(cast.owner, CHANGED)
    first = await press(http, link)
    await execute(cast.core, "UPDATE accounts SET frozen_at = NULL WHERE id = %s", cast.owner.account_id)

    again = await press(http, link)

    assert again.json() == first.json()
    assert (await cast.second_owner.post("/fix-credentials", {"session_type": "trade"})).status_code == 202


async def test_a_changed_email_is_told_to_the_old_address_too_which_is_then_erased(
    cast: Cast, http: httpx.AsyncClient
) -> None:
    old, new = cast.owner.email, await change_email(cast.owner)

    links = {await link_at(cast.owner, address, CONTACT) for address in (old, new)}

    assert len(links) == 2
    await mails(cast.owner, CONTACT)
    kept = await select(cast.core, "SELECT address FROM notices WHERE user_id = %s", cast.owner.id)
    assert set(kept) == {(None,)}
    assert await pressed(http, await link_at(cast.owner, old, CONTACT)) == "frozen"


async def test_the_mail_about_a_changed_email_tells_neither_address_whole(cast: Cast) -> None:
    new = await change_email(cast.owner)

    [body] = await mails(cast.owner, CONTACT)

    assert "mails to you go to n•••@example.com" in body
    assert new not in body


async def test_a_changed_phone_is_told_by_mail(cast: Cast) -> None:
    change = UserChange(phone="+442079460123")
    await change_user(cast.core.desk, cast.owner.id, change, at=datetime.now(UTC), actor=Actor(kind=ActorKind.OPS))

    [body] = await mails(cast.owner, "Your phone number was changed")

    assert "your phone number is •••23" in body
    assert "/stop/" in body


# While much is down -----------------------------------------------------------------------------------------------


async def test_it_works_while_every_worker_is_down(cast: Cast, issuer: Issuer, providers: Providers) -> None:
    async with set_stage(cast.core, issuer=issuer, providers=providers) as stage:
        owner = stage.cast.owner
        async with stage.at_work():
            flow = await (await owner.create_api_key("mover", **FUNDS)).to_choice()
        [[stop_id]] = await select(stage.core, "SELECT id FROM stops WHERE user_id = %s", owner.id)

        link = (str(stop_id), await token_of(owner, str(stop_id)))
        assert await pressed(owner.http, link) == "cancelled"
        assert (await flow.shown())["outcome"] == "cancelled"

        async with stage.at_work(chores=True):
            assert await ended(flow) == "cancelled"
