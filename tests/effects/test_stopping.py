"""The links "This wasn't me": what their token is, who may press, and what the first press does."""

import base64
import hashlib
import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import pytest

from countersign.adapters.keyring import KeyRing, Purpose, new_key_ring_json
from countersign.adapters.ring_text import RingText
from countersign.domain.credentials import CredentialKind
from countersign.domain.errors import InvalidLink, LinkExpired, NotFound
from countersign.domain.messages import Activate, ActivationCode
from countersign.domain.people import TwoFactorMethod
from countersign.domain.requests import ChangeTo, Outcome
from countersign.domain.stops import StopEffect
from countersign.effects.deactivation import deactivate
from countersign.effects.people import UserChange, change_user
from countersign.effects.stop_links import stop_context, stop_token
from countersign.effects.stopping import Stopped, press
from countersign.effects.work import Desk
from countersign.storage import stops
from countersign.storage.sessions import Session
from countersign.storage.sessions import insert as insert_session
from countersign.storage.stops import Stop
from tests.support.house import IP, NOW, TICK, Case, House, by
from tests.support.time_zones import in_japan

FUNDS = ("trade", "funds_external")
WEEK = timedelta(days=7)
REASON = "stopped by the link in a mail"


async def link(house: House, event: str = "more_access_requested", *, reader: UUID | None = None) -> Stop:
    """Return the link in the newest mail of that kind to the owner, or to that reader."""
    query: LiteralString = """SELECT s.id FROM stops s JOIN notices n ON n.stop_id = s.id
        WHERE n.event = %s AND n.user_id = %s ORDER BY s.created_at DESC LIMIT 1"""
    [(stop_id,)] = await house.select(query, event, reader or house.owner)
    async with house.desk.database.connection() as connection:
        found = await stops.get(connection, stop_id)
    assert found
    return found


async def pressed(house: House, stop: Stop, *, at: datetime = NOW, token: str | None = None) -> Stopped:
    token = stop_token(house.desk.keys, stop) if token is None else token
    return await press(house.desk, stop.id, token=token, at=at, ip=IP)


async def effect(house: House, stop: Stop) -> StopEffect:
    return (await pressed(house, stop)).effect


async def status(house: House, credential_id: UUID) -> str:
    [(found,)] = await house.select("SELECT status FROM credentials WHERE id = %s", credential_id)
    return str(found)


async def activated(case: Case) -> UUID:
    await case.to_waiting()
    assert await case.problem(ActivationCode(code=await case.sent())) is None
    return (await case.request()).credential_id


async def mails_of(house: House, event: str) -> list[tuple[UUID, dict[str, Any]]]:
    """Return the notices of that kind: to whom, and what they tell."""
    query: LiteralString = "SELECT user_id, context FROM notices WHERE account_id = %s AND event = %s"
    return [(user_id, context) for user_id, context in await house.select(query, house.account_id, event)]


async def events_of(house: House, tag: str) -> list[tuple[Any, ...]]:
    """Return the events of that kind: actor, address, request, credential, details."""
    query: LiteralString = """SELECT actor_kind, actor_id, host(ip), request_id, credential_id, details
        FROM audit_events WHERE account_id = %s AND event = %s ORDER BY number"""
    return await house.select(query, house.account_id, tag)


async def changed(house: House) -> Stop:
    """Let ops change the owner's second factor; return the link of the mail about it."""
    change = UserChange(two_factor=TwoFactorMethod.SMS)
    await change_user(house.desk, house.owner, change, at=NOW, actor=by(None))
    return await link(house, "two_factor_changed")


async def account_of(house: House, user_id: UUID, role: str) -> House:
    """Return another house that the person belongs to."""
    other = await House.build(house.desk)
    await house.change("INSERT INTO memberships VALUES (%s, %s, %s)", other.account_id, user_id, role)
    return other


# The token -------------------------------------------------------------------------------------------------------


async def test_a_token_is_the_mac_of_all_that_the_link_stops_under_its_own_key(house: House) -> None:
    await house.create_key(permissions=FUNDS)
    stop = await link(house)
    over = [stop.id, stop.account_id, stop.user_id, "credential", stop.request_id, stop.credential_id, 1]
    message = "\n".join([*map(str, over), stop.expires_at.astimezone(UTC).isoformat()]).encode()

    mac = hmac.digest(house.desk.keys.key(Purpose.STOP_LINK, stop.key_id), message, hashlib.sha256)

    with in_japan():
        assert stop_token(house.desk.keys, stop) == base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


async def test_a_token_is_the_same_after_a_rotation(house: House) -> None:
    text = RingText.new().with_next()
    before, after = KeyRing.from_json(text.dump()), KeyRing.from_json(text.taken_over().dump())
    await house.create_key(permissions=FUNDS)
    stop = (await link(house)).model_copy(update={"key_id": before.current})

    assert after.current != before.current
    assert stop_token(after, stop) == stop_token(before, stop)


async def test_a_link_names_what_it_stops_in_whose_mail_and_until_when(house: House) -> None:
    case = await house.create_key(permissions=FUNDS)
    request = await case.request()

    for reader in (house.owner, house.sms_owner):
        stop = await link(house, reader=reader)
        assert (stop.account_id, stop.user_id, stop.kind) == (house.account_id, reader, "credential")
        assert (stop.request_id, stop.credential_id, stop.from_version) == (case.id, request.credential_id, 1)
        assert (stop.key_id, stop.expires_at) == (house.desk.keys.current, NOW + WEEK)
        assert (stop.pressed_at, stop.effect) == (None, None)


async def test_a_mail_tells_the_link_with_its_token_behind_the_hash_and_its_end(house: House) -> None:
    await house.create_key(permissions=FUNDS)
    stop = await link(house)

    told = await stop_context(house.desk, stop.id, public_url="https://countersign.example")

    assert told == {
        "stop_link": f"https://countersign.example/stop/{stop.id}#{stop_token(house.desk.keys, stop)}",
        "stop_until": "2026-03-08 12:00 UTC",
    }
    assert re.search(r"#[\w-]{43}$", told["stop_link"])


async def test_a_mail_without_a_link_tells_none_and_an_unknown_one_is_not_found(house: House) -> None:
    assert await stop_context(house.desk, None, public_url="x") == {"stop_link": "", "stop_until": ""}
    with pytest.raises(NotFound):
        await stop_context(house.desk, uuid4(), public_url="x")


# Who can press ---------------------------------------------------------------------------------------------------


async def test_a_wrong_token_stops_nothing(house: House) -> None:
    case = await house.create_key(permissions=FUNDS)
    stop = await link(house)
    another = stop_token(house.desk.keys, await link(house, reader=house.sms_owner))

    for token in ("", "x" * 43, "\ud800", another):
        with pytest.raises(InvalidLink):
            await pressed(house, stop, token=token)

    assert (await case.request()).outcome is None


async def test_an_id_that_is_none_is_told_like_a_wrong_token(house: House) -> None:
    with pytest.raises(InvalidLink):
        await press(house.desk, uuid4(), token="x" * 43, at=NOW, ip=None)


async def test_a_link_whose_key_the_ring_has_lost_is_told_like_a_wrong_token(house: House, desk: Desk) -> None:
    await house.create_key(permissions=FUNDS)
    stop = await link(house)
    lost = replace(desk, keys=KeyRing.from_json(new_key_ring_json()))

    with pytest.raises(InvalidLink):
        await press(lost, stop.id, token=stop_token(desk.keys, stop), at=NOW, ip=None)


async def test_a_link_is_good_to_the_last_microsecond_of_7_days(house: House) -> None:
    await house.create_key(permissions=FUNDS)
    stop = await link(house)

    with pytest.raises(LinkExpired):
        await pressed(house, stop, at=NOW + WEEK)
    with pytest.raises(InvalidLink):
        await pressed(house, stop, at=NOW + WEEK, token="x" * 43)
    assert (await pressed(house, stop, at=NOW + WEEK - TICK)).at == NOW + WEEK - TICK


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM memberships WHERE user_id = %s", "UPDATE memberships SET role = 'member' WHERE user_id = %s"],
)
async def test_who_owns_the_account_no_more_stops_nothing_in_it(house: House, statement: LiteralString) -> None:
    case = await house.create_key(house.sms_owner, permissions=FUNDS)
    stop = await link(house)
    await house.change(statement, house.owner)

    with pytest.raises(InvalidLink):
        await pressed(house, stop)
    assert (await case.request()).outcome is None


# What a press does about a credential ----------------------------------------------------------------------------


async def test_an_open_request_is_cancelled_in_the_trail_and_told_to_the_owners(house: House) -> None:
    case = await house.create_key(house.sms_owner, permissions=FUNDS)
    stop = await link(house)

    assert await pressed(house, stop) == Stopped(StopEffect.CANCELLED, NOW)

    request = await case.request()
    assert (request.outcome, request.reason) == (Outcome.CANCELLED, REASON)
    about = (case.id, request.credential_id, {"effect": "cancelled"})
    assert await events_of(house, "credential:stopped") == [("mail_link", house.owner, IP, *about)]
    told = await mails_of(house, "credential_stopped")
    assert {user_id for user_id, _ in told} == {house.owner, house.sms_owner}
    assert {(each["effect"], each["credential_name"]) for _, each in told} == {("cancelled", request.name)}
    query: LiteralString = "SELECT DISTINCT request_id FROM notices WHERE event = 'credential_stopped' AND user_id = %s"
    assert await house.select(query, house.owner) == [(case.id,)]


async def test_a_key_activated_meanwhile_is_switched_off(house: House) -> None:
    key = await activated(await house.create_key(permissions=FUNDS))

    assert await effect(house, await link(house)) is StopEffect.DEACTIVATED

    assert await status(house, key) == "inactive"
    told = await mails_of(house, "credential_stopped")
    assert {each["effect"] for _, each in told} == {"deactivated"}


async def test_an_edit_that_nobody_confirmed_is_cancelled_and_the_key_goes_on(house: House) -> None:
    key = await activated(await house.create_key())
    edit = await house.edit_key(key, permissions=["trade"], ip_whitelist="")

    assert await effect(house, await link(house)) is StopEffect.CANCELLED

    assert ((await edit.request()).outcome, await status(house, key)) == (Outcome.CANCELLED, "active")


async def test_an_edit_that_was_activated_is_switched_off(house: House) -> None:
    key = await activated(await house.create_key())
    edit = await house.edit_key(key, permissions=["trade"], ip_whitelist="")
    await edit.to_secret()
    for message in (Activate(), ActivationCode()):
        code = {"code": await edit.sent()} if isinstance(message, ActivationCode) else {}
        assert await edit.problem(message.model_copy(update=code)) is None
    assert await status(house, key) == "active"

    assert await effect(house, await link(house)) is StopEffect.DEACTIVATED
    assert await status(house, key) == "inactive"


async def test_a_key_deactivated_since_leaves_nothing_to_stop_and_nobody_is_told(house: House) -> None:
    key = await activated(await house.create_key(permissions=FUNDS))
    async with house.desk.on_account(house.account_id, at=NOW, actor=by(house.owner)) as work:
        await deactivate(work, house.owner, key, kind=CredentialKind.API_KEY)

    assert await effect(house, await link(house)) is StopEffect.NOTHING_LEFT

    assert await mails_of(house, "credential_stopped") == []
    [(*_, told)] = await events_of(house, "credential:stopped")
    assert told == {"effect": "nothing_left"}


async def test_a_request_that_is_overdue_ends_by_time_and_not_by_the_link(house: House) -> None:
    case = await house.create_key(permissions=FUNDS)
    stop = await link(house)

    assert (await pressed(house, stop, at=NOW + timedelta(hours=1))).effect is StopEffect.NOTHING_LEFT

    assert (await case.request()).reason == "time ran out"
    assert [tag for tag, _ in await house.events()].count("request:ended") == 1


async def test_pressed_again_it_does_nothing_and_tells_the_same(house: House) -> None:
    case = await house.create_key(permissions=FUNDS)
    stop = await link(house)
    first = await pressed(house, stop)

    assert await pressed(house, stop, at=NOW + timedelta(hours=1)) == first == Stopped(StopEffect.CANCELLED, NOW)

    assert (await case.request()).reason == REASON
    assert len(await events_of(house, "credential:stopped")) == 1


# What a press does about a change --------------------------------------------------------------------------------


async def test_a_stopped_change_freezes_what_the_person_owns_and_tells_every_owner(house: House) -> None:
    owned = await account_of(house, house.owner, "owner")
    joined = await account_of(house, house.owner, "member")
    stop = await changed(house)

    assert await pressed(house, stop) == Stopped(StopEffect.FROZEN, NOW)

    assert [(await each.row()).frozen_at for each in (house, owned, joined)] == [NOW, NOW, None]
    for each, frozen in ((house, 1), (owned, 1), (joined, 0)):
        told = ("mail_link", house.owner, IP, None, None)
        assert await events_of(each, "user:change-stopped") == [(*told, {"user_id": str(house.owner)})]
        reason = {"reason": "a change of account security was stopped"}
        assert await events_of(each, "account:issuing-frozen") == [(*told, reason)] * frozen
        owners = {each.owner, each.sms_owner} | ({house.owner} if each is owned else set())
        assert {user_id for user_id, _ in await mails_of(each, "change_stopped")} == (owners if frozen else set())


async def test_an_account_that_is_frozen_stays_frozen_from_when_it_was(house: House) -> None:
    stop = await changed(house)
    before = NOW - timedelta(hours=1)
    await house.change("UPDATE accounts SET frozen_at = %s WHERE id = %s", before, house.account_id)

    assert await effect(house, stop) is StopEffect.FROZEN

    assert (await house.row()).frozen_at == before
    assert await events_of(house, "account:issuing-frozen") == []
    assert await mails_of(house, "change_stopped")


async def test_a_stopped_change_cancels_what_the_person_has_under_way_and_nobody_else_s(house: House) -> None:
    stop = await changed(house)
    mine, other = await house.create_key(), await house.create_key(house.sms_owner)

    await pressed(house, stop)

    assert ((await mine.request()).outcome, (await mine.request()).reason) == (Outcome.CANCELLED, REASON)
    assert (await other.request()).outcome is None


async def test_a_stopped_change_signs_the_person_out_and_nobody_else(house: House) -> None:
    stop = await changed(house)
    for user_id in (house.owner, house.owner, house.sms_owner):
        session = Session(
            token_hash=uuid4().bytes,
            user_id=user_id,
            account_id=None,
            created_at=NOW,
            seen_at=NOW,
            expires_at=datetime.max.replace(tzinfo=UTC),
        )
        async with house.desk.database.connection() as connection:
            await insert_session(connection, session)

    await pressed(house, stop)

    query: LiteralString = "SELECT user_id FROM sessions WHERE user_id = ANY(%s)"
    assert await house.select(query, [house.owner, house.sms_owner]) == [(house.sms_owner,)]


async def test_a_stopped_change_switches_off_what_the_person_activated_since(house: House) -> None:
    before = await activated(await house.create_key())
    stop = await changed(house)
    since = await activated(await house.create_key(name="since"))

    await pressed(house, stop)

    assert (await status(house, before), await status(house, since)) == ("active", "inactive")
    told = await mails_of(house, "credential_stopped")
    assert {user_id for user_id, _ in told} == {house.owner, house.sms_owner}
    assert {(each["effect"], each["credential_name"]) for _, each in told} == {("deactivated", "since")}


async def test_a_change_pressed_again_after_a_thaw_freezes_nothing(house: House) -> None:
    stop = await changed(house)
    first = await pressed(house, stop)
    await house.change("UPDATE accounts SET frozen_at = NULL WHERE id = %s", house.account_id)

    assert await pressed(house, stop, at=NOW + timedelta(hours=1)) == first

    assert (await house.row()).frozen_at is None
    assert len(await events_of(house, "user:change-stopped")) == 1


async def test_a_change_of_who_belongs_to_no_account_any_more_cannot_be_stopped(house: House) -> None:
    stop = await changed(house)
    await house.change("DELETE FROM memberships WHERE user_id = %s", house.owner)

    with pytest.raises(InvalidLink):
        await pressed(house, stop)


async def test_a_stopped_change_lets_the_hold_of_funds_begin_anew(house: House) -> None:
    stop = await changed(house)
    await house.change("UPDATE users SET security_changed_at = %s WHERE id = %s", NOW, house.sms_owner)

    await pressed(house, stop, at=NOW + timedelta(hours=20))

    query: LiteralString = "SELECT security_changed_at FROM users WHERE id = %s"
    assert await house.select(query, house.owner) == [(NOW + timedelta(hours=20),)]
    assert await house.select(query, house.sms_owner) == [(NOW,)]


async def test_a_change_by_request_is_told_with_its_request(house: House) -> None:
    case = await house.change_two_factor(house.owner, ChangeTo.OFF)
    assert (await case.enter(case.authenticator())).problem is None
    stop = await link(house, "two_factor_changed")

    await pressed(house, stop)

    [(*_, request_id, credential_id, _details)] = await events_of(house, "user:change-stopped")
    assert (request_id, credential_id) == (case.id, None)
