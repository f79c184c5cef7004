"""Recovery codes: random enough, and found however they are typed."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.secrets import new_recovery_code, normalize_recovery_code

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
codes = st.builds(
    lambda body: f"{body[:4]}-{body[4:8]}-{body[8:12]}-{body[12:]}",
    st.text(alphabet=CROCKFORD, min_size=16, max_size=16),
)


def test_a_recovery_code_has_sixteen_characters_of_five_random_bits_in_groups_of_four() -> None:
    made = [new_recovery_code() for _ in range(300)]
    assert all(re.fullmatch("[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}", code) for code in made)
    assert set("".join(made)) == {*CROCKFORD, "-"}
    assert len(set(made)) == 300
    # 150 times each, give or take 12.
    assert max(Counter("".join(made).replace("-", "")).values()) < 250


@pytest.mark.parametrize(
    "typed",
    [
        "7K4M-9QX0-1B8D-HJ3N",
        "7k4m9qx01b8dhj3n",
        " 7K4M 9QXO IB8D HJ3N\n",
        "7K4M\u20139QXo\u2013lB8D\u2013HJ3N",
        "\uff17K4M-9QX0-1B8D-HJ3N",
    ],
)
def test_a_recovery_code_is_found_however_it_was_typed(typed: str) -> None:
    assert normalize_recovery_code(typed) == "7K4M-9QX0-1B8D-HJ3N"


@pytest.mark.parametrize("text", ["", "123456", "7K4M-9QX0-1B8D-HJ3", "7K4M-9QX0-1B8D-HJ3NN", "UUUU-UUUU-UUUU-UUUU"])
def test_what_can_be_none_is_none(text: str) -> None:
    assert normalize_recovery_code(text) is None


@given(codes)
def test_every_code_is_its_own_normal_form(code: str) -> None:
    assert normalize_recovery_code(code) == code


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    code = normalize_recovery_code(text)
    assert code is None or normalize_recovery_code(code) == code
