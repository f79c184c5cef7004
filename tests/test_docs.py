"""What the documents name exists: files, tests, and each other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_NAMED = re.compile(r"`((?:api|activities|workflows|countersign|tests|docs|deploy)/[\w./*-]*)(?:::(\w+))?`")
_LINKED = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_test_that_a_document_names_exists(document: Path) -> None:
    named = _NAMED.findall(document.read_text(encoding="utf-8"))

    assert [f"{path}::{test}" for path, test in named if not _exists(path, test)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    linked = _LINKED.findall(document.read_text(encoding="utf-8"))

    assert [link for link in linked if not (document.parent / link).exists()] == []


def _exists(path: str, test: str) -> bool:
    if not list(ROOT.glob(path.rstrip("/"))):
        return False
    return not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")
