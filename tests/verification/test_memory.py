"""What a verifier keeps in memory, and how much of it."""

import asyncio
import time
from ipaddress import ip_address
from uuid import UUID, uuid4

import pytest

from countersign.domain.errors import Unavailable
from countersign.domain.verification import Lost, Outcome, Revoked
from countersign.verification.cache import Cache
from countersign.verification.failures import Failures
from countersign.verification.gathering import Gathering
from countersign.verification.known import By, Lookup, Whitelist
from countersign.verification.subscribing import Subscribers
from tests.verification.strategies import CREDENTIAL, IP, known

NEVER = float("-inf")
KEY = Lookup(By.KEY, "k")
ELSEWHERE = ip_address("198.51.100.9")


def lookup(number: int) -> Lookup:
    return Lookup(By.KEY, str(number))


def is_kept(cache: Cache, wanted: Lookup, *, read_since: float = NEVER, now: float = 0.0) -> bool:
    return cache.find(wanted, read_since=read_since, now=now)[0]


def test_the_credential_that_was_not_used_for_longest_gives_way() -> None:
    cache = Cache(size=2)
    for number in (1, 2):
        cache.keep(lookup(number), known(id=UUID(int=number)), read_at=0)
    assert is_kept(cache, lookup(1))
    cache.keep(lookup(3), known(id=UUID(int=3)), read_at=0)
    assert [is_kept(cache, lookup(number)) for number in (1, 2, 3)] == [True, False, True]
    assert len(cache) == 2


def test_rubbish_does_not_drive_credentials_out() -> None:
    cache = Cache(size=1)
    cache.keep(KEY, known(), read_at=0)
    for number in range(10_500):
        cache.keep(lookup(number), None, read_at=0)
    assert is_kept(cache, KEY)
    assert [is_kept(cache, lookup(number)) for number in (0, 10_499)] == [False, True]


def test_what_was_looked_for_in_vain_is_looked_for_again_soon_and_when_anything_new_is_told() -> None:
    cache = Cache(size=1)
    cache.keep(KEY, None, read_at=0)
    assert [is_kept(cache, KEY, now=now) for now in (9.9, 10.1)] == [True, False]
    cache.drop(uuid4())
    assert not is_kept(cache, KEY)


def test_a_changed_credential_is_forgotten_by_every_name() -> None:
    cache = Cache(size=5)
    by_id = Lookup(By.ID, str(CREDENTIAL))
    for each in (KEY, by_id):
        cache.keep(each, known(), read_at=0)
    cache.drop(CREDENTIAL)
    assert [is_kept(cache, each) for each in (KEY, by_id)] == [False, False]


def test_a_changed_account_takes_its_credentials_along_and_no_others() -> None:
    cache = Cache(size=5)
    cache.keep(KEY, known(), read_at=0)
    cache.keep(lookup(2), known(id=UUID(int=2), account_id=UUID(int=99)), read_at=0)
    cache.drop_account(UUID(int=8))
    assert [is_kept(cache, KEY), is_kept(cache, lookup(2))] == [False, True]


def test_what_was_read_too_long_ago_is_not_believed() -> None:
    cache = Cache(size=1)
    cache.keep(KEY, known(read_at=5.0), read_at=5.0)
    assert [is_kept(cache, KEY, read_since=since) for since in (5.0, 5.1)] == [True, False]


async def test_the_same_question_is_asked_once_and_others_go_together() -> None:
    asked: list[list[int]] = []
    goes_on = asyncio.Event()

    async def ask(numbers: list[int]) -> dict[int, int]:
        asked.append(numbers)
        await goes_on.wait()
        return {number: number * 2 for number in numbers}

    gathering = Gathering(ask, patience=5)
    waiting = [asyncio.create_task(gathering.answers([number % 3, number])) for number in range(20)]
    await asyncio.sleep(0)
    goes_on.set()
    answers = await asyncio.gather(*waiting)

    assert answers[7] == {1: 2, 7: 14}
    assert sorted(number for batch in asked for number in batch) == list(range(20))
    assert len(asked) <= 5


async def test_a_question_that_is_not_answered_in_time_is_given_up_for_everyone() -> None:
    async def ask(numbers: list[int]) -> dict[int, int]:
        await asyncio.sleep(60)
        return dict.fromkeys(numbers, 0)

    gathering = Gathering(ask, patience=0.05)
    began = time.monotonic()
    told = await asyncio.gather(*(gathering.answers([1]) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [Unavailable] * 3
    assert time.monotonic() - began < 1


async def test_a_question_that_fails_is_told_to_who_asked_and_the_next_is_asked_again() -> None:
    failures = [RuntimeError(), Unavailable()]

    async def ask(numbers: list[int]) -> dict[int, int]:
        if failures:
            raise failures.pop()
        return dict.fromkeys(numbers, 1)

    gathering = Gathering(ask, patience=5)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await gathering.answers([1])
    assert await gathering.answers([1]) == {1: 1}


def test_failures_are_counted_by_name_and_address_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Failures(of_pair=2, unknown=100)
    for _ in range(2):
        counting.note(KEY, Outcome.BAD_SIGNATURE, IP)
        counting.note(KEY, Outcome.CLOCK, ELSEWHERE)
    here, elsewhere = (counting.are_too_many(KEY, known(), ip) for ip in (IP, ELSEWHERE))
    assert (here, elsewhere) == (True, False)
    assert not counting.are_too_many(lookup(2), known(), IP)
    assert not counting.are_too_many(KEY, known(whitelist=Whitelist([str(IP)])), IP)

    later = time.monotonic() + 61
    monkeypatch.setattr("countersign.verification.failures.time.monotonic", lambda: later)
    assert not counting.are_too_many(KEY, known(), IP)


def test_unknown_keys_are_counted_by_address_and_an_ipv6_subscriber_is_one() -> None:
    counting = Failures(of_pair=100, unknown=2)
    for number in range(2):
        counting.note(lookup(number), Outcome.UNKNOWN_KEY, ip_address(f"2001:db8::{number}"))
    assert counting.is_stranger(ip_address("2001:db8::ffff"))
    assert not counting.is_stranger(ip_address("2001:db8:0:1::1"))


async def test_a_subscriber_that_does_not_keep_up_is_told_that_it_missed_something() -> None:
    subscribers = Subscribers()
    with subscribers.subscribed() as subscription:
        for number in range(10_001):
            subscribers.tell(Revoked(credential_id=UUID(int=number), version=1))
        assert await subscription.next(seconds=1) == [Lost()]
        subscribers.tell(Revoked(credential_id=CREDENTIAL, version=1))
        assert await subscription.next(seconds=1) == [Revoked(credential_id=CREDENTIAL, version=1)]
        assert await subscription.next(seconds=0.01) == []
    assert len(subscribers) == 0
