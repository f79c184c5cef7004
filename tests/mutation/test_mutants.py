"""The mutants themselves: every slip is made, each has a name of its own, and none touches what people read."""

import ast

import pytest

from tests.mutation.mutants import all_mutants
from tests.mutation.operators import enums_in, replacements
from tests.mutation.reporting import accepted_survivors

ENUMS = {"Step": ["ONE", "TWO", "THREE"]}


def slips(expression: str, *, is_test: bool = False) -> list[str]:
    """Return what may stand in place of an expression."""
    node = ast.parse(expression, mode="eval").body
    return [ast.unparse(other) for other in replacements(node, is_test=is_test, enums=ENUMS)]


@pytest.mark.parametrize(
    ("expression", "others"),
    [
        ("a < b", ["a <= b"]),
        ("a is not b", ["a is b"]),
        ("a or b", ["a and b", "a", "b"]),
        ("not a", ["a"]),
        ("a + b", ["a - b"]),
        ("5", ["6"]),
        ("True", ["False"]),
        ("'word'", ["'XXword'"]),
        ("'A sentence for people.'", []),
        ("'SELECT a < 1 AND b'", ["'SELECT a < 1 OR b'", "'SELECT a <= 1 AND b'"]),
        ("{a, b}", ["{b}", "{a}"]),
        ("{a: b}", ["{}"]),
        ("Step.TWO", ["Step.THREE"]),
        ("Step.THREE", ["Step.ONE"]),
        ("any(a)", ["any(None)"]),
        ("any", ["all"]),
        ("f(a, b=c, d=1)", ["f(None, b=c, d=1)", "f(a, b=None, d=1)"]),
        ("f(work, work.connection)", []),
        ("lambda: a", ["lambda: None"]),
    ],
)  # fmt: skip
def test_each_kind_of_slip_is_made(expression: str, others: list[str]) -> None:
    assert slips(expression) == others


def test_a_condition_is_also_taken_for_true_and_for_false() -> None:
    assert slips("a", is_test=True) == ["True", "False"]


def test_a_statement_is_left_out_and_an_answer_is_none() -> None:
    function = ast.parse("async def f():\n    await check()\n    return a").body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    others = [ast.unparse(other) for node in function.body for other in replacements(node, is_test=False, enums={})]
    assert others == ["pass", "return None"]


def test_enumerations_are_found_with_their_members() -> None:
    assert enums_in(ast.parse("class Step(StrEnum):\n    ONE = 'one'\n    TWO = 'two'\n")) == {"Step": ["ONE", "TWO"]}


def test_every_mutant_has_a_name_of_its_own_and_most_change_a_function() -> None:
    mutants = all_mutants()
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    assert sum(mutant.function is not None for mutant in mutants) > len(mutants) / 2


def test_a_mutant_differs_from_the_code_and_leaves_it_as_it_was() -> None:
    mutant = all_mutants()[-1]
    before = ast.unparse(mutant.tree)
    assert mutant.code().co_code or mutant.code().co_consts
    assert ast.unparse(mutant.tree) == before


def test_every_survivor_that_may_live_is_a_mutant_and_has_a_reason() -> None:
    accepted = accepted_survivors()
    assert accepted.keys() <= {mutant.name for mutant in all_mutants()}
    assert all(accepted.values())
