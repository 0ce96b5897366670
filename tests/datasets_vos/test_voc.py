"""PASCAL VOC 2012 and SBD."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from datasets_vos import open_stills
from datasets_vos.masks import write_mask
from datasets_vos.voc import SBD, VOC_CATEGORIES, PascalVOC
from tests.fakes.scene import SIZE, fake_label_map
from tests.fakes.stills import still_objects
from tests.fakes.voc import make_sbd, make_voc2012, voc_name
from vos_core.errors import CorruptFileError, DatasetError, MaskError

NAMES = tuple(voc_name(k) for k in range(6))
VOC_ROOT = "VOCdevkit/VOC2012"


def test_instances_and_void_of_voc(tmp_path: Path) -> None:
    stills = PascalVOC(make_voc2012(tmp_path))
    assert stills.names == NAMES  # the picture of another task is left out
    for k, still in enumerate(stills):
        instances = still.instances()
        np.testing.assert_array_equal(
            np.where(instances == 255, 0, instances), fake_label_map(k, still_objects(k))
        )
    # object 1 is a square of 12, object 2 one of 8; the ring has four sides of each
    assert np.bincount(stills[1].instances().ravel())[[1, 2, 255]].tolist() == [144, 64, 48 + 32]
    assert np.bincount(stills[1].mask().ravel())[[1, 255]].tolist() == [208, 80]
    assert not stills[5].instances().any()


@pytest.mark.parametrize(("maker", "opener"), [(make_voc2012, PascalVOC), (make_sbd, SBD)])
def test_categories(maker: Callable[[Path], Path], opener: type, tmp_path: Path) -> None:
    stills = opener(maker(tmp_path))
    assert stills[0].categories() == {1: "person"}
    assert stills[1].categories() == {1: "person", 2: "cat"}
    assert stills[5].categories() == {}


def test_category_numbers() -> None:
    assert len(VOC_CATEGORIES) == 20
    assert VOC_CATEGORIES[0] == "aeroplane"
    assert VOC_CATEGORIES[14] == "person"
    assert VOC_CATEGORIES[19] == "tvmonitor"


def test_the_most_frequent_category_counts(tmp_path: Path) -> None:
    still = PascalVOC(make_voc2012(tmp_path))[1]
    instances = still.instances()
    classes = np.zeros(SIZE, dtype=np.uint8)
    classes[instances == 1] = 255
    rows, columns = np.nonzero(instances == 1)
    classes[rows[:3], columns[:3]] = 5
    classes[rows[3:5], columns[3:5]] = 9
    path = tmp_path / VOC_ROOT / "SegmentationClass" / f"{NAMES[1]}.png"
    classes[instances == 2] = 20
    write_mask(path, classes)
    assert still.categories() == {1: "bottle", 2: "tvmonitor"}
    classes[instances == 2] = 21
    write_mask(path, classes)
    with pytest.raises(
        MaskError, match=rf"{NAMES[1]}\.png: gives instance 2 the category number 2"
    ):
        still.categories()
    classes[instances == 2] = 0
    write_mask(path, classes)
    with pytest.raises(MaskError, match="gives instance 2 the category number 0"):
        still.categories()


@pytest.mark.parametrize("depth", [".", "VOCdevkit", VOC_ROOT])
def test_roots_of_voc(depth: str, tmp_path: Path) -> None:
    assert len(open_stills("voc2012", make_voc2012(tmp_path) / depth)) == 6


@pytest.mark.parametrize("depth", [".", "benchmark_RELEASE", "benchmark_RELEASE/dataset"])
def test_roots_of_sbd(depth: str, tmp_path: Path) -> None:
    assert len(open_stills("sbd", make_sbd(tmp_path) / depth)) == 6


@pytest.mark.parametrize(("maker", "opener"), [(make_voc2012, PascalVOC), (make_sbd, SBD)])
def test_splits(maker: Callable[[Path], Path], opener: type, tmp_path: Path) -> None:
    root = maker(tmp_path)
    assert opener(root, split="train").names == NAMES[:4]
    assert opener(root, split="val").names == NAMES[4:]
    with pytest.raises(DatasetError, match=r"trian\.txt: no such list; there are: .*train.*val"):
        opener(root, split="trian")


def test_withheld_masks_of_voc(tmp_path: Path) -> None:
    still = PascalVOC(make_voc2012(tmp_path), split="test")[0]
    still.check()
    assert still.image().shape == (48, 64, 3)
    with pytest.raises(DatasetError, match=r"2008_000001\.jpg: has no mask"):
        still.mask()
    with pytest.raises(DatasetError, match=r"2008_000001\.jpg: has no mask"):
        still.categories()


@pytest.mark.parametrize("folder", ["JPEGImages", "SegmentationObject", "SegmentationClass"])
def test_missing_files_of_voc(folder: str, tmp_path: Path) -> None:
    root = make_voc2012(tmp_path)
    next((root / VOC_ROOT / folder).glob(f"{NAMES[4]}.*")).unlink()
    with pytest.raises(DatasetError, match=rf"{folder}: lacks 1 files, first that of {NAMES[4]}"):
        PascalVOC(root, split="val")
    assert len(PascalVOC(root, split="train")) == 4


@pytest.mark.parametrize("folder", ["img", "inst"])
def test_missing_files_of_sbd(folder: str, tmp_path: Path) -> None:
    root = make_sbd(tmp_path)
    next((root / "benchmark_RELEASE" / "dataset" / folder).glob(f"{NAMES[4]}.*")).unlink()
    with pytest.raises(DatasetError, match=rf"{folder}: lacks 1 files, first that of {NAMES[4]}"):
        SBD(root, split="val")


def test_broken_lists(tmp_path: Path) -> None:
    home = make_sbd(tmp_path) / "benchmark_RELEASE" / "dataset"
    (home / "val.txt").write_text("\n \n")
    with pytest.raises(DatasetError, match=r"val\.txt: the list is empty"):
        SBD(tmp_path, split="val")
    (home / "val.txt").write_bytes(b"\xff\xfe2")
    with pytest.raises(DatasetError, match=r"val\.txt: byte \d+ is not UTF-8"):
        SBD(tmp_path, split="val")


def test_a_damaged_category_mask_is_found(tmp_path: Path) -> None:
    still = PascalVOC(make_voc2012(tmp_path))[0]
    path = tmp_path / VOC_ROOT / "SegmentationClass" / f"{NAMES[0]}.png"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptFileError, match=rf"SegmentationClass/{NAMES[0]}\.png"):
        still.check()


def test_instances_of_sbd(tmp_path: Path) -> None:
    for k, still in enumerate(SBD(make_sbd(tmp_path))):
        np.testing.assert_array_equal(still.instances(), fake_label_map(k, still_objects(k)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"GTcls": {"Segmentation": np.zeros(SIZE)}}, "holds GTcls but no struct GTinst"),
        ({"GTinst": np.zeros(SIZE)}, "GTinst is no struct"),
        ({"GTinst": {"Categories": np.ones((1, 1))}}, "no numbers in field 'Segmentation'"),
        ({"GTinst": {"Segmentation": "text"}}, "no numbers in field 'Segmentation'"),
        ({"GTinst": {"Segmentation": np.zeros((48, 64, 2))}}, "3 dimensions instead of 2"),
        ({"GTinst": {"Segmentation": np.zeros((64, 48))}}, "the mask is 48x64 pixels"),
        ({"GTinst": {"Segmentation": np.full(SIZE, 255)}}, "values from 255 to 255"),
        ({"GTinst": {"Segmentation": np.full(SIZE, -1)}}, "values from -1 to -1"),
        ({"GTinst": {"Segmentation": np.full(SIZE, 0.5)}}, "values from 0.5 to 0.5"),
    ],
)
def test_unusable_files_of_sbd(content: dict, message: str, tmp_path: Path) -> None:
    still = SBD(make_sbd(tmp_path))[0]
    savemat(still.mask_paths[0], content)
    with pytest.raises(MaskError, match=rf"{NAMES[0]}\.mat.*{message}"):
        still.check()


def test_an_instance_of_sbd_without_category(tmp_path: Path) -> None:
    still = SBD(make_sbd(tmp_path))[1]
    gt = {"Segmentation": fake_label_map(1), "Categories": np.array([[15]])}
    savemat(still.mask_paths[0], {"GTinst": gt})
    with pytest.raises(MaskError, match="gives instance 2 the category number 0"):
        still.categories()
