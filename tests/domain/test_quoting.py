"""Quoting: what people sent, in an error message."""

from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.quoting import enumerate_some, quote, tell_by_problem


def test_it_leaves_readable_text_alone() -> None:
    assert quote("Größe 1") == "Größe 1"


def test_it_shows_what_is_not_printable_as_its_escape_sequence() -> None:
    assert quote("a\x00b\x1b[31m\u202e\ud800\n") == "a\\x00b\\x1b[31m\\u202e\\ud800\\n"


def test_it_cuts_at_the_limit_and_marks_the_cut() -> None:
    assert quote("abcdef", limit=6) == "abcdef"
    assert quote("abcdefg", limit=6) == "abcdef…"
    assert quote("a" * 61) == f"{'a' * 60}…"


@given(st.text(alphabet=st.characters(), max_size=100))
def test_every_quote_can_be_encoded_and_printed(text: str) -> None:
    assert quote(text).isprintable()
    assert quote(text).encode("utf-8")[:0] == b""


def test_it_says_how_many_items_it_left_out() -> None:
    assert enumerate_some(["a", "b"], limit=2) == "a, b"
    assert enumerate_some(iter("abcde"), limit=2) == "a, b and 3 more"


def test_it_tells_each_problem_once_with_the_entries_that_have_it() -> None:
    told = tell_by_problem([("a", "Too long"), ("b", "Too short"), ("c", "Too long"), ("d", "Too long")], limit=2)
    assert told == "Too long: a, c and 1 more. Too short: b."
