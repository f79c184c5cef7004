from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes.rendering import FOUNDATIONS, MANIFESTS, PARTS, CannotRender, render, rendered
from tests.kubernetes.validating import faults

FOLDERS = sorted(each.parent for each in MANIFESTS.glob("**/kustomization.yaml"))


@pytest.mark.parametrize("name", [*FOUNDATIONS, *PARTS])
def test_all_of_a_folder_that_is_applied_is_in_one_namespace(name: str) -> None:
    assert {each["metadata"].get("namespace", each["metadata"]["name"]) for each in rendered(name)} == {"countersign"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(MANIFESTS)))
def test_every_file_of_a_folder_is_named_by_its_kustomization(folder: Path) -> None:
    files = {each for each in folder.glob("*.yaml") if each.name != "kustomization.yaml"}

    assert {each for each in _named(folder) if each.suffix == ".yaml"} == files


def test_every_folder_is_applied_or_included_by_one_that_is() -> None:
    applied = [MANIFESTS / name for name in (*FOUNDATIONS, *PARTS)]

    assert sorted(set(_reached(applied))) == FOLDERS


def test_a_field_that_nobody_knows_does_not_fit() -> None:
    for kind in ("Deployment", "ScaledObject"):
        [manifest] = [each for each in rendered("builds/0.1.0") if each["kind"] == kind]
        assert list(faults(manifest)) == []

        [fault, *_] = faults(manifest | {"spec": manifest["spec"] | {"replicaz": 2}})

        assert "replicaz" in fault


def test_a_kind_without_a_schema_does_not_fit() -> None:
    [*found] = faults({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "one"}})

    assert len(found) == 2
    assert "there is no schema" in found[0]


def test_what_cannot_be_rendered_is_told(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [missing.yaml]")

    with pytest.raises(CannotRender, match=r"missing\.yaml"):
        render(tmp_path)


def _reached(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        yield folder
        yield from _reached([each for each in _named(folder) if each.is_dir()])


def _named(folder: Path) -> list[Path]:
    kustomization: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    names = [name for field in ("resources", "components", "configurations") for name in kustomization.get(field, ())]
    names += [each["path"] for each in kustomization.get("patches", ())]
    return [(folder / name).resolve() for name in names]
