"""What events say of credentials, and in which way a credential is not what they say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from countersign.domain.audit import AuditTag, Recorded
from countersign.domain.explaining import Explanations, Standing, Told, difference, tells_all
from tests.support.chains import EVENT

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)
GRANTED = {"permissions": ["read", "trade"], "ip_whitelist": ["203.0.113.7"]}
MADE = (AuditTag.REQUEST_OPENED, {"journey": "create-api-key", **GRANTED})
KEY = Standing("a", "key", "inactive", ["read", "trade"], ["203.0.113.7"], None, [])
LIMITS = [{"asset": "BTC", "order_size": "1.5", "daily_volume": None}]
MADE_WITH_LIMITS = (AuditTag.REQUEST_OPENED, {"journey": "create-api-key", **GRANTED, "trading_limits": LIMITS})
ACTIVE = (AuditTag.CREDENTIAL_STATUS, {"before": "inactive", "after": "active"})
HELD = (AuditTag.FUNDS_HELD, {"until": LATER.isoformat()})


def event(number: int, tag: str, details: Any, *, credential_id: str | None = "key") -> Recorded:
    return EVENT._replace(number=number, event=tag, details=details, credential_id=credential_id)


def told(*events: tuple[str, Any]) -> Told:
    explanations = Explanations()
    for number, (tag, details) in enumerate(events, start=1):
        explanations.take(event(number, tag, details))
    return explanations.told_of(KEY)


def test_a_credential_as_it_was_made_is_explained() -> None:
    assert difference(KEY, told(MADE), at=NOW) is None


def test_what_no_event_tells_of_is_not() -> None:
    assert told() == Told(0, None, None, None)
    assert difference(KEY, told(), at=NOW) == "has not the permissions and the IP whitelist that the trail gives it"
    assert difference(KEY._replace(status="active"), told(), at=NOW) == ("is active, and the trail leaves it inactive")


def test_the_last_word_counts_and_its_number_is_told() -> None:
    off = (AuditTag.CREDENTIAL_STATUS, {"before": "active", "after": "inactive"})
    other = (AuditTag.CODE_WRONG, {"attempts_left": 3})

    assert told(MADE, ACTIVE, other) == Told(2, "active", (["read", "trade"], ["203.0.113.7"]), None)
    assert difference(KEY._replace(status="active"), told(MADE, ACTIVE), at=NOW) is None
    assert difference(KEY, told(MADE, ACTIVE, off), at=NOW) is None
    assert difference(KEY, told(MADE, ACTIVE), at=NOW) == "is inactive, and the trail leaves it active"


def test_an_edit_grants_what_was_confirmed_and_its_opening_nothing() -> None:
    asked = (AuditTag.REQUEST_OPENED, {"journey": "edit-api-key", "permissions": ["read"], "ip_whitelist": []})
    edited = (AuditTag.CREDENTIAL_EDITED, {"before": GRANTED, "after": {"permissions": ["read"], "ip_whitelist": []}})
    after = KEY._replace(permissions=["read"], ip_whitelist=[])

    assert difference(KEY, told(MADE, asked), at=NOW) is None
    assert difference(after, told(MADE, asked, edited), at=NOW) is None
    assert difference(KEY, told(MADE, asked, edited), at=NOW) is not None


@pytest.mark.parametrize("changed", [{"permissions": ["read"]}, {"ip_whitelist": []}])
def test_permissions_and_whitelist_are_compared(changed: dict[str, Any]) -> None:
    assert difference(KEY._replace(**changed), told(MADE), at=NOW) is not None


def test_trading_limits_are_compared() -> None:
    limited = KEY._replace(trading_limits=LIMITS)

    assert difference(limited, told(MADE_WITH_LIMITS), at=NOW) is None
    for standing, events in [(KEY, told(MADE_WITH_LIMITS)), (limited, told(MADE))]:
        assert difference(standing, events, at=NOW) == "has not the trading limits that the trail gives it"


def test_an_event_of_a_release_without_trading_limits_leaves_them_as_they_are() -> None:
    edited = (AuditTag.CREDENTIAL_EDITED, {"before": GRANTED, "after": {"permissions": ["read"], "ip_whitelist": []}})
    taken = (AuditTag.CREDENTIAL_EDITED, {"before": GRANTED, "after": {**GRANTED, "trading_limits": []}})
    after = KEY._replace(permissions=["read"], ip_whitelist=[], trading_limits=LIMITS)

    assert difference(after, told(MADE_WITH_LIMITS, edited), at=NOW) is None
    assert difference(KEY, told(MADE_WITH_LIMITS, taken), at=NOW) is None


def test_limits_that_missing_events_may_tell_of_cannot_be_judged() -> None:
    limited = KEY._replace(trading_limits=LIMITS)

    assert tells_all(told(MADE, ACTIVE), of=KEY)
    assert not tells_all(told(MADE, ACTIVE), of=limited)
    assert tells_all(told(MADE_WITH_LIMITS, ACTIVE), of=limited)
    assert not tells_all(told(MADE_WITH_LIMITS), of=limited)
    assert not tells_all(told(ACTIVE), of=KEY)


@pytest.mark.parametrize(
    ("funds_from", "at", "is_explained"),
    [
        (LATER, NOW, True),
        (LATER + timedelta(hours=1), NOW, True),
        (None, NOW, False),
        (LATER - timedelta(microseconds=1), NOW, False),
        (None, LATER, True),
        (None, LATER - timedelta(microseconds=1), False),
    ],
)
def test_a_hold_that_is_not_over_stands(funds_from: datetime | None, at: datetime, *, is_explained: bool) -> None:
    found = difference(KEY._replace(funds_from=funds_from), told(MADE, HELD), at=at)

    assert (found is None) == is_explained
    assert is_explained or str(found).startswith("has its funds permissions before 2026-11-27 00:00 UTC")


@pytest.mark.parametrize(
    "details",
    [
        None,
        [],
        "x",
        {},
        {"after": None},
        {"after": {}},
        {"after": {"trading_limits": 7}},
        {"trading_limits": "x"},
        {"until": 7},
        {"until": "soon"},
    ],
)
@pytest.mark.parametrize("tag", [AuditTag.CREDENTIAL_EDITED, AuditTag.REQUEST_OPENED, AuditTag.FUNDS_HELD])
def test_details_that_make_no_sense_explain_nothing(tag: str, details: Any) -> None:
    found = told((tag, details))

    assert (found.status, found.granted, found.held_until, found.trading_limits) == (None, None, None, None)


def test_only_the_opening_of_a_creation_grants_what_it_asks_for() -> None:
    ended = (AuditTag.REQUEST_ENDED, {"journey": "create-api-key", "permissions": ["read"], "ip_whitelist": []})

    assert told(MADE, ended) == Told(1, None, (["read", "trade"], ["203.0.113.7"]), None)


def test_events_about_no_credential_or_another_one_say_nothing_of_it() -> None:
    explanations = Explanations()
    explanations.take(event(1, *MADE, credential_id=None))
    explanations.take(event(2, *MADE, credential_id="other"))

    assert explanations.told_of(KEY) == Told()
