"""Files and folders appear complete or not at all."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from vos_core.files import whole_file, whole_folder


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path) as one, whole_file(path) as other:
        assert one != other
        one.write_text("new")
        other.write_text("newer")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_appears_when_it_is_complete(there: bool, tmp_path: Path) -> None:
    path = tmp_path / "a"
    if there:
        path.mkdir()
    with whole_folder(path) as temporary:
        (temporary / "b").mkdir(parents=True)
        assert not (path / "b").exists()
    assert (path / "b").is_dir()
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_holds_something_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    (path / "b").mkdir(parents=True)
    with pytest.raises(OSError, match="not empty"), whole_folder(path) as temporary:
        temporary.mkdir()
    assert [each.name for each in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("whole", "make"),
    [(whole_file, Path.touch), (whole_folder, Path.mkdir)],
    ids=["file", "folder"],
)
def test_nothing_is_left_after_an_exception(
    whole: Callable[[Path], AbstractContextManager[Path]],
    make: Callable[[Path], None],
    tmp_path: Path,
) -> None:
    def fail() -> None:
        with whole(tmp_path / "a") as temporary:
            make(temporary)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []
