"""Datasets are found where their fakes were put."""

from pathlib import Path
from shutil import rmtree

import pytest

from datasets_vos.catalogue import CATALOGUE
from datasets_vos.transfer.locate import Found, count_items, find_root, find_sets
from tests.fakes import make_davis
from tests.fakes.registry import STILL_FAKES, VIDEO_FAKES
from tests.fakes.stills import make_saliency
from vos_core.errors import DatasetError

FAKES = VIDEO_FAKES | STILL_FAKES
SEARCHED = sorted(set(FAKES) - {"folder", "stills"})


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One fake of each set in a folder of the set's name."""
    shelf = tmp_path_factory.mktemp("shelf")
    for name, make in FAKES.items():
        make(shelf / name)
    return shelf


def test_all_are_found_and_none_is_mistaken(shelf: Path) -> None:
    found = find_sets([shelf])
    assert sorted(found) == SEARCHED
    for name, places in found.items():
        assert [place.root.relative_to(shelf).parts[0] for place in places] == [name]
        assert all(place.items > 0 for place in places)
    assert find_sets([shelf / "ecssd"])["ecssd"] == found["ecssd"]


@pytest.mark.parametrize("name", SEARCHED)
def test_the_reader_finds_the_root(shelf: Path, name: str) -> None:
    root = find_root(name, shelf / name)
    assert root is not None
    assert count_items(name, root) == find_sets([shelf])[name][0].items


def test_generic_layouts_are_told_apart_by_folder_names(tmp_path: Path) -> None:
    make_saliency(tmp_path / "PASCAL-S", "stills")
    make_davis(tmp_path / "a" / "b", year="2016")
    make_davis(tmp_path / "DAVIS-2017" / "DAVIS")
    rmtree(tmp_path / "DAVIS-2017" / "DAVIS" / "ImageSets")
    found = find_sets([tmp_path, tmp_path / "missing"])
    assert [*found] == ["davis2016", "davis2017", "pascal_s"]
    # one by the name of the folder above, one by its lists
    assert found["davis2017"] == [Found(tmp_path / "DAVIS-2017" / "DAVIS", 2)]
    assert found["davis2016"] == [Found(tmp_path / "a" / "b", 2)]


def test_nothing_is_found_and_nothing_made(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "davis2017" / "JPEGImages").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert find_sets([tmp_path]) == {}
    assert find_root("davis2017", tmp_path) is None
    with pytest.raises(DatasetError, match="no such folder"):
        count_items("davis2017", tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_every_name_in_the_catalogue_finds_itself() -> None:
    for name, info in CATALOGUE.items():
        plain = name.replace("_", "")
        if info.names:
            assert any(part in plain for part in info.names), name
