"""Audit tags and the form of events are for good: what was signed once must be found the same."""

import re
from collections import UserDict
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from countersign.domain.audit import GENESIS, AuditTag, NotCanonical, canonical
from tests.support.chains import EVENT, NOON
from tests.support.time_zones import in_japan


def test_tags_follow_one_pattern() -> None:
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*:[a-z]+(-[a-z]+)*", tag) for tag in AuditTag)


def test_no_two_events_share_a_tag() -> None:
    assert len(AuditTag.__members__) == len(set(AuditTag))


def test_the_first_event_of_every_chain_follows_32_zeros() -> None:
    assert bytes(32) == GENESIS


def test_the_form_never_changes() -> None:
    event = EVENT._replace(
        at=datetime(2026, 1, 31, 12, 0, 0, 500, tzinfo=UTC), details={"b": [1, True, None], "a": {"x": "ü\n\x1f€🔑/"}}
    )

    assert canonical(event).decode() == (
        '["countersign/audit-event/1","00000000-0000-4000-8000-000000000001",1,"code:wrong",'
        '"2026-01-31T12:00:00.000500+00:00","user","00000000-0000-4000-8000-00000000000a","cb007107",'
        '"00000000-0000-4000-8000-00000000000b",null,"k1",{"a":{"x":"ü\\n\\u001f€🔑/"},"b":[1,true,null]}]'
    )


def test_what_is_not_there_is_null_and_never_an_empty_text() -> None:
    bare = EVENT._replace(actor_id=None, ip=None, request_id=None, key_id=None)

    assert b'"user",null,null,null,null,null,{' in canonical(bare)
    assert canonical(bare) != canonical(bare._replace(actor_id=""))


def test_the_mac_is_no_part_of_it() -> None:
    assert canonical(EVENT._replace(mac=b"x")) == canonical(EVENT)


@pytest.mark.parametrize(
    ("written", "the_same"),
    [("::ffff:203.0.113.9", "::ffff:cb00:7109"), ("2001:DB8:0:0::1", "2001:db8::1")],
)
def test_addresses_are_the_same_however_they_are_written(written: str, the_same: str) -> None:
    assert canonical(EVENT._replace(ip=written)) == canonical(EVENT._replace(ip=the_same))


def test_an_ipv4_address_is_not_the_ipv6_address_that_maps_it() -> None:
    assert canonical(EVENT._replace(ip="203.0.113.9")) != canonical(EVENT._replace(ip="::ffff:203.0.113.9"))


def test_moments_are_the_same_in_every_time_zone() -> None:
    there = EVENT.at and EVENT.at.astimezone(timezone(timedelta(hours=5)))

    assert canonical(EVENT._replace(at=there)) == canonical(EVENT)


def test_moments_are_the_same_in_whatever_time_zone_the_machine_is() -> None:
    with in_japan():
        assert b'"2026-01-31T12:00:00.000000+00:00"' in canonical(EVENT)


def test_whatever_differs_makes_another_form() -> None:
    changes: list[dict[str, Any]] = [
        {"account_id": "x"},
        {"number": 2},
        {"event": "x"},
        {"at": EVENT.at and EVENT.at + timedelta(microseconds=1)},
        {"actor_kind": "x"},
        {"actor_id": "x"},
        {"ip": "203.0.113.8"},
        {"request_id": "x"},
        {"credential_id": "x"},
        {"details": {"tries": "1"}},
        {"key_id": "k2"},
    ]

    forms = {canonical(EVENT), *(canonical(EVENT._replace(**change)) for change in changes)}

    assert len(forms) == 1 + len(changes)


@pytest.mark.parametrize(
    "details",
    [
        {"x": 1.0},
        {"x": [float("nan")]},
        {"x": {"y": 0.5}},
        {"x": [0.5]},
        {"x": 2**53},
        {"x": -(2**53)},
        {1: "x"},
        {"ü": "x"},
        {"x": b"x"},
        {"x": datetime(2026, 1, 1, tzinfo=UTC)},
        {"x": UserDict()},
        {"x": "\ud800"},
    ],
)
def test_details_that_have_no_single_form_are_refused(details: dict[Any, Any]) -> None:
    with pytest.raises(NotCanonical):
        canonical(EVENT._replace(details=details))


def test_details_nested_without_end_are_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]

    with pytest.raises(NotCanonical):
        canonical(EVENT._replace(details=nested))


def test_the_largest_integers_of_json_pass() -> None:
    assert b"9007199254740991,-9007199254740991" in canonical(EVENT._replace(details=[2**53 - 1, 1 - 2**53]))


@pytest.mark.parametrize(
    "change",
    [{"at": None}, {"at": NOON.replace(tzinfo=None)}, {"ip": "203.0.113.0/24"}, {"ip": ""}, {"ip": "fe80::1%eth0/9"}],
)
def test_an_event_with_no_single_moment_or_address_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(NotCanonical):
        canonical(EVENT._replace(**change))
