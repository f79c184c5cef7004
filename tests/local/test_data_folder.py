import stat
from pathlib import Path

import pytest

from countersign.local.data_folder import hold_data_folder, wipe
from countersign.local.errors import StackError


def test_the_data_folder_is_private(tmp_path: Path) -> None:
    with hold_data_folder(tmp_path / "data") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_second_stack_on_the_same_data_is_refused_in_one_line(tmp_path: Path) -> None:
    with (
        hold_data_folder(tmp_path / "data"),
        pytest.raises(StackError, match=r"^a stack runs on .* already \(process \d+\): stop it first$"),
        hold_data_folder(tmp_path / "data"),
    ):
        pass


def test_the_data_folder_can_be_held_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_data_folder(tmp_path / "data") as folder:
            assert folder.is_dir()


def test_a_folder_with_other_files_is_not_taken_for_data(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()

    with pytest.raises(StackError, match="holds other files"), hold_data_folder(tmp_path):
        pass

    assert (tmp_path / "thesis.tex").exists()


def test_wiping_leaves_only_the_lock(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    with hold_data_folder(tmp_path / "data") as folder:
        (folder / "logs").mkdir()
        (folder / "logs" / "api.log").touch()
        (folder / "link").symlink_to(outside)

        wipe(folder)

        assert [path.name for path in folder.iterdir()] == ["stack.lock"]
    assert (outside / "kept").exists()
