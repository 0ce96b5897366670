"""Reading and writing of masks in every pixel mode."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from datasets_vos.masks import object_ids, read_mask, write_mask
from tests.fakes import AREAS, fake_label_map
from vos_core.errors import CorruptFileError, DatasetError, MaskError
from vos_core.palette import davis_palette
from vos_core.types import LabelMap

LABEL_MAPS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
STEP = np.array([[0, 0, 1], [0, 1, 1]], dtype=np.uint8)


def save(path: Path, values: object, mode: str, **options: object) -> Path:
    image = PIL.Image.fromarray(np.asarray(values))
    assert image.mode == mode
    image.save(path, **options)
    return path


@settings(max_examples=60, deadline=None)
@given(label_map=LABEL_MAPS)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, label_map: LabelMap) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.png"
    write_mask(path, label_map)
    got = read_mask(path)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, label_map)
    void = (label_map == 255) & bool(set(label_map.flat) - {0, 255})
    np.testing.assert_array_equal(read_mask(path, binary=True), (label_map > 0) & ~void)


@settings(max_examples=40, deadline=None)
@given(label_map=LABEL_MAPS)
def test_palette_colours_map_back_to_ids(
    tmp_path_factory: pytest.TempPathFactory, label_map: LabelMap
) -> None:
    path = tmp_path_factory.getbasetemp() / "colours.png"
    save(path, davis_palette()[label_map], "RGB")
    np.testing.assert_array_equal(read_mask(path), label_map)


def test_written_file_is_an_8_bit_palette_png(tmp_path: Path) -> None:
    path = tmp_path / "new" / "0.png"
    write_mask(path, fake_label_map(0))
    head = path.read_bytes()[:26]
    assert (head[24], head[25]) == (8, 3)  # bit depth, colour type "palette"
    with PIL.Image.open(path) as image:
        assert image.getpalette() == davis_palette().ravel().tolist()
        assert "transparency" not in image.info
    assert [p.name for p in path.parent.iterdir()] == ["0.png"]


def test_failed_write_keeps_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "0.png"
    write_mask(path, STEP)

    def fail(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_mask(path, STEP * 0)
    monkeypatch.undo()
    np.testing.assert_array_equal(read_mask(path), STEP)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2), np.int64), np.zeros((2, 2, 3), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_only_label_maps_are_written(tmp_path: Path, bad: np.ndarray) -> None:
    with pytest.raises(MaskError, match=r"0\.png.*\(H, W\) uint8"):
        write_mask(tmp_path / "0.png", bad)
    assert not list(tmp_path.iterdir())


def test_object_ids_leave_out_background_and_void() -> None:
    assert object_ids(np.array([[0, 255], [254, 3]], dtype=np.uint8)) == (3, 254)
    assert object_ids(np.zeros((2, 2), dtype=np.uint8)) == ()
    assert {i: int((fake_label_map(3, (1, 2, 3)) == i).sum()) for i in AREAS} == AREAS


@pytest.mark.parametrize(
    ("gray", "want", "merged"),
    [
        ([0, 255, 255], [0, 1, 1], [0, 1, 1]),
        ([255, 255, 255], [1, 1, 1], [1, 1, 1]),
        ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
        ([0, 1, 3], [0, 1, 3], [0, 1, 1]),
        ([0, 32, 2], [0, 32, 2], [0, 1, 1]),
    ],
)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_gray_masks(
    tmp_path: Path, mode: str, gray: list[int], want: list[int], merged: list[int]
) -> None:
    path = tmp_path / "gray.png"
    PIL.Image.fromarray(np.array([gray], dtype=np.uint8)).convert(mode).save(path)
    np.testing.assert_array_equal(read_mask(path), [want])
    np.testing.assert_array_equal(read_mask(path, binary=True), [merged])


@pytest.mark.parametrize(
    ("gray", "named"),
    [
        ([0, 1, 33], "33"),
        ([0, 128, 255], "128"),
        ([0, 1, 255], "255 beside 0, 1"),
        ([*range(0, 250, 10)], "and 17"),
    ],
)
def test_ambiguous_gray_is_refused_unless_binary(
    tmp_path: Path, gray: list[int], named: str
) -> None:
    path = save(tmp_path / "soft.png", np.array([gray], dtype=np.uint8), "L")
    with pytest.raises(MaskError, match=rf"soft\.png.*{named}.*palette PNG"):
        read_mask(path)
    np.testing.assert_array_equal(read_mask(path, binary=True), [[v > 127 for v in gray]])


def test_palette_index_255_stays_void(tmp_path: Path) -> None:
    write_mask(tmp_path / "void.png", STEP * 255)
    np.testing.assert_array_equal(read_mask(tmp_path / "void.png"), STEP * 255)


@pytest.mark.parametrize("mode", ["P", "RGB"])
def test_merging_takes_255_for_void_beside_ids(tmp_path: Path, mode: str) -> None:
    for stored, merged in (([0, 1, 255, 2], [0, 1, 0, 1]), ([0, 0, 255, 0], [0, 0, 1, 0])):
        write_mask(tmp_path / "a.png", np.uint8([stored]))
        PIL.Image.open(tmp_path / "a.png").convert(mode).save(tmp_path / "b.png")
        assert read_mask(tmp_path / "b.png", binary=True).tolist() == [merged]


def test_few_bit_palettes_and_one_bit_files(tmp_path: Path) -> None:
    image = PIL.Image.fromarray(STEP)
    image.putpalette([9, 9, 9, 200, 0, 7])  # two colours: Pillow packs one bit a pixel
    image.save(tmp_path / "p1.png")
    save(tmp_path / "one.png", STEP.astype(bool), "1")
    assert (tmp_path / "p1.png").read_bytes()[24] == 1
    np.testing.assert_array_equal(read_mask(tmp_path / "p1.png"), STEP)
    np.testing.assert_array_equal(read_mask(tmp_path / "one.png"), STEP)


def test_transparency(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), dtype=np.uint8)
    rgba[0, :, 0] = 128
    rgba[0, :, 3] = [0, 255, 255]
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", rgba, "RGBA")), [[0, 1, 1]])
    rgba[0, 1, 3] = 77
    with pytest.raises(MaskError, match=r"a\.png.*alpha 77"):
        read_mask(save(tmp_path / "a.png", rgba, "RGBA"))


def test_unknown_colours_are_named(tmp_path: Path) -> None:
    rgb = np.array([[(128, 0, 0), (0, 0, 0), (127, 1, 0)]], dtype=np.uint8)
    path = save(tmp_path / "brush.png", rgb, "RGB")
    with pytest.raises(MaskError, match=r"brush\.png.*palette: \(127, 1, 0\);"):
        read_mask(path)


@pytest.mark.parametrize(
    ("name", "dtype"), [("wide.png", np.uint16), ("wide.tif", np.int32), ("wide.tif", np.float32)]
)
def test_wide_files_are_refused(tmp_path: Path, name: str, dtype: type) -> None:
    PIL.Image.fromarray(np.zeros((2, 2), dtype)).save(tmp_path / name)
    with pytest.raises(MaskError, match=rf"{name}: has more than 8 bits"):
        read_mask(tmp_path / name)


def test_16_bit_colour_is_refused(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((2, 2, 3), np.uint16))
    with pytest.raises(MaskError, match=r"wide\.png.*8 bits"):
        read_mask(tmp_path / "wide.png")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.png"):
        read_mask(tmp_path / "none.png")
    write_mask(tmp_path / "whole.png", fake_label_map(0))
    data = (tmp_path / "whole.png").read_bytes()
    for name, content in {
        "cut": data[:-40],
        "empty": b"",
        "text": b"<html>not here</html>",
    }.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(content)
        with pytest.raises(CorruptFileError, match=rf"{name}\.png"):
            read_mask(path)


def test_a_gray_palette_is_read_by_its_grays(tmp_path: Path) -> None:
    image = PIL.Image.fromarray(np.uint8([[0, 1, 2, 3]]), mode="P")
    for palette, want in (
        ([255] * 3 + [0] * 3 + [127] * 3 + [128] * 3, [1, 0, 0, 1]),  # white first
        ([0] * 3 + [50] * 3 + [60] * 3 + [70] * 3, [0, 1, 1, 1]),  # too dark to mean grays
        ([0] * 3 + [128, 0, 0] + [255] * 3 + [0] * 3, [0, 1, 1, 1]),  # colours
    ):
        image.putpalette(palette)
        image.save(tmp_path / "a.png")
        assert read_mask(tmp_path / "a.png", binary=True).tolist() == [want]
        assert read_mask(tmp_path / "a.png").tolist() == [[0, 1, 2, 3]]
