"""Masks mended in place."""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import PIL.Image
import pytest

from datasets_vos import Davis, FolderClip, StillImage
from datasets_vos.integrity import Usage, copy_tree, mend_masks
from datasets_vos.mask_formats import BINARY, INSTANCE_CODES, LAYERED, MaskFormat
from datasets_vos.masks import read_mask, write_mask
from tests.fakes import fake_label_map, make_davis, make_frames
from vos_core.errors import MaskError
from vos_core.palette import davis_palette
from vos_core.types import Image, LabelMap

GRAY = Usage(frozenset({"L"}))
INDEXED = Usage(frozenset({"P"}))


@pytest.fixture
def davis2017(tmp_path: Path) -> Path:
    return make_davis(tmp_path, sequences=("alpha",), size=(96, 128))


def _mask(root: Path, frame: int) -> Path:
    return root / "Annotations" / "480p" / "alpha" / f"{frame:05d}.png"


def _mend(root: Path, year: str = "2017") -> dict[str, int]:
    return dict(mend_masks(Davis(root, year=year)[0], INDEXED if year == "2017" else GRAY))


def _smoothed(label_map: LabelMap) -> Image:
    """Paint a label map in the palette's colours with an anti-aliased brush."""
    large = davis_palette()[np.kron(label_map, np.ones((4, 4), np.uint8))]
    return np.asarray(cv2.resize(cv2.blur(large, (5, 5)), label_map.shape[::-1], interpolation=3))


def _still(folder: Path, mask: LabelMap, format: MaskFormat = BINARY) -> StillImage:
    make_frames(folder / "images", 1)
    PIL.Image.fromarray(mask).save(folder / "m.png")
    return StillImage("a", folder / "images" / "00000.jpg", (folder / "m.png",), format)


def test_sound_masks_are_left_alone(davis2017: Path) -> None:
    before = {path: path.read_bytes() for path in davis2017.rglob("*.png")}
    assert _mend(davis2017) == {}
    assert {path: path.read_bytes() for path in davis2017.rglob("*.png")} == before


def test_smoothed_colours_are_snapped(davis2017: Path) -> None:
    truth = fake_label_map(2, size=(96, 128))
    PIL.Image.fromarray(_smoothed(truth)).save(_mask(davis2017, 2))
    with pytest.raises(MaskError, match="outside the DAVIS palette"):
        read_mask(_mask(davis2017, 2))
    assert _mend(davis2017) == {"colours snapped to those of the objects": 1}
    mended = read_mask(_mask(davis2017, 2))
    assert set(np.unique(mended)) == {0, 1, 2}
    # only the outermost pixels of the squares are open to doubt
    assert (mended != truth).sum() <= 4 * 12 + 4 * 8
    with PIL.Image.open(_mask(davis2017, 2)) as image:
        assert image.mode == "P"


@pytest.mark.parametrize(
    ("first", "second", "ids"),
    [
        ((255, 0, 0), (0, 0, 255), {1, 4}),
        ((120, 0, 0), (0, 128, 0), {1, 2}),
        ((255, 255, 0), (64, 0, 0), {3, 8}),  # the second is id 8's own colour
        ((255, 0, 0), (200, 40, 40), set()),  # two reds: which is which?
    ],
)
def test_painted_colours_become_the_nearest_ids(
    davis2017: Path, first: tuple[int, ...], second: tuple[int, ...], ids: set[int]
) -> None:
    truth = fake_label_map(2, size=(96, 128))
    painted = np.uint8([(0, 0, 0), first, second])[truth]
    PIL.Image.fromarray(cv2.GaussianBlur(painted, (3, 3), 0.6)).save(_mask(davis2017, 2))
    assert bool(_mend(davis2017)) == bool(ids)
    if ids:
        mended = read_mask(_mask(davis2017, 2))
        assert set(np.unique(mended)) == {0, *ids}
        np.testing.assert_array_equal(mended == min(ids), truth == 1)


def test_transparent_paint_is_background(davis2017: Path) -> None:
    truth = fake_label_map(2, (1,), (96, 128))
    painted = np.full((96, 128, 4), (128, 0, 0, 255), np.uint8)
    painted[..., 3] = cv2.GaussianBlur(truth * 255, (3, 3), 0.6)
    PIL.Image.fromarray(painted).save(_mask(davis2017, 2))
    assert _mend(davis2017) == {"colours snapped to those of the objects": 1}
    np.testing.assert_array_equal(read_mask(_mask(davis2017, 2)), painted[..., 3] > 127)


def test_layers_are_mended_one_by_one(tmp_path: Path) -> None:
    white = (fake_label_map(0, (2,)) > 0).astype(np.uint8) * 255
    PIL.Image.fromarray(cv2.GaussianBlur(white, (3, 3), 0.5)).save(tmp_path / "m.png")
    still = _still(tmp_path / "still", fake_label_map(0, (1,)) * 255, LAYERED)
    layers = (*still.mask_paths, tmp_path / "m.png")
    truth = [read_mask(path, binary=True) * 255 for path in layers]
    done = mend_masks(StillImage("a", still.image_path, layers, LAYERED), GRAY)
    assert done == {"soft masks cut above 127": 1}
    for path, expected in zip(layers, truth, strict=True):
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(path)), expected)


def test_a_painted_background_is_not_guessed(davis2017: Path) -> None:
    truth = fake_label_map(2, size=(96, 128))
    painted = np.uint8([(255, 255, 255), (255, 0, 0), (0, 255, 0)])[truth]
    PIL.Image.fromarray(painted).save(_mask(davis2017, 2))
    assert _mend(davis2017) == {}


def test_a_shaded_picture_is_not_snapped(davis2017: Path) -> None:
    shaded = np.zeros((96, 128, 3), np.uint8)
    shaded[10:60, :100, 0] = np.arange(101, 201)
    shaded[70:74, :4, 0] = 255  # all that is left of a pure colour
    PIL.Image.fromarray(shaded).save(_mask(davis2017, 2))
    assert _mend(davis2017) == {}


def test_ids_get_their_palette(davis2017: Path) -> None:
    truth = fake_label_map(1, size=(96, 128))
    PIL.Image.fromarray(truth).save(_mask(davis2017, 1))
    PIL.Image.fromarray(davis_palette()[truth]).save(_mask(davis2017, 3))
    with PIL.Image.open(_mask(davis2017, 2)) as image:
        image.load()
    image.putpalette([7, 7, 7] * 256)
    image.save(_mask(davis2017, 2))
    expected = read_mask(_mask(davis2017, 2))
    assert _mend(davis2017) == {"palettes written": 3}
    for frame, labels in ((1, truth), (2, expected), (3, truth)):
        np.testing.assert_array_equal(read_mask(_mask(davis2017, frame)), labels)
        with PIL.Image.open(_mask(davis2017, frame)) as image:
            assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]


def test_one_white_smoothed_object_among_ids(davis2017: Path) -> None:
    white = fake_label_map(1, (1,), (96, 128)) * 255
    PIL.Image.fromarray(cv2.GaussianBlur(white, (5, 5), 1.0)).save(_mask(davis2017, 1))
    assert _mend(davis2017) == {"colours snapped to those of the objects": 1}
    mended = read_mask(_mask(davis2017, 1))
    assert set(np.unique(mended)) == {0, 1}
    np.testing.assert_array_equal(mended, cv2.GaussianBlur(white, (5, 5), 1.0) > 127)


def test_what_cannot_be_told_is_left(davis2017: Path) -> None:
    gray = fake_label_map(1, size=(96, 128)) * 100  # 100 and 200: shades of two objects, or edges?
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    PIL.Image.fromarray(gray).save(_mask(davis2017, 1))
    PIL.Image.fromarray(noise).save(_mask(davis2017, 2))
    PIL.Image.fromarray(_smoothed(fake_label_map(3))).save(_mask(davis2017, 3))  # of another size
    _mask(davis2017, 4).write_bytes(_mask(davis2017, 4).read_bytes()[:90])
    before = {path: path.read_bytes() for path in davis2017.rglob("*.png")}
    assert _mend(davis2017) == {}
    assert {path: path.read_bytes() for path in davis2017.rglob("*.png")} == before


def test_binary_masks_become_black_and_white(tmp_path: Path) -> None:
    root = make_davis(tmp_path, year="2016", sequences=("alpha",))
    white = fake_label_map(0, (1,)) * 255
    PIL.Image.fromarray(white).convert("LA").save(_mask(root, 0))
    PIL.Image.fromarray(cv2.GaussianBlur(white, (3, 3), 0.5)).save(_mask(root, 1))
    write_mask(_mask(root, 2), fake_label_map(2))
    truths = [read_mask(_mask(root, frame), binary=True) for frame in range(3)]
    assert _mend(root, "2016") == {"pixel modes evened out": 2, "soft masks cut above 127": 1}
    for frame, truth in enumerate(truths):
        with PIL.Image.open(_mask(root, frame)) as image:
            assert image.mode == "L"
            np.testing.assert_array_equal(np.asarray(image), truth * 255)


def test_ids_as_grays_become_visible(tmp_path: Path) -> None:
    root = make_davis(tmp_path / "2016", year="2016", sequences=("alpha",))
    PIL.Image.fromarray(fake_label_map(1)).save(_mask(root, 1))
    assert _mend(root, "2016") == {"ids as grays made black and white": 1}
    with PIL.Image.open(_mask(root, 1)) as image:
        np.testing.assert_array_equal(np.asarray(image), (fake_label_map(1) > 0) * 255)
    frames = make_frames(tmp_path / "mine")
    PIL.Image.fromarray(fake_label_map(0)).save(tmp_path / "m.png")
    assert mend_masks(FolderClip(frames, tmp_path / "m.png"), Usage()) == {"palettes written": 1}
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), fake_label_map(0))


@pytest.mark.parametrize("year", ["2016", "2017"])
def test_a_palette_in_another_order(tmp_path: Path, year: Literal["2016", "2017"]) -> None:
    root = make_davis(tmp_path, year=year, sequences=("alpha",))
    truth = fake_label_map(2)
    PIL.Image.fromarray(davis_palette()[truth]).quantize(3).save(_mask(root, 2))
    assert _mend(root, year) == {"colours snapped to those of the objects": 1}
    mended = read_mask(_mask(root, 2), binary=year == "2016")
    np.testing.assert_array_equal(mended, truth > 0 if year == "2016" else truth)


def test_graded_masks_are_cut(tmp_path: Path) -> None:
    graded = fake_label_map(0)
    graded[graded == 1], graded[graded == 2] = 106, 149
    still = _still(tmp_path, graded)
    assert mend_masks(still, GRAY) == {"soft masks cut above 127": 1}
    with PIL.Image.open(tmp_path / "m.png") as image:
        np.testing.assert_array_equal(np.asarray(image), (graded == 149) * 255)


def test_instance_codes_are_no_masks_to_mend(tmp_path: Path) -> None:
    codes = fake_label_map(0).astype(np.uint16) * 1000
    still = _still(tmp_path, codes, INSTANCE_CODES)
    before = (tmp_path / "m.png").read_bytes()
    assert mend_masks(still, GRAY) == {}
    assert (tmp_path / "m.png").read_bytes() == before


def test_a_copy_is_plain_and_complete(tmp_path: Path) -> None:
    source, steps = tmp_path / "source", []
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "a.txt").write_text("a")
    (source / "link.txt").symlink_to(source / "inner" / "a.txt")
    (source / "broken").symlink_to(source / "nowhere")
    (source / "inner" / "a.txt").chmod(0o444)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.txt").write_text("b")
    (source / "linked").symlink_to(tmp_path / "other")
    copy_tree(source, tmp_path / "target", lambda: steps.append(1))
    copied = sorted(path for path in (tmp_path / "target").rglob("*") if path.is_file())
    assert [path.relative_to(tmp_path / "target").as_posix() for path in copied] == [
        "inner/a.txt",
        "link.txt",
        "linked/b.txt",
    ]
    assert not any(path.is_symlink() for path in copied)
    copied[0].write_text("b")
    assert (source / "inner" / "a.txt").read_text() == "a"
    assert len(steps) == 4
