"""What a mutant changes: one node of the syntax tree for another, each a slip that a person could make."""

import ast
import re
from collections.abc import Callable, Iterator
from copy import copy
from itertools import pairwise
from typing import Any

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_SWAPPED = [
    *(("max", "min"), ("any", "all"), ("lower", "upper"), ("partition", "rpartition"), ("startswith", "endswith")),
    *(("lstrip", "rstrip"), ("removeprefix", "removesuffix"), ("search", "fullmatch"), ("isdisjoint", "issuperset")),
]
_OTHER_NAMES = dict(_SWAPPED) | {second: first for first, second in _SWAPPED}
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_SQL_SLIPS = [(" AND ", " OR "), (" < ", " <= "), (" DESC", " ASC"), (" + 1", " + 2"), (" <> ALL", " = ANY")]
_SENTENCE = re.compile(r"\w\W? \w")
# Without these nothing works at all; that any test notices would only make the figures look better.
_PLUMBING = re.compile(r"(.*\.)?(work|connection)")
_NOT_MUTATED_CALLS = {"cast", "TypeVar", "len", "isinstance", "super"}

Enums = dict[str, list[str]]


def enums_in(tree: ast.Module) -> Enums:
    """Return the members of each StrEnum that the module defines."""
    return {
        node.name: [name for stmt in node.body if isinstance(stmt, ast.Assign) for name in map(_name, stmt.targets)]
        for node in tree.body
        if isinstance(node, ast.ClassDef) and "StrEnum" in map(_name, node.bases)
    }


def replacements(node: ast.AST, *, is_test: bool, enums: Enums) -> Iterator[ast.AST]:
    """Yield what may stand in place of ``node``; ``is_test`` if it decides between two ways."""
    if is_test:
        yield from (ast.Constant(value) for value in (True, False))
    if isinstance(node, ast.Attribute):
        yield from _attributes(node, enums)
    elif type(node) in _KINDS:
        yield from _KINDS[type(node)](node)


def _attributes(node: ast.Attribute, enums: Enums) -> Iterator[ast.AST]:
    members = enums.get(node.value.id, []) if isinstance(node.value, ast.Name) else []
    if node.attr in members:
        yield _with(node, attr=_next(members, node.attr))
    elif node.attr in _OTHER_NAMES:
        yield _with(node, attr=_OTHER_NAMES[node.attr])


def _names(node: ast.Name) -> Iterator[ast.AST]:
    if node.id in _OTHER_NAMES:
        yield _with(node, id=_OTHER_NAMES[node.id])


def _booleans(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _with(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
    yield from node.values


def _signs(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield node.operand


def _sums(node: ast.BinOp) -> Iterator[ast.AST]:
    if type(node.op) in _ARITHMETIC:
        yield _with(node, op=_ARITHMETIC[type(node.op)]())


def _formatted(node: ast.JoinedStr) -> Iterator[ast.AST]:
    if not any(is_sentence(part) for part in node.values):
        yield _with(node, values=[ast.Constant("XX"), *node.values])


def _rows(node: ast.Set | ast.Tuple | ast.List) -> Iterator[ast.AST]:
    if isinstance(node, ast.Set) or isinstance(node.ctx, ast.Load):
        yield from (_with(node, elts=without) for without in _each_left_out(node.elts))


def _tables(node: ast.Dict) -> Iterator[ast.AST]:
    keys_and_values = zip(_each_left_out(node.keys), _each_left_out(node.values), strict=True)
    yield from (_with(node, keys=keys, values=values) for keys, values in keys_and_values)


def _lambdas(node: ast.Lambda) -> Iterator[ast.AST]:
    yield _with(node, body=ast.Constant(None))


def _steps(node: ast.stmt) -> Iterator[ast.AST]:
    if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call | ast.Await):
        yield ast.Pass()


def _returns(node: ast.Return) -> Iterator[ast.AST]:
    if node.value is not None and not _is_none(node.value):
        yield _with(node, value=ast.Constant(None))


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    for index, op in enumerate(node.ops):
        ops = [*node.ops[:index], _COMPARISONS[type(op)](), *node.ops[index + 1 :]]
        yield _with(node, ops=ops)


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, bytes):
        yield ast.Constant(b"XX" + value)
    elif isinstance(value, str) and _SQL.match(value):
        for old, new in _SQL_SLIPS:
            for start in (found.start() for found in re.finditer(re.escape(old), value)):
                yield ast.Constant(value[:start] + new + value[start + len(old) :])
    elif isinstance(value, str) and not _SENTENCE.search(value):
        yield ast.Constant("XX" + value)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    if isinstance(node.func, ast.Name) and node.func.id in _NOT_MUTATED_CALLS:
        return
    for index, argument in enumerate(node.args):
        if _can_be_left_out(argument):
            yield _with(node, args=[*node.args[:index], ast.Constant(None), *node.args[index + 1 :]])
    for index, keyword in enumerate(node.keywords):
        if keyword.arg is not None and _can_be_left_out(keyword.value):
            nothing = _with(keyword, value=ast.Constant(None))
            yield _with(node, keywords=[*node.keywords[:index], nothing, *node.keywords[index + 1 :]])


def _can_be_left_out(argument: ast.expr) -> bool:
    by_itself = isinstance(argument, ast.Constant | ast.Starred | ast.JoinedStr | ast.GeneratorExp)
    return not by_itself and not _PLUMBING.fullmatch(ast.unparse(argument))


def _each_left_out(items: list[ast.expr] | list[ast.expr | None]) -> Iterator[list[ast.expr | None]]:
    for index in range(len(items)):
        yield [*items[:index], *items[index + 1 :]]


def _next(members: list[str], name: str) -> str:
    return dict(pairwise([*members, members[0]]))[name]


def is_sentence(node: ast.AST) -> bool:
    """Tell whether the node is text for people: two words apart by a space."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_SENTENCE.search(node.value))


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _with(node: ast.AST, **changes: object) -> ast.AST:
    changed = copy(node)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


_KINDS: dict[type[ast.AST], Callable[[Any], Iterator[ast.AST]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _booleans,
    ast.UnaryOp: _signs,
    ast.BinOp: _sums,
    ast.Constant: _constants,
    ast.JoinedStr: _formatted,
    ast.Name: _names,
    **dict.fromkeys([ast.Set, ast.Tuple, ast.List], _rows),
    ast.Dict: _tables,
    ast.Call: _calls,
    ast.Lambda: _lambdas,
    **dict.fromkeys([ast.Expr, ast.AugAssign, ast.Raise], _steps),
    ast.Return: _returns,
}
