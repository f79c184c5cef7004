"""docs/settings.md, made from ``countersign/settings.py``: ``python -m tests.settings_table --write``."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import AliasChoices, BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import to_json, to_jsonable_python

from countersign.settings import Settings

FILE = Path(__file__).parents[1] / "docs" / "settings.md"
_HEAD = """\
# Settings

Made from `countersign/settings.py` by `python -m tests.settings_table --write`; a test compares.

Every setting is an environment variable, or a file in the folder that `COUNTERSIGN_SECRETS` names (`/run/secrets`,
where it exists), called like the variable in lower case: `database_url`, `countersign_twilio_auth_token`. White space
around its text is no part of the value; the environment wins over a file. Those of a group (`…__…`) may be given
together, as JSON: a file `countersign_rules` with `{"sms_per_day": 5000}`. `countersign doctor` looks at all settings,
and tells of files that every user can read. A value that cannot be read stops the start with a line that names it.

Durations are written as in ISO 8601: `PT5M`, `P1D`. Secrets (*secret*) are never logged or shown.

| variable | type | default | meaning |
|---|---|---|---|
"""
_TYPES = {
    "str": "text", "SecretStr": "text, *secret*", "bool": "`true` or `false`", "int": "whole number", "float": "number",
    "Path": "path", "timedelta": "duration", "list": "JSON list",
}  # fmt: skip


def document() -> str:
    """Return the whole page."""
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in _rows(Settings.model_fields, prefix="COUNTERSIGN_"))


def undescribed() -> list[str]:
    """Return the variables without a description that is a sentence."""
    described = _fields(Settings.model_fields, prefix="COUNTERSIGN_")
    return [name for name, field in described if not re.fullmatch(r"[A-Z].+\.", field.description or "", re.DOTALL)]


def _rows(found: dict[str, FieldInfo], *, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in _fields(found, prefix=prefix):
        yield name, _type(field), _default(field), _cell(field.description or "")


def _fields(found: dict[str, FieldInfo], *, prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in found.items():
        inner = _fields_of(field.annotation)
        if inner:
            yield from _fields(inner, prefix=f"{prefix}{name.upper()}__")
        else:
            yield _variables(name, field, prefix), field


def _fields_of(kind: Any) -> dict[str, FieldInfo]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields
    if isinstance(kind, type) and is_dataclass(kind):
        return _fields_of_dataclass(kind)
    return {}


def _fields_of_dataclass(kind: type[Any]) -> dict[str, FieldInfo]:
    """Return the fields of a plain dataclass; the text below each attribute describes it."""
    [defined] = ast.parse(inspect.getsource(kind)).body
    told = {
        ast.unparse(attribute.target): str(text.value.value)
        for attribute, text in pairwise(getattr(defined, "body", []))
        if isinstance(attribute, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }
    types = get_type_hints(kind)
    return {
        each.name: FieldInfo(annotation=types[each.name], default=each.default, description=told.get(each.name))
        for each in fields(kind)
    }


def _variables(name: str, field: FieldInfo, prefix: str) -> str:
    alias = field.validation_alias
    names = [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [prefix + name.upper()]
    return ", ".join(f"`{each}`" for each in names)


def _type(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if isinstance(kind, UnionType):
        [kind] = [each for each in get_args(kind) if each is not NoneType]
    if get_origin(kind) is Literal:
        return " or ".join(f"`{each}`" for each in get_args(kind))
    return _TYPES[(get_origin(kind) or kind).__name__]


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "none"
    if isinstance(value, timedelta | list | bool):
        return f"`{to_json(value).decode().strip(chr(34))}`"
    return f"`{to_jsonable_python(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    if "--write" in sys.argv:
        FILE.write_text(document(), encoding="utf-8")
    else:
        sys.stdout.write(document())
