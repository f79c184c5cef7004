"""The texts people read: files under ``countersign/templates``, one folder per event."""

import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from countersign.adapters.senders import Mail
from countersign.domain.permissions import Permission

_FOLDER = Path(__file__).resolve().parent.parent / "templates"
_LABELS = {permission.value: permission.value.replace("_", " ").title() for permission in Permission}
_BUTTONS = {"link": "Open the activation page", "stop_link": "This wasn't me"}
_TYPOGRAPHY = str.maketrans(
    {
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
    }
)


def render_sms(event: str, context: Mapping[str, Any]) -> str:
    """Return the text message of ``event``.

    Typographic marks become their plain forms, since one character outside GSM-7 (3GPP TS 23.038) shrinks a
    segment from 160 to 70. Raises ``jinja2.UndefinedError`` when ``context`` lacks a value.
    """
    return " ".join(_render(f"{event}/sms.txt", context).translate(_TYPOGRAPHY).split())


def render_mail(event: str, context: Mapping[str, Any]) -> Mail:
    """Return the mail of ``event``: a subject of one line, the text, and the same paragraphs as HTML.

    Raises ``jinja2.UndefinedError`` when ``context`` lacks a value.
    """
    subject = " ".join(_render(f"{event}/subject.txt", context).split())
    text = _render(f"{event}/body.txt", context).strip() + "\n"
    html = _render("layout.html", {"subject": subject, "paragraphs": _paragraphs(text, context)})
    return Mail(subject=subject, text=text, html=html)


def _render(template: str, context: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render({name: _tidy(value) for name, value in context.items()})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["permissions"] = _permissions
    return environment


def _tidy(value: object) -> object:
    # Names and reasons are chosen by people: a line break could forge a paragraph or a mail header, and a
    # bidirectional mark could turn a line around.
    if isinstance(value, str):
        visible = "".join(" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in value)
        return " ".join(visible.split())
    if isinstance(value, list | tuple):
        return [_tidy(item) for item in value]
    return value


def _permissions(levels: list[str]) -> str:
    return ", ".join(_LABELS.get(level, level) for level in levels)


def _paragraphs(text: str, context: Mapping[str, Any]) -> list[dict[str, Any]]:
    labels = {context.get(name): label for name, label in _BUTTONS.items()}
    kinds = {**dict.fromkeys(labels, "button"), context.get("code"): "code"}
    linked = context.get("settings_url")
    return [
        {
            "kind": kinds.get(block, "text"),
            "label": labels.get(block),
            "lines": [(line, line == linked) for line in block.splitlines()],
        }
        for block in text.strip().split("\n\n")
    ]
