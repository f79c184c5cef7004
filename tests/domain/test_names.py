"""Names: what may be one, and when two are the same."""

import time
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.errors import InvalidName
from countersign.domain.names import fold_name, parse_name

LIMIT = 64


def parse(text: str) -> str:
    return parse_name(text, limit=LIMIT)


def test_it_trims_spaces_around_the_name() -> None:
    assert parse(" \u00a0 My bot\n") == "My bot"


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0\u2003", "\ufe0f"])
def test_it_refuses_an_empty_name(text: str) -> None:
    with pytest.raises(InvalidName, match="required"):
        parse(text)


def test_it_stores_the_composed_form() -> None:
    assert parse("Zu\u0308rich") == "Z\u00fcrich"


def test_it_takes_64_characters_and_not_one_more() -> None:
    assert parse("x" * LIMIT) == "x" * LIMIT
    with pytest.raises(InvalidName, match="at most 64 characters; this one has 65") as caught:
        parse("x" * (LIMIT + 1))
    assert caught.value.extra == {"limit": LIMIT}


def test_the_length_is_that_of_the_composed_form() -> None:
    assert len(parse("u\u0308" * LIMIT)) == LIMIT


def test_the_character_with_the_longest_decomposition_still_fits_64_times() -> None:
    longest = unicodedata.normalize("NFD", "\u1f82")
    assert len(longest) == 4
    assert parse(longest * LIMIT) == "\u1f82" * LIMIT


def test_ten_megabytes_of_combining_marks_are_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(InvalidName, match="at most"):
        parse("x" + "\u0301\u0316" * 5_000_000)
    assert time.process_time() - began < 1


CONTROL = "\x00\x1b\n\t\x7f\x85\u2028\u2029"
INVISIBLE = "\u00ad\u200b\u200d\ufeff\U000e0041\u034f\u115f\u3164\uffa0\u2800\U000e0100"
REORDERING = "\u202e\u2066"
UNKNOWN = "\ud800\ue000\uffff"


@pytest.mark.parametrize("character", CONTROL + INVISIBLE + REORDERING + UNKNOWN)
def test_it_refuses_control_and_invisible_characters(character: str) -> None:
    with pytest.raises(InvalidName, match="invisible") as caught:
        parse(f"a{character}b")
    assert character not in caught.value.detail


def test_it_refuses_a_name_that_begins_with_a_combining_mark() -> None:
    with pytest.raises(InvalidName, match="accent"):
        parse("\u0301a")


@pytest.mark.parametrize(
    "name", ["Gunbot_Trading", "бот №1", "取引ボット", "متداول", "❤️ bot", "<b>&amp;", "O'Neill; --", "%00"]
)
def test_it_takes_names_of_every_script_as_they_are(name: str) -> None:
    assert parse(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("My Bot", "my bot"),
        ("STRASSE", "straße"),
        ("\uff22\uff4f\uff54", "bot"),
        ("ﬁx", "FIX"),
        ("my bot", "my\u00a0 bot"),
        ("❤️", "❤"),
        ("Ångström", "A\u030angstro\u0308m"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("①", "1"),
    ],
)
def test_names_that_look_the_same_fold_to_the_same(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(("one", "other"), [("bot 1", "bot 2"), ("bot1", "bot 1"), ("a-b", "a_b"), ("e", "é")])
def test_names_that_differ_stay_different(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)


@given(st.text(max_size=2 * LIMIT))
def test_any_text_is_refused_or_becomes_a_stable_name_with_a_fold(text: str) -> None:
    with suppress(InvalidName):
        name = parse(text)
        assert parse(name) == name
        assert 1 <= len(name) <= LIMIT
        assert all(character.isprintable() or unicodedata.category(character) == "Zs" for character in name)
        assert fold_name(name)


@given(st.text(max_size=100))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold_name(fold_name(text)) == fold_name(text)


@given(st.text(max_size=60))
def test_the_normal_form_never_makes_two_names_of_one(text: str) -> None:
    forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert {fold_name(form) for form in forms} == {fold_name(text)}


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Nd", "Zs"]), max_size=60))
def test_upper_and_lower_case_never_make_two_names_of_one(text: str) -> None:
    assert fold_name(text) == fold_name(text.casefold())


@pytest.mark.parametrize("length", [65, 1000])
def test_who_gave_too_long_a_name_is_told_the_limit(length: int) -> None:
    with pytest.raises(InvalidName) as refusal:
        parse_name("x" * length, limit=64)
    assert refusal.value.extra == {"limit": 64}
