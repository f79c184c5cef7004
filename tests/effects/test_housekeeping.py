"""Housekeeping: what is over and old goes, whole; what is open, waits or is a moment too young stays."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment

from activities.housekeeping import HousekeepingActivities
from countersign.adapters.keyring import KeyRing, new_key_ring_json
from countersign.domain.housekeeping import Swept, counted
from countersign.domain.rules import Rules
from countersign.effects import housekeeping
from countersign.effects.housekeeping import kept_since, old, sweep
from countersign.effects.opening import Replay, remember
from countersign.effects.work import Desk
from countersign.local.postgres import EmbeddedPostgres
from countersign.storage.database import Database
from tests.support.databases import OwnDatabase
from tests.support.house import TICK, Case, House, by

AT = datetime.now(UTC)
SINCE = kept_since(Rules(), at=AT)
SECOND = timedelta(seconds=1)
Make = Callable[[House, datetime], Awaitable[object]]
_BELONGS: dict[str, LiteralString] = {
    "requests": "SELECT 1 FROM requests WHERE id = %s",
    "challenges": "SELECT 1 FROM challenges WHERE request_id = %s",
    "message_verdicts": "SELECT 1 FROM message_verdicts WHERE request_id = %s",
    "used_statements": "SELECT 1 FROM used_statements WHERE request_id = %s",
    "idempotency_keys": "SELECT 1 FROM idempotency_keys WHERE request_id = %s",
}


@pytest.fixture(scope="module")
async def desk(postgres: EmbeddedPostgres) -> AsyncIterator[Desk]:
    """On a database of its own: housekeeping looks at all there is."""
    database = Database(OwnDatabase.make_migrated(postgres).app_url, pool_size=3)
    await database.open()
    yield Desk(database=database, keys=KeyRing.from_json(new_key_ring_json()), rules=Rules())
    await database.close()


async def finished(house: House, at: datetime) -> Case:
    case = await house.create_key()
    await case.cancel()
    await house.change("UPDATE requests SET closed_at = %s WHERE id = %s", at, case.id)
    return case


async def notice(house: House, *, sent: datetime | None = None, failed: datetime | None = None) -> UUID:
    statement = """INSERT INTO notices (id, account_id, user_id, event, context, sent_at, failed_at, created_at)
                   VALUES (%s, %s, %s, 'x', '{}', %s, %s, '2020-01-01')"""
    notice_id = uuid4()
    await house.change(statement, notice_id, house.account_id, house.owner, sent, failed)
    return notice_id


async def sent(house: House, at: datetime) -> None:
    await notice(house, sent=at)


async def failed(house: House, at: datetime) -> None:
    await notice(house, failed=at)


async def link(house: House, at: datetime) -> UUID:
    statement = """INSERT INTO stops (id, account_id, user_id, kind, key_id, expires_at)
                   VALUES (%s, %s, %s, 'security_change', 'k', %s)"""
    stop_id = uuid4()
    await house.change(statement, stop_id, house.account_id, house.owner, at)
    return stop_id


async def recovery_code(house: House, at: datetime | None) -> None:
    statement = "INSERT INTO recovery_codes (user_id, code_mac, key_id, used_at) VALUES (%s, %s, 'k', %s)"
    await house.change(statement, house.owner, uuid4().bytes, at)


async def session(house: House, at: datetime) -> None:
    statement = """INSERT INTO sessions (token_hash, user_id, created_at, seen_at, expires_at)
                   VALUES (%s, %s, '2020-01-01', '2020-01-01', %s)"""
    await house.change(statement, uuid4().bytes, house.owner, at)


async def swept(desk: Desk) -> Counter[str]:
    removed = Counter[str]()
    async for batch in sweep(desk, at=AT):
        removed.update(batch)
    return removed


@pytest.mark.parametrize(
    ("table", "make"),
    [
        ("requests", finished),
        ("notices", sent),
        ("notices", failed),
        ("stops", link),
        ("recovery_codes", recovery_code),
        ("sessions", session),
    ],
)
async def test_what_is_over_goes_when_it_is_old_and_not_a_second_before(house: House, table: str, make: Make) -> None:
    since = SINCE[table]
    for at in (since - TICK, since, since + SECOND):
        await make(house, at)

    would_go = await old(house.desk, at=AT)
    gone = await swept(house.desk)

    assert {name: count for name, count in would_go.items() if count} == {table: 1}
    assert (gone[table], await old(house.desk, at=AT)) == (1, dict.fromkeys(SINCE, 0))


async def test_days_of_sms_go_after_as_long_and_never_the_present_one(house: House) -> None:
    edge = SINCE["sms_days"].date()
    for day in (edge - timedelta(days=1), edge, AT.date()):
        await house.change("INSERT INTO sms_days VALUES (%s, 7) ON CONFLICT DO NOTHING", day)

    assert (await old(house.desk, at=AT))["sms_days"] == 1
    assert (await swept(house.desk))["sms_days"] == 1

    left = {day for (day,) in await house.select("SELECT day FROM sms_days")}
    assert left >= {edge, AT.date()}
    assert edge - timedelta(days=1) not in left


async def test_counts_of_calls_go_by_the_day_and_the_last_use_stays(house: House) -> None:
    edge, statement = (
        SINCE["credential_activity"].date(),
        "INSERT INTO credential_activity VALUES (%s, %s, %s, 1, %s, '::')",
    )
    used, unused = uuid4(), uuid4()
    long_ago, before = edge - timedelta(days=2), edge - timedelta(days=1)
    for credential, outcome, day in [
        (used, "allowed", long_ago), (used, "allowed", before), (used, "clock", before), (unused, "clock", edge),
    ]:  # fmt: skip
        await house.change(statement, credential, outcome, day, day)

    assert (await old(house.desk, at=AT))["credential_activity"] == 2
    assert (await swept(house.desk))["credential_activity"] == 2

    left = await house.select("SELECT credential_id, day FROM credential_activity ORDER BY day")
    assert [row for row in left if row[0] in (used, unused)] == [(used, before), (unused, edge)]


async def test_a_request_goes_with_all_that_belongs_to_it_and_its_credential_and_its_trail_stay(house: House) -> None:
    case = await (await house.create_fix()).to_waiting()
    assert (await case.decide()).problem is None
    request = await case.request()
    async with house.desk.on_account(house.account_id, at=AT, actor=by(house.owner)) as work:
        await remember(work, house.owner, Replay("/v1/fix-credentials", "once", b"{}"), request)
    for query in _BELONGS.values():
        assert await house.select(query, case.id)
    events, mails = await house.events(), await house.mails()
    await house.change("UPDATE requests SET closed_at = %s WHERE id = %s", SINCE["requests"] - TICK, case.id)

    gone = await swept(house.desk)

    assert gone == {
        "requests": 1, "challenges": 1, "code_sends": 1, "message_verdicts": 4, "used_statements": 1,
        "idempotency_keys": 1,
    }  # fmt: skip
    assert [await house.select(query, case.id) for query in _BELONGS.values()] == [[]] * len(_BELONGS)
    assert (await house.events(), await house.mails()) == (events, mails)
    kept = await house.select("SELECT status FROM credentials WHERE id = %s", request.credential_id)
    assert kept == [("active",)]


async def test_what_is_open_stays_however_old_it_is_and_whatever_the_row_says(house: House) -> None:
    at_code, at_manager = await house.create_key(), await (await house.create_fix()).to_waiting()
    ages = "UPDATE requests SET created_at = '2020-01-01', changed_at = '2020-01-01', closed_at = '2020-01-01'"
    await house.change(f"{ages} WHERE account_id = %s", house.account_id)

    assert await swept(house.desk) == {}

    for case in (at_code, at_manager):
        assert (await case.request()).outcome is None


async def test_a_notice_that_waits_stays_however_old_it_is_and_so_does_the_link_in_it(house: House) -> None:
    waiting, stop = await notice(house), await link(house, datetime(2020, 1, 1, tzinfo=UTC))
    await house.change("UPDATE notices SET stop_id = %s WHERE id = %s", stop, waiting)
    await recovery_code(house, None)

    assert await swept(house.desk) == {}

    await house.change("UPDATE notices SET sent_at = %s WHERE id = %s", SINCE["notices"] - TICK, waiting)
    assert await swept(house.desk) == {"notices": 1, "stops": 1}
    assert await house.select("SELECT 1 FROM recovery_codes WHERE user_id = %s", house.owner)


@pytest.mark.parametrize(
    ("function", "days"), [("remove_requests", 30), ("remove_notices", 7), ("remove_stops", 7), ("remove_sms_days", 30)]
)
async def test_the_database_keeps_what_is_young_whoever_asks_it_to_go(house: House, function: str, days: int) -> None:
    async def ask(age: timedelta | None) -> None:
        query = f"SELECT {function}(now() - %s::interval, 0)"
        async with house.desk.database.connection() as connection:
            await connection.execute(query.encode(), (age,))

    for age in (timedelta(0), timedelta(days=days) - SECOND, None):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is kept"):
            await ask(age)
    await ask(timedelta(days=days))


@pytest.mark.parametrize(
    "table",
    ["accounts", "users", "credentials", "requests", "challenges", "code_sends", "notices", "stops", "sms_days"],
)
async def test_the_application_can_delete_nothing_but_through_what_decides(house: House, table: str) -> None:
    statement = f"DELETE FROM {table}"  # noqa: S608 - from the list above
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with house.desk.database.connection() as connection:
            await connection.execute(statement.encode())


async def test_one_that_was_interrupted_leaves_whole_requests_and_the_next_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_AT_ONCE", 1)
    cases = [await finished(house, SINCE["requests"] - TICK) for _ in range(3)]
    interrupted = sweep(house.desk, at=AT)

    await anext(interrupted)
    await interrupted.aclose()

    left = [[len(await house.select(query, case.id)) for query in _BELONGS.values()] for case in cases]
    assert sorted(left) == [[0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0]]
    assert (await swept(house.desk))["requests"] == 2


async def test_what_somebody_holds_is_left_for_the_next_time(house: House) -> None:
    held, free = await finished(house, SINCE["requests"] - TICK), await finished(house, SINCE["requests"] - TICK)
    async with house.desk.database.transaction() as connection:
        await connection.execute("SELECT 1 FROM requests WHERE id = %s FOR UPDATE", (held.id,))

        assert (await swept(house.desk))["requests"] == 1

    assert await house.select(_BELONGS["requests"], free.id) == []
    assert (await swept(house.desk))["requests"] == 1


async def test_an_attempt_after_a_kill_goes_on_and_counts_on_where_the_last_one_was(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What other tests left a moment too young is old by now.
    await ActivityEnvironment().run(HousekeepingActivities(house.desk).keep_house)
    monkeypatch.setattr(housekeeping, "_AT_ONCE", 1)
    for _ in range(3):
        await finished(house, SINCE["requests"] - TICK)
    heard: list[dict[str, int]] = []

    def die(counts: dict[str, int]) -> None:
        heard.append(counts)
        raise CancelledError

    first, second = ActivityEnvironment(), ActivityEnvironment()
    first.on_heartbeat = die
    with pytest.raises(CancelledError):
        await first.run(HousekeepingActivities(house.desk).keep_house)
    second.info = replace(ActivityEnvironment.default_info(), heartbeat_details=heard[-1:])

    done = await second.run(HousekeepingActivities(house.desk).keep_house)

    assert heard[-1]["requests"] == 1
    assert (done.removed["requests"], done.removed["challenges"]) == (3, 3)


def test_what_went_is_told_by_table_and_what_the_owner_may_archive_with_its_command() -> None:
    assert counted({"requests": 1200, "code_sends": 3, "stops": 0}) == "1,200 requests, 3 code sends"
    assert Swept().told() == "Removed: nothing."
    assert "countersign audit archive --before 2025-10 --to FILE" in Swept(archivable_before="2025-10").told()
