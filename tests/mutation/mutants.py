"""The mutants of a module, each with a name that outlives a change of line numbers."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

from tests.mutation.operators import Enums, enums_in, is_sentence, replacements
from tests.mutation.subjects import SUBJECTS, Subject

_TESTS = {(ast.If, "test"), (ast.IfExp, "test"), (ast.While, "test"), (ast.comprehension, "ifs")}
# Types and decorators say nothing at run time, or break the import; docstrings are for people.
_NOT_ENTERED = {"annotation", "returns", "decorator_list", "bases", "type_params"}
_TYPES = {"Literal", "Callable"}
_SHOWN = 60
_AROUND = 20


@dataclass(frozen=True)
class Mutant:
    """One change of one node; ``function`` is the one whose code changes, None where it takes a new import."""

    subject: Subject
    function: str | None
    name: str
    node: ast.AST
    field: str
    value: Any
    tree: ast.Module

    def code(self) -> CodeType:
        """Return the module's code with the change in it; the tree is left as it was."""
        usual = getattr(self.node, self.field)
        setattr(self.node, self.field, self.value)
        try:
            return compile(ast.fix_missing_locations(self.tree), str(self.subject.file), "exec", dont_inherit=True)
        finally:
            setattr(self.node, self.field, usual)


@dataclass(frozen=True)
class _Place:
    subject: Subject
    tree: ast.Module
    enums: Enums
    called_on_import: frozenset[str] = frozenset()
    scope: str = ""
    in_function: bool = False
    is_hot: bool = False

    def inside(self, child: ast.AST, field: str) -> "_Place":
        """Return the place within ``child``: a function's body runs when it is called, its defaults on import."""
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or self.in_function:
            return self
        scope = f"{self.scope}.{child.name}".removeprefix(".") if field == "body" else self.scope
        in_function = field == "body" and not isinstance(child, ast.ClassDef)
        return replace(self, scope=scope, in_function=in_function, is_hot=in_function and self._is_hot(child))

    def _is_hot(self, function: ast.AST) -> bool:
        # With super() its code shares a cell with the class: a mutant without that cell cannot take its place.
        called = {_called(node) for node in ast.walk(function)}
        return "super" not in called and getattr(function, "name", "") not in self.called_on_import


def all_mutants() -> list[Mutant]:
    """Return every mutant of every subject, in the order of the files."""
    trees = {subject: ast.parse(subject.file.read_text(encoding="utf-8")) for subject in SUBJECTS}
    enums = {name: members for tree in trees.values() for name, members in enums_in(tree).items()}
    return [
        each
        for subject, tree in trees.items()
        for each in _mutants(_Place(subject, tree, enums, _called_on_import(tree)))
    ]


def _mutants(place: _Place) -> Iterator[Mutant]:
    seen: Counter[str] = Counter()
    for here, node, field, value, what in _changes(place.tree, place):
        name = f"{'.'.join(filter(None, [here.subject.module, here.scope]))}: {what}"
        seen[name] += 1
        unique = name if seen[name] == 1 else f"{name} #{seen[name]}"
        yield Mutant(here.subject, here.scope if here.is_hot else None, unique, node, field, value, here.tree)


def _changes(node: ast.AST, place: _Place) -> Iterator[tuple[_Place, ast.AST, str, Any, str]]:
    for field, children in ast.iter_fields(node):
        if field in _NOT_ENTERED or (isinstance(node, ast.ClassDef) and field == "keywords"):
            continue
        here = place.inside(node, field)
        for index, child in enumerate(children if isinstance(children, list) else [children]):
            if not isinstance(child, ast.AST) or _says_nothing(node, child):
                continue
            for other in replacements(child, is_test=(type(node), field) in _TESTS, enums=place.enums):
                if _is_sole_raise(node, child):
                    continue
                value = [*children[:index], other, *children[index + 1 :]] if isinstance(children, list) else other
                yield here, node, field, value, _what(child, other)
            yield from _changes(child, here)


def _called_on_import(tree: ast.Module) -> frozenset[str]:
    statements = [
        node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return frozenset(_called(node) for statement in statements for node in ast.walk(statement))


def _called(node: ast.AST) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _says_nothing(node: ast.AST, child: ast.AST) -> bool:
    """Tell whether ``child`` is a docstring, an import, or in a type."""
    is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
    in_type = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in _TYPES
    in_sentence = (
        isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant) and any(map(is_sentence, node.values))
    )
    names_type = _called(node) in {"TypeVar", "cast"} and isinstance(child, ast.Constant)
    return is_text or in_type or in_sentence or names_type or isinstance(child, ast.Import | ast.ImportFrom)


def _is_sole_raise(node: ast.AST, child: ast.AST) -> bool:
    # Leaving it out is the same as the condition that is False.
    return isinstance(child, ast.Raise) and isinstance(node, ast.If) and node.body == [child]


def _what(old: ast.AST, new: ast.AST) -> str:
    before, after = _text(old), _text(new)
    if max(len(before), len(after)) <= _SHOWN:
        return f"{before} → {after}"
    start = max(0, _in_common(before, after) - _AROUND)
    end = max(0, _in_common(before[:start:-1], after[:start:-1]) - _AROUND)
    return f"{_cut(before, start, end)} → {_cut(after, start, end)}"


def _in_common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _text(node: ast.AST) -> str:
    return "nothing" if isinstance(node, ast.Pass) else " ".join(ast.unparse(node).split())


def _cut(text: str, start: int, end: int) -> str:
    middle = text[start : len(text) - end]
    return f"{'…' if start else ''}{middle if len(middle) <= 2 * _SHOWN else middle[: 2 * _SHOWN]}{'…' if end else ''}"
