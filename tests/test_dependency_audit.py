"""Known advisories against a pinned dependency fail `make check`; a service that is not there is told, and does not."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.advisories import Advisories, serving_advisories
from tests.support.audit_dependencies import ACCEPTED, main, read_accepted, unaccepted

HASH = f"--hash=sha256:{'0' * 64}"
LOCK = f"# made by hand\nfirst==1.2 \\\n    {HASH} \\\n    {HASH}\n    # via nobody\nsecond==3.4 \\\n    {HASH}\n"
HOLE: dict[str, Any] = {
    "id": "PYSEC-2026-1", "aliases": ["CVE-2026-1234"], "fixed_in": ["3.5"], "details": "A hole.", "summary": None,
}  # fmt: skip


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Advisories]:
    with serving_advisories(tmp_path) as serving:
        for name, value in serving.environment.items():
            monkeypatch.setenv(name, value)
            monkeypatch.setenv(name.lower(), value)
        yield serving


def audit(tmp_path: Path) -> tuple[int, list[str]]:
    """Return the exit code and what was said."""
    lock, said = tmp_path / "requirements.lock", list[str]()
    lock.write_text(LOCK)
    return main(lock, say=said.append), said


def test_a_known_advisory_fails_and_says_where_it_is_mended(service: Advisories, tmp_path: Path) -> None:
    service.known = {"second": [HOLE]}

    told = "Known against a dependency: second 3.4: PYSEC-2026-1, CVE-2026-1234, mended in 3.5"
    assert audit(tmp_path) == (1, [told])
    assert service.asked == ["first", "first", "second"]


def test_where_the_service_is_not_there_one_line_says_so_after_one_question(
    service: Advisories, tmp_path: Path
) -> None:
    service.known = None

    told = "The dependencies were NOT audited: the advisory service cannot be reached from here."
    assert audit(tmp_path) == (0, [told])
    assert service.asked == ["first"]


@pytest.mark.prove
def test_nothing_is_said_when_nothing_is_known(service: Advisories, tmp_path: Path) -> None:
    assert audit(tmp_path) == (0, [])


@pytest.mark.prove
def test_where_nothing_listens_it_is_not_audited_either(
    tmp_path: Path, service: Advisories, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    code, [told] = audit(tmp_path)

    assert code == 0
    assert "NOT audited" in told


def test_an_advisory_that_is_accepted_by_any_of_its_ids_passes_until_its_day_is_over(tmp_path: Path) -> None:
    file = tmp_path / "accepted.toml"
    file.write_text('[[accepted]]\nid = "CVE-2026-1234"\nreason = "not reached"\nuntil = 2026-06-01\n')
    against = {"id": HOLE["id"], "aliases": HOLE["aliases"], "fix_versions": ["3.5"]}
    found = [{"name": "second", "version": "3.4", "vulns": [against]}]

    assert not list(unaccepted(found, read_accepted(file), today=date(2026, 6, 1)))
    [passed] = unaccepted(found, read_accepted(file), today=date(2026, 6, 2))
    assert passed.package == "second 3.4"


def test_every_advisory_that_is_accepted_has_a_reason() -> None:
    assert all(each.reason for each in read_accepted(ACCEPTED))
