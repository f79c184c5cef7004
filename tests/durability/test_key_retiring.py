"""Until when payloads may have come under a key: in doubt, until now."""

from datetime import UTC, datetime, timedelta

from countersign.dispatch.retiring import used_until
from countersign.storage.key_checks import KeyCheck

DAY = timedelta(days=1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def known(key_id: str, *, since: datetime | None = None, until: datetime | None = None) -> KeyCheck:
    return KeyCheck(key_id=key_id, check_mac=b"", current_since=since, current_until=until, retired_at=None)


def of(*checks: KeyCheck) -> dict[str, KeyCheck]:
    """In the order in which the keys came."""
    return {check.key_id: check for check in checks}


CURRENT = known("current", since=LONG_AGO + DAY, until=LONG_AGO + 9 * DAY)


def test_a_key_that_was_current_may_have_payloads_until_it_gave_way() -> None:
    assert used_until(of(known("old", since=LONG_AGO, until=LONG_AGO + DAY), CURRENT), "old", "current") == (
        LONG_AGO + DAY
    )


def test_a_key_that_came_after_the_current_one_and_never_was_it_has_none() -> None:
    assert used_until(of(CURRENT, known("next")), "next", "current") is None


def test_a_key_that_was_used_before_there_were_checks_gave_way_when_the_current_one_was_first_used() -> None:
    assert used_until(of(known("old"), CURRENT), "old", "current") == CURRENT.current_since


def test_a_key_that_nobody_knows_may_have_been_used_until_now() -> None:
    for checks in (of(CURRENT), of(), of(known("old")), of(known("old"), known("current"))):
        until = used_until(checks, "old", "current")
        assert until is not None
        assert datetime.now(UTC) - until < timedelta(minutes=1)
