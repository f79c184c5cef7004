"""The image: what goes into it, and what does not."""

import re
import tomllib

from tests.support.compose import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pinned(lock: str) -> dict[str, str]:
    """Return the version of each package in a lock."""
    return dict(
        re.findall(r"^([\w.-]+)(?:\[[^\]]+\])?==(\S+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    )


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[>=<]", each)[0] for each in requirements}


def test_it_runs_and_is_built_with_the_versions_that_are_tested() -> None:
    tested = pinned("requirements.lock")

    for lock in ("requirements-run.lock", "requirements-build.lock"):
        assert pinned(lock).items() <= tested.items()
        assert f"--require-hashes -r {lock}" in DOCKERFILE


def test_it_holds_what_the_processes_need_and_neither_tools_nor_the_embedded_servers() -> None:
    held, extras = pinned("requirements-run.lock").keys(), PROJECT["project"]["optional-dependencies"]

    assert named(PROJECT["project"]["dependencies"]) <= held
    assert not held & {*named(extras["local"]), *named(extras["dev"])}
    assert PROJECT["build-system"]["requires"] == PROJECT["dependency-groups"]["build"]


def test_nothing_else_is_sent_to_the_engine_than_what_is_copied() -> None:
    copied = {
        each for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for each in line.split()
    }
    let_in = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE))

    assert copied == let_in
    assert {*PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]} <= copied


def test_both_stages_begin_with_the_same_pinned_image_and_it_ends_as_no_root() -> None:
    images = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))

    assert len(images) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", *images)
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
