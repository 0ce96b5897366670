"""Layouts and masks of the saliency sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from datasets_vos import open_stills
from datasets_vos.mat_masks import SOD_OUTLINES
from datasets_vos.saliency import Saliency
from tests.fakes.scene import SIZE, fake_label_map
from tests.fakes.stills import (
    graded,
    make_pairs,
    make_saliency,
    outline,
    still_area,
    still_objects,
    write_gray,
    write_picture,
    write_ses,
)
from vos_core.errors import ConfigError, CorruptFileError, DatasetError, MaskError

LAYOUTS = ("dut_omron", "ecssd", "hku_is", "msra10k", "pascal_s", "sod", "stills")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_hold_the_objects(layout: str, tmp_path: Path) -> None:
    stills = Saliency(make_saliency(tmp_path, layout), layout=layout)
    assert len(stills) == 6
    for k, still in enumerate(stills):
        expected = fake_label_map(k, still_objects(k)) > 0
        np.testing.assert_array_equal(still.instances(), expected)
        assert still.mask().sum() == still_area(k) == (0 if k == 5 else 208 if k % 2 else 144)
        assert still.categories() == {}


def test_order_is_numeric(tmp_path: Path) -> None:
    stills = Saliency(make_saliency(tmp_path, "stills"), layout="stills")
    assert stills.names == ("1", "2", "3", "4", "5", "10")


REPACKED = [
    *(
        (layout, images, masks)
        for layout in LAYOUTS
        for images, masks in [("", ""), ("image", "mask")]
    ),
    ("ecssd", "ECSSD/images", "ECSSD/ground_truth_mask"),
    ("ecssd", "ecssd", "ecssd"),
    ("dut_omron", "DUT-OMRON/DUT-OMRON-image", "DUT-OMRON/pixelwiseGT-new-PNG"),
    ("hku_is", "HKU-IS/imgs", "HKU-IS/gt"),
    ("msra10k", "Imgs", "Imgs"),
    ("msra10k", "MSRA10K/images", "MSRA10K/masks"),
    ("pascal_s", "datasets/imgs/pascal", "datasets/masks/pascal"),
    ("sod", "SOD/images", "SOD/GT"),
    ("sod", "Imgs", "Imgs"),
]


@pytest.mark.parametrize(("layout", "images", "masks"), REPACKED)
def test_other_packings(layout: str, images: str, masks: str, tmp_path: Path) -> None:
    make_pairs(tmp_path / images, tmp_path / masks)
    (tmp_path / images / "._1.jpg").write_bytes(b"rubbish of another system")
    stills = open_stills(layout, tmp_path)
    assert [int(still.mask().sum()) for still in stills] == [144, 208, 144, 208, 144, 0]


def test_a_root_one_level_down(tmp_path: Path) -> None:
    root = make_saliency(tmp_path, "msra10k") / "MSRA10K_Imgs_GT"
    assert len(open_stills("msra10k", root)) == len(open_stills("msra10k", root / "Imgs")) == 6


def test_splits_of_duts(tmp_path: Path) -> None:
    root = make_saliency(tmp_path, "duts")
    both = ("train/a", "train/b", "train/c", "train/d", "test/a", "test/b")
    assert open_stills("duts", root).names == both
    assert open_stills("duts", root, "train").names == both[:4]
    test = open_stills("duts", root, "test")
    assert test.names == both[4:]
    assert test[0].image_path == root / "DUTS-TE" / "DUTS-TE-Image" / "a.jpg"
    assert len(open_stills("duts", root / "DUTS-TR", "train")) == 4
    with pytest.raises(DatasetError, match=r"duts split 'test'.*DUTS-TE-Image \+ DUTS-TE-Mask"):
        open_stills("duts", root / "DUTS-TR", "test")
    with pytest.raises(ConfigError, match="no split 'val'; choose train or test, or none"):
        open_stills("duts", root, "val")


def test_duts_side_by_side(tmp_path: Path) -> None:
    make_pairs(tmp_path / "DUTS-TE", tmp_path / "DUTS-TE")
    assert open_stills("duts", tmp_path).names[0] == "test/1"


def test_categories_of_fss(tmp_path: Path) -> None:
    stills = open_stills("fss1000", make_saliency(tmp_path, "fss1000"))
    assert stills.names == ("abacus/1", "abacus/2", "abacus/10", "zebra/1", "zebra/2", "zebra/10")
    assert stills[3].categories() == {1: "zebra"}
    assert [still.mask().sum() for still in stills[:3]] == [144, 208, 144]
    (tmp_path / "fss" / "zebra" / "2.png").unlink()
    with pytest.raises(DatasetError, match=r"zebra: 1 images have no mask, first 2\.jpg"):
        open_stills("fss1000", tmp_path)


def test_a_set_without_splits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'ecssd' has no split 'train'; leave split unset"):
        open_stills("ecssd", make_saliency(tmp_path, "ecssd"), "train")
    with pytest.raises(ConfigError, match="layout 'ecsd'; the nearest is 'ecssd'"):
        Saliency(tmp_path, layout="ecsd")


def test_images_and_masks_must_match(tmp_path: Path) -> None:
    root = make_saliency(tmp_path, "ecssd")
    for name in ("2.png", "10.png"):
        (root / "ground_truth_mask" / name).unlink()
    with pytest.raises(DatasetError, match=r"images: 2 images have no mask, first 2\.jpg"):
        open_stills("ecssd", root)
    for name in ("2.jpg", "10.jpg", "4.jpg"):
        (root / "images" / name).unlink()
    with pytest.raises(DatasetError, match=r"ground_truth_mask: 1 masks have no image, first 4\.p"):
        open_stills("ecssd", root)


def test_one_name_for_two_masks_is_refused(tmp_path: Path) -> None:
    make_pairs(tmp_path, tmp_path)
    write_gray(tmp_path / "1.bmp", graded(0))
    with pytest.raises(DatasetError, match=r"1\.bmp and 1\.png|1\.png and 1\.bmp"):
        open_stills("stills", tmp_path)


def test_what_is_expected_is_said(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    expected = r"there should be images \+ ground_truth_mask or .*; it holds: pictures"
    with pytest.raises(DatasetError, match=expected):
        open_stills("ecssd", tmp_path)


def _one_pixel_mask(path: Path, image: PIL.Image.Image) -> None:
    path.parent.mkdir()
    image.save(path)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (1, 1), (32, 1), (33, 0), (127, 0), (128, 1), (255, 1)]
)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB"])
def test_gray_values_of_binary_masks(mode: str, value: int, expected: int, tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "x.jpg", 0)
    gray = PIL.Image.new("L", SIZE[::-1], value)
    _one_pixel_mask(tmp_path / "masks" / "x.png", gray.convert(mode))
    assert set(np.unique(open_stills("ecssd", tmp_path)[0].mask())) == {expected}


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (1, 0), (21, 0), (64, 0), (127, 0), (128, 1), (255, 1)]
)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "P"])
def test_gray_values_of_graded_masks(mode: str, value: int, expected: int, tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "x.jpg", 0)
    gray = PIL.Image.new("L", SIZE[::-1], value)
    _one_pixel_mask(tmp_path / "masks" / "x.png", gray.convert(mode))
    assert set(np.unique(open_stills("pascal_s", tmp_path)[0].mask())) == {expected}


def test_soft_edges_are_cut_in_the_middle(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "x.jpg", 0)
    ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None], 48, axis=0)  # 64 columns
    write_gray(tmp_path / "masks" / "x.png", ramp)
    mask = open_stills("ecssd", tmp_path)[0].mask()
    assert not mask[:, :32].any()
    assert mask[:, 32:].all()


@pytest.mark.parametrize("layout", ["ecssd", "pascal_s"])
@pytest.mark.parametrize("colour", [(254, 255, 255), (200, 30, 30)])
def test_coloured_masks_are_refused(
    layout: str, colour: tuple[int, int, int], tmp_path: Path
) -> None:
    write_picture(tmp_path / "images" / "x.jpg", 0)
    _one_pixel_mask(tmp_path / "masks" / "x.png", PIL.Image.new("RGB", SIZE[::-1], colour))
    with pytest.raises(MaskError, match=r"x\.png.*colours"):
        open_stills(layout, tmp_path)[0].mask()


@pytest.mark.parametrize("layout", ["ecssd", "pascal_s"])
def test_masks_of_another_size_or_depth_are_refused(layout: str, tmp_path: Path) -> None:
    for name in "ab":
        write_picture(tmp_path / "images" / f"{name}.jpg", 0)
    write_gray(tmp_path / "masks" / "a.png", np.zeros((48, 63), np.uint8))
    PIL.Image.fromarray(np.zeros(SIZE, np.uint16)).save(tmp_path / "masks" / "b.png")
    stills = open_stills(layout, tmp_path)
    for refuse in (stills[0].check, stills[0].instances):
        with pytest.raises(MaskError, match=r"a\.png: the mask is 63x48 pixels"):
            refuse()
    with pytest.raises(MaskError, match=r"b\.png"):
        stills[1].instances()


def square(y: int, x: int, side: int) -> np.ndarray:
    mask = np.zeros(SIZE, dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def vote(path: Path, observers: list) -> np.ndarray:
    write_ses(path, observers, SIZE)
    return SOD_OUTLINES.read((path,), SIZE)


def test_more_than_half_of_the_observers_decide(tmp_path: Path) -> None:
    one = [[outline(square(10, 20, 8))]]
    for seen, area in ((3, 0), (4, 64), (7, 64)):
        mask = vote(tmp_path / "x.mat", [one] * seen + [[]] * (7 - seen))
        np.testing.assert_array_equal(mask, square(10, 20, 8) * (area > 0))
    assert vote(tmp_path / "x.mat", [one, []]).sum() == 0  # one of two is no majority


def test_parts_and_objects_of_an_observer_are_united(tmp_path: Path) -> None:
    part, overlapping, other = square(2, 2, 8), square(6, 6, 8), square(30, 40, 5)
    objects = [[outline(part), outline(overlapping)], [outline(other)]]
    expected = part | overlapping | other
    assert expected.sum() == 64 + 64 - 16 + 25
    np.testing.assert_array_equal(vote(tmp_path / "x.mat", [objects]), expected)


def test_outlines_are_rows_and_columns(tmp_path: Path) -> None:
    triangle = np.array([[1, 1], [1, 61], [21, 1]])  # MATLAB (row, column), counted from 1
    mask = vote(tmp_path / "x.mat", [[[triangle]]])
    assert mask[0, :61].all()
    assert mask[:21, 0].all()
    assert mask.sum() == mask[:21, :61].sum()
    assert mask[10, 20]
    assert not mask[15, 40]


@pytest.mark.parametrize(
    "points", [[[1, 70], [2, 70], [2, 71]], [[60, 1], [60, 2], [61, 2]], [[np.nan, 1], [2, 2]]]
)
def test_outlines_outside_of_the_picture_are_refused(points: list, tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"x\.mat: an outline leaves the picture of 64x48"):
        vote(tmp_path / "x.mat", [[[np.array(points, dtype=float)]]])


def test_outlines_of_another_size_are_refused(tmp_path: Path) -> None:
    write_ses(tmp_path / "x.mat", [[]], (64, 48))
    with pytest.raises(MaskError, match=r"x\.mat: the mask is 48x64 pixels"):
        SOD_OUTLINES.check(tmp_path / "x.mat", SIZE)


def test_outlines_without_pictures(tmp_path: Path) -> None:
    root = make_saliency(tmp_path, "sod")
    (root / "BSDS300" / "images" / "train" / "3100.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 masks have no image, first SO3100\.mat.*BSDS300"):
        open_stills("sod", root)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:60], "is no MATLAB 5 file"),
        (lambda data: data[:-9], "cannot be decoded"),
        (lambda data: data[:300] + b"\x77" + data[301:], "cannot be decoded"),
        (lambda data: b"MATLAB 7.3 MAT-file" + data[19:], "save it with MATLAB's option -v7"),
    ],
)
def test_damaged_outlines_are_named(
    damage: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    path = make_saliency(tmp_path, "sod") / "SOD" / "SO3097.mat"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CorruptFileError, match=rf"SO3097\.mat: .*{message}"):
        open_stills("sod", tmp_path)[1].instances()


def test_a_root_that_is_the_folder_of_pictures(tmp_path: Path) -> None:
    root = make_saliency(tmp_path, "ecssd")
    with pytest.raises(DatasetError, match=r"images: holds pictures but no masks; point root at"):
        Saliency(root / "images", layout="ecssd")
