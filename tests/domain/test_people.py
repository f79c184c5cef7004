"""Masks: enough to recognise one's own phone or address, too little to learn another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.people import mask_email, mask_phone


def test_a_phone_number_shows_its_last_two_digits() -> None:
    assert mask_phone("+447700900123") == "•••23"
    assert mask_phone("123456") == "•••56"


@pytest.mark.parametrize("phone", ["", "1", "12", "12345"])
def test_a_number_too_short_to_hide_is_hidden_whole(phone: str) -> None:
    assert mask_phone(phone) == "•••"


@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("olivia@example.com", "o•••@example.com"),
        ("ol@example.com", "o•••@example.com"),
        ("o@example.com", "•••@example.com"),
        ('"a@b"@example.com', '"•••@example.com'),
        ("no-address", "•••"),
        ("@example.com", "•••"),
        ("", "•••"),
    ],
)
def test_an_address_shows_its_first_letter_and_its_domain(email: str, masked: str) -> None:
    assert mask_email(email) == masked


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_the_length_of_a_number_is_not_given_away(phone: str) -> None:
    assert len(mask_phone(phone)) == 5


@given(st.text(min_size=2, max_size=64), st.sampled_from(["example.com", "example.org"]))
def test_no_more_than_one_character_of_the_local_part_is_shown(local: str, domain: str) -> None:
    assert mask_email(f"{local}@{domain}") == f"{local[0]}•••@{domain}"
