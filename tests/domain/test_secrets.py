"""Keys, secrets, passwords and Session Names."""

import math
import re
import string
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.credentials import SessionType
from countersign.domain.secrets import (
    TokenKind,
    has_valid_checksum,
    looks_like,
    new_api_key,
    new_api_secret,
    new_fix_password,
    new_fix_username,
    new_session_name,
    normalize_session_name,
    session_name_part,
)

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

TOKENS = pytest.mark.parametrize(
    ("make", "kind", "prefix", "bits"),
    [
        (new_api_key, TokenKind.API_KEY, "csk_", 128),
        (new_api_secret, TokenKind.API_SECRET, "css_", 256),
        (new_fix_password, TokenKind.FIX_PASSWORD, "csp_", 160),
    ],
)
ALL = pytest.mark.parametrize(
    "make",
    [
        new_api_key,
        new_api_secret,
        new_fix_password,
        new_fix_username,
        lambda: new_session_name(SessionType.TRADE),
        lambda: new_session_name(SessionType.MARKET_DATA),
    ],
    ids=["key", "secret", "password", "username", "trade session", "market data session"],
)
session_names = st.builds(
    lambda part, body: f"CS-{part}-{body[:4]}-{body[4:8]}-{body[8:]}",
    st.sampled_from(["T", "MD"]),
    st.text(alphabet=CROCKFORD, min_size=12, max_size=12),
)


@TOKENS
def test_a_token_has_its_prefix_its_kind_and_a_checksum(
    make: Callable[[], str], kind: TokenKind, prefix: str, bits: int
) -> None:
    token = make()
    assert token.startswith(prefix)
    assert looks_like(token) is kind
    assert has_valid_checksum(token)
    assert (len(token) - len(prefix) - 6) * math.log2(62) >= bits


@TOKENS
def test_the_checksum_is_the_crc32_of_all_before_it_in_base62(
    make: Callable[[], str], kind: TokenKind, prefix: str, bits: int
) -> None:
    del kind, prefix, bits
    token = make()
    number = 0
    for digit in token[-6:]:
        number = number * 62 + BASE62.index(digit)
    assert number == zlib.crc32(token[:-6].encode())


@TOKENS
def test_no_typing_error_passes_the_checksum(make: Callable[[], str], kind: TokenKind, prefix: str, bits: int) -> None:
    del kind, prefix, bits
    token = make()
    for place, right in enumerate(token):
        wrong = "x" if right != "x" else "y"
        assert not has_valid_checksum(token[:place] + wrong + token[place + 1 :])


@TOKENS
def test_a_token_with_another_prefix_is_none_of_ours(
    make: Callable[[], str], kind: TokenKind, prefix: str, bits: int
) -> None:
    del kind, bits
    for other in {"csk_", "css_", "csp_", "ghp_", ""} - {prefix}:
        assert not has_valid_checksum(other + make().removeprefix(prefix))


@pytest.mark.parametrize("text", ["", "csk_", "css_" + "a" * 48, "csp_" + "é" * 34, "\x00" * 40])
def test_what_is_no_token_looks_like_none(text: str) -> None:
    assert looks_like(text) is None
    assert not has_valid_checksum(text)


def test_a_token_of_the_right_shape_and_an_invented_checksum_is_told_from_ours() -> None:
    invented = "csk_" + "A" * 28
    assert looks_like(invented) is TokenKind.API_KEY
    assert not has_valid_checksum(invented)


@pytest.mark.parametrize("around", [" {}", "{} ", "{}\n", "x{}", "{}x"])
def test_a_token_is_recognised_only_whole(around: str) -> None:
    assert looks_like(around.format(new_api_secret())) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_recognition(text: str) -> None:
    assert not has_valid_checksum(text)


@ALL
def test_a_value_stays_inside_fix_and_urls(make: Callable[[], str]) -> None:
    assert all(re.fullmatch("[A-Za-z0-9_-]+", make()) for _ in range(50))


@ALL
def test_no_value_comes_twice(make: Callable[[], str]) -> None:
    assert len({make() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("make", [new_api_key, new_api_secret, new_fix_password])
def test_every_character_of_the_alphabet_is_used(make: Callable[[], str]) -> None:
    assert set("".join(make()[4:-6] for _ in range(300))) == set(BASE62)


def test_a_username_is_short_lower_case_and_has_80_random_bits() -> None:
    assert re.fullmatch("csu_[0-9a-hjkmnp-tv-z]{16}", new_fix_username())
    assert set("".join(new_fix_username()[4:] for _ in range(300)).upper()) == set(CROCKFORD)


@pytest.mark.parametrize(("session_type", "part"), [(SessionType.TRADE, "T"), (SessionType.MARKET_DATA, "MD")])
def test_a_session_name_tells_its_type_and_can_be_read_out(session_type: SessionType, part: str) -> None:
    names = [new_session_name(session_type) for _ in range(300)]
    assert all(re.fullmatch(f"CS-{part}(-[0-9A-HJKMNP-TV-Z]{{4}}){{3}}", name) for name in names)
    assert max(map(len, names)) <= 32
    assert set("".join(name.removeprefix(f"CS-{part}") for name in names)) == {*CROCKFORD, "-"}


@pytest.mark.parametrize(
    "typed",
    [
        "CS-T-7K4M-9QX0-1B8D",
        "cs-t-7k4m-9qx0-1b8d",
        " cs t 7k4m 9qx0 1b8d \n",
        "CST7K4M9QX01B8D",
        "CS\u2013T\u20137K4M\u20139QX0\u20131B8D",
        "CS\u2011T\u20117K4M\u20119QX0\u20111B8D",
        "cs_t_7k4m_9qxo_ib8d",
        "CS-T-7K4M-9QXO-LB8D",
        "cs-t-7k4m-9qxo-lb8d",
        "\uff23\uff33-\uff34-\uff17K4M-9QX0-1B8D",
        "CS.T.7K4M.9QX0.1B8D.",
    ],
)
def test_a_session_name_is_found_however_it_was_typed(typed: str) -> None:
    assert normalize_session_name(typed) == "CS-T-7K4M-9QX0-1B8D"


def test_the_type_part_is_part_of_the_name() -> None:
    assert normalize_session_name("cs md 7k4m 9qx0 1b8d") == "CS-MD-7K4M-9QX0-1B8D"


@pytest.mark.parametrize(
    ("typed", "part"),
    [("9qxo-l", "9QX01"), ("cs-t-7K", "CST7K"), ("\uff19\uff31", "9Q"), (" -- ", ""), ("x" * 99, "X" * 32)],
)
def test_a_part_of_a_session_name_is_read_as_it_stands_in_one(typed: str, part: str) -> None:
    assert session_name_part(typed) == part


@given(session_names, st.data())
def test_every_session_name_comes_back_from_careless_typing(name: str, data: st.DataObject) -> None:
    head, body = name[: name.index("-", 3)], name[name.index("-", 3) :]
    careless = head + "".join(
        data.draw(st.sampled_from({"0": "0Oo", "1": "1IiLl", "-": ["-", " ", "", "\u2013"]}.get(c, [c, c.lower()])))
        for c in body
    )
    assert normalize_session_name(careless) == name


@given(session_names)
def test_a_session_name_is_its_own_normal_form(name: str) -> None:
    assert normalize_session_name(name) == name


@given(st.text(max_size=200))
def test_any_text_becomes_something_harmless_to_look_up(text: str) -> None:
    normal = normalize_session_name(text)
    assert re.fullmatch("[A-Z0-9-]{0,32}", normal)
    assert normalize_session_name(normal) == normal


def test_a_word_that_is_no_session_name_is_not_made_one() -> None:
    assert normalize_session_name("Olivia's bot; DROP TABLE") == "OLIVIASBOTDROPTABLE"
    assert normalize_session_name("CS-X-7K4M-9QX0-1B8D") == "CS-X-7K4M-9QX0-1B8D"


@pytest.mark.parametrize("text", ["XCS-T-7K4M-9QXR-2B8D", "CS-T-7K4M-9QXR-2B8D-X"])
def test_more_than_a_session_name_is_none(text: str) -> None:
    assert normalize_session_name(text) == text


def test_a_token_is_as_long_as_a_scanner_expects() -> None:
    assert (len(new_api_key()), len(new_api_secret()), len(new_fix_password())) == (32, 53, 38)


@pytest.mark.parametrize(("spaces", "is_found"), [(109, True), (110, False)])
def test_of_a_long_text_the_first_128_characters_are_read(spaces: int, is_found: object) -> None:
    name = "CS-T-7K4M-9QXR-2B8D"
    assert (normalize_session_name(" " * spaces + name) == name) is is_found
