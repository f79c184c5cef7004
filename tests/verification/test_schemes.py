"""The scheme of CEX.IO's API, as its clients carry it out."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.verification.schemes import (
    is_in_time,
    is_same,
    rest_mac,
    rest_signature,
    websocket_signature,
)
from tests.verification.strategies import NOW, SECRET, texts


def test_a_rest_signature_is_that_of_a_known_answer() -> None:
    # Made with `printf %s 'get_my_fee1700000000{}' | openssl dgst -sha256 -hmac secret -binary | base64`.
    mac = rest_mac(b"secret", action="get_my_fee", timestamp="1700000000", body=b"{}")
    assert rest_signature(mac) == "WVG0OB8eIZI7nC+TyjsCFxzuXrh0wnwP2wP8i7GkV6A="


def test_a_websocket_signature_is_that_of_a_known_answer() -> None:
    # Made with `printf %s '1700000000key' | openssl dgst -sha256 -hmac secret`.
    assert (
        websocket_signature(b"secret", timestamp="1700000000", key="key")
        == "79880587bdf890c2fe12b303777bd52ae2296d967f9c387bfc59d2c755de17d4"
    )


@given(action=texts, timestamp=texts, body=st.binary(max_size=200))
def test_a_rest_signature_covers_action_timestamp_and_body_one_after_another(
    action: str, timestamp: str, body: bytes
) -> None:
    signed = hmac.new(SECRET.encode(), f"{action}{timestamp}".encode() + body, hashlib.sha256).digest()
    mac = rest_mac(SECRET.encode(), action=action, timestamp=timestamp, body=body)
    assert rest_signature(mac) == base64.b64encode(signed).decode()


@given(texts, texts)
def test_only_equal_texts_are_the_same(one: str, other: str) -> None:
    assert is_same(one, one)
    assert is_same(one, other) is (one == other)


@pytest.mark.parametrize("seconds", [-20, -19.5, 0, 0.25, 20])
def test_a_timestamp_is_in_time_within_twenty_seconds_either_way(seconds: float) -> None:
    assert is_in_time(f"{NOW + seconds:.2f}", at=NOW)


@pytest.mark.parametrize(
    "timestamp",
    [
        f"{NOW + 20.01:.2f}",
        f"{NOW - 20.01:.2f}",
        str(int(NOW * 1000)),
        "",
        "now",
        "nan",
        "inf",
        f"{NOW:.0f} ",
        f"+{NOW:.0f}",
        f"{NOW:.0f}.",
        f"{NOW:e}",
        "1_800_000_000",
        "\N{FULLWIDTH DIGIT ONE}800000000",
        "9" * 400,
    ],
)
def test_whatever_else_is_not(timestamp: str) -> None:
    assert not is_in_time(timestamp, at=NOW)


@given(texts)
def test_no_text_makes_it_fail(timestamp: str) -> None:
    assert is_in_time(timestamp, at=NOW) in {True, False}
