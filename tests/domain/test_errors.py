"""Errors: one class, one slug, one sentence."""

import pickle
import re

import pytest

from countersign.domain import errors
from countersign.domain.errors import BY_SLUG, DomainError, InvalidName, NotFound, WrongCode

EVERY = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, DomainError)]
IN_TURN = pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)


def test_every_error_has_a_slug_of_its_own() -> None:
    assert len(BY_SLUG) == len(EVERY)
    assert {error: BY_SLUG[error.slug] for error in EVERY} == {error: error for error in EVERY}


@IN_TURN
def test_slugs_can_stand_in_an_address(error: type[DomainError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.slug)


@IN_TURN
def test_titles_are_one_whole_sentence(error: type[DomainError]) -> None:
    assert error.__doc__ == error.title()
    assert error.title()[0].isupper()
    assert error.title().endswith(".")


@IN_TURN
def test_each_error_is_the_callers_or_says_to_try_again(error: type[DomainError]) -> None:
    assert 400 <= error.status < 500 or error.status == 503


def test_the_title_is_the_detail_where_none_is_given() -> None:
    assert WrongCode().detail == "The code is wrong."
    assert str(WrongCode()) == "The code is wrong."


def test_detail_and_members_are_kept() -> None:
    error = InvalidName("Too long.", limit=64)
    assert (error.detail, str(error), error.extra) == ("Too long.", "Too long.", {"limit": 64})
    assert error.title() == "The name is not usable."


def test_an_error_survives_the_way_between_processes() -> None:
    copy = pickle.loads(pickle.dumps(InvalidName("Too long.", limit=64)))  # noqa: S301 - our own bytes
    assert (type(copy), copy.detail, copy.extra) == (InvalidName, "Too long.", {"limit": 64})


def test_without_docstrings_the_slug_is_the_title(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotFound, "__doc__", None)
    assert NotFound.title() == "not-found"
