"""The trail: what is told of each event, in order, and kept apart by account."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from countersign.domain.audit import GENESIS, AuditTag, Place
from countersign.domain.messages import SYSTEM, Actor
from countersign.domain.requests import ChangeTo
from countersign.effects.work import Desk
from countersign.storage import ledger
from countersign.storage.ledger import AuditEvent, IdempotencyRecord
from tests.support.chains import EVENT
from tests.support.house import IP, NOW, House, by


async def note(house: House, tag: AuditTag, actor: Actor, **about: UUID) -> None:
    async with house.desk.on_account(house.account_id, at=NOW, actor=actor) as work:
        work.audit(tag, request_id=about.get("request"), credential_id=about.get("credential"), told="so")


async def trail(
    house: House, *, before: int | None = None, limit: int = 10, hidden: tuple[str, ...] = ()
) -> list[AuditEvent]:
    async with house.desk.database.connection() as connection:
        return await ledger.events(connection, house.account_id, before=before, limit=limit, hidden=hidden)


async def about(house: House, credential: UUID, *, limit: int = 10, hidden: tuple[str, ...] = ()) -> list[int]:
    async with house.desk.database.connection() as connection:
        found = await ledger.events_of_credential(
            connection, house.account_id, credential_id=credential, limit=limit, hidden=hidden
        )
    return [event.number for event in found]


async def test_an_event_tells_who_what_and_about_what(house: House) -> None:
    request, credential = uuid4(), uuid4()
    await note(house, AuditTag.SECRET_SHOWN, by(house.owner), request=request, credential=credential)
    [event] = await trail(house)
    assert event.model_dump(mode="json", exclude={"at"}) == {
        "account_id": str(house.account_id),
        "number": 1,
        "event": "secret:shown",
        "actor_kind": "user",
        "actor_id": str(house.owner),
        "ip": IP,
        "request_id": str(request),
        "credential_id": str(credential),
        "details": {"told": "so"},
    }


async def test_time_itself_has_neither_name_nor_address(house: House) -> None:
    await note(house, AuditTag.REQUEST_ENDED, SYSTEM)
    [event] = await trail(house)
    assert (event.actor_kind, event.actor_id, event.ip, event.request_id) == ("system", None, None, None)


async def test_events_are_numbered_without_gaps_and_read_newest_first(house: House, desk: Desk) -> None:
    other = await House.build(desk)
    for tag in (AuditTag.SECRET_SHOWN, AuditTag.CODE_WRONG, AuditTag.SECRET_SAVED, AuditTag.REQUEST_ENDED):
        await note(house, tag, SYSTEM)
        await note(other, AuditTag.USER_CHANGED, SYSTEM)
    assert [event.number for event in await trail(house)] == [4, 3, 2, 1]
    assert [event.number for event in await trail(house, before=3)] == [2, 1]
    assert [event.number for event in await trail(house, limit=2)] == [4, 3]
    assert [event.number for event in await trail(house, hidden=("secret:saved", "code:wrong"))] == [4, 1]
    assert {event.event for event in await trail(other)} == {"user:changed"}


async def test_the_events_of_one_credential_are_its_own_account_s(house: House, desk: Desk) -> None:
    other, credential = await House.build(desk), uuid4()
    for each, tag in [
        (house, AuditTag.CREDENTIAL_CREATED),
        (other, AuditTag.SECRET_SHOWN),
        (house, AuditTag.SECRET_SHOWN),
    ]:
        await note(each, tag, SYSTEM, credential=credential)
    await note(house, AuditTag.SECRET_SHOWN, SYSTEM, credential=uuid4())
    assert await about(house, credential) == [2, 1]
    assert await about(house, credential, limit=1) == [2]
    assert await about(house, credential, hidden=("secret:shown",)) == [1]


async def test_an_effect_that_fails_leaves_no_event(house: House) -> None:
    async def fail() -> None:
        async with house.desk.on_account(house.account_id, at=NOW, actor=SYSTEM) as work:
            work.audit(AuditTag.SECRET_SHOWN)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await fail()
    assert await trail(house) == []


async def test_an_event_about_a_request_names_its_credential_and_one_about_a_person_none(house: House) -> None:
    case = await house.create_key()
    request = await case.request()
    [opened] = await trail(house)
    assert (opened.request_id, opened.credential_id) == (case.id, request.credential_id)
    await case.cancel()
    change = await house.change_two_factor(house.owner, ChangeTo.OFF)
    newest, *_ = await trail(house)
    assert (newest.event, newest.request_id, newest.credential_id) == ("request:opened", change.id, None)


async def test_a_statement_is_used_once(house: House) -> None:
    case, other, name = await house.create_key(), await house.create_key(), uuid4().hex
    async with house.desk.database.connection() as connection:
        assert await ledger.use_statement(connection, name, request_id=case.id)
        assert not await ledger.use_statement(connection, name, request_id=other.id)


async def test_a_key_of_idempotency_is_its_account_s_user_s_and_route_s_own(house: House, desk: Desk) -> None:
    case, other = await house.create_key(), await House.build(desk)
    record = IdempotencyRecord(body_hash=b"hash", request_id=case.id)
    mine: dict[str, Any] = {"account_id": house.account_id, "user_id": house.owner, "route": "/keys", "key": "one"}
    async with house.desk.database.connection() as connection:
        await ledger.insert_idempotency(connection, **mine, record=record)
        assert await ledger.find_idempotency(connection, **mine) == record
        for change in (
            {"account_id": other.account_id},
            {"user_id": house.sms_owner},
            {"route": "/fix"},
            {"key": "two"},
        ):
            assert await ledger.find_idempotency(connection, **mine | change) is None


async def test_an_account_that_is_gone_has_no_head(house: House) -> None:
    gone = uuid4()
    async with house.desk.database.connection() as connection:
        with pytest.raises(ledger.AuditHeadMoved, match=str(gone)):
            await ledger.head(connection, gone)


async def test_nothing_is_appended_after_an_event_that_is_the_last_no_more(house: House) -> None:
    await note(house, AuditTag.SECRET_SHOWN, SYSTEM)
    event = EVENT._replace(account_id=str(house.account_id), number=1, mac=b"mac")

    async with house.desk.database.connection() as connection:
        with pytest.raises(ledger.AuditHeadMoved, match=str(house.account_id)):
            await ledger.append(connection, [event], after=Place(0, GENESIS))

    assert [each.event for each in await trail(house)] == ["secret:shown"]
