"""Rough masks: their ranges, and objects that are thin, tiny, empty or at the border."""

import cv2
import numpy as np
import pytest

from augment.deformation import PREVIOUS_MASKS, MaskDeformation, deform_mask
from augment.shapes import bounding_box, dilate
from vos_core.errors import ConfigError
from vos_core.types import BinaryMask

SIZE = (121, 161)
STILL = MaskDeformation(scale=0, shift=0, spline_points=0, spline_shift=0, dilation=0)


def disc(radius: int = 30, centre: tuple[int, int] = (80, 60)) -> BinaryMask:
    return cv2.circle(np.zeros(SIZE, np.uint8), centre, radius, 1, -1) > 0


def centre_of(mask: BinaryMask) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0)[::-1]


def test_no_range_is_the_identity() -> None:
    mask = disc()
    np.testing.assert_array_equal(deform_mask(mask, STILL, np.random.default_rng(0)), mask)


def test_scale_stays_in_its_range_and_fills_it() -> None:
    mask, rng = disc(), np.random.default_rng(0)
    ranges = MaskDeformation(scale=0.2, shift=0, spline_points=0, dilation=0)
    factors = [(deform_mask(mask, ranges, rng).sum() / mask.sum()) ** 0.5 for _ in range(60)]
    assert 0.78 < min(factors) < 0.85
    assert 1.15 < max(factors) < 1.22


def test_shift_stays_in_its_range_and_fills_it() -> None:
    mask, rng = np.zeros(SIZE, dtype=bool), np.random.default_rng(0)
    mask[40:60, 40:120] = True  # 80 wide, 20 high
    ranges = MaskDeformation(scale=0, shift=0.25, spline_points=0, dilation=0)
    moves = [centre_of(deform_mask(mask, ranges, rng)) - centre_of(mask) for _ in range(60)]
    reach = np.abs(moves).max(axis=0)
    assert 17 < reach[0] <= 20.5  # a quarter of the width
    assert 3.5 < reach[1] <= 5.5  # a quarter of the height


def test_published_ranges_keep_area_and_place() -> None:
    mask, rng = disc(), np.random.default_rng(0)
    ranges = MaskDeformation(dilation=0)
    for _ in range(40):
        rough = deform_mask(mask, ranges, rng)
        assert 0.6 < rough.sum() / mask.sum() < 1.6
        assert np.abs(centre_of(rough) - centre_of(mask)).max() < 2 * 0.1 * 61 + 1
        assert (rough & mask).sum() / (rough | mask).sum() > 0.45


def test_the_spline_changes_the_shape() -> None:
    mask = disc()
    ranges = MaskDeformation(scale=0, shift=0, spline_points=5, spline_shift=0.1, dilation=0)
    rough = deform_mask(mask, ranges, np.random.default_rng(1))
    assert 0.6 < (rough & mask).sum() / (rough | mask).sum() < 0.97


def test_dilation_comes_on_top() -> None:
    mask = disc()
    ranges = MaskDeformation(scale=0, shift=0, spline_points=0, dilation=5)
    rough = deform_mask(mask, ranges, np.random.default_rng(0))
    np.testing.assert_array_equal(rough, dilate(mask.astype(np.uint8), 5) > 0)


def test_empty_stays_empty() -> None:
    rough = deform_mask(np.zeros(SIZE, dtype=bool), MaskDeformation(), np.random.default_rng(0))
    assert rough.dtype == bool
    assert not rough.any()


def test_probability_of_an_empty_mask() -> None:
    rng = np.random.default_rng(0)
    ranges = MaskDeformation(empty=0.3)
    empty = sum(not deform_mask(disc(8), ranges, rng).any() for _ in range(300))
    assert 60 < empty < 120


def test_same_seed_same_mask() -> None:
    first, second, other = (
        deform_mask(disc(), MaskDeformation(), np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_one_pixel_object_becomes_the_disc() -> None:
    mask = np.zeros(SIZE, dtype=bool)
    mask[60, 80] = True
    for seed in range(20):
        rough = deform_mask(mask, MaskDeformation(), np.random.default_rng(seed))
        assert rough.sum() == 81
        np.testing.assert_array_equal(centre_of(rough), [80, 60])


@pytest.mark.parametrize("shape", ["row", "column", "diagonal", "pole", "two pixels"])
def test_thin_objects_are_not_torn(shape: str) -> None:
    mask = np.zeros(SIZE, dtype=bool)
    if shape == "row":
        mask[60, 40:120] = True
    elif shape == "column":
        mask[58:61, 80] = True
    elif shape == "diagonal":
        mask[np.arange(20, 100), np.arange(40, 120)] = True
    elif shape == "pole":
        mask[30:90, 80:82] = True
    else:
        mask[10, 10] = mask[100, 150] = True
    ranges = MaskDeformation(dilation=0)
    for seed in range(60):
        rough = deform_mask(mask, ranges, np.random.default_rng(seed))
        assert rough.sum() <= 1.8 * mask.sum() + 4


def test_objects_at_every_border() -> None:
    rng = np.random.default_rng(0)
    for window in (np.s_[:20, :], np.s_[-20:, :], np.s_[:, :20], np.s_[:, -20:], np.s_[:, :]):
        mask = np.zeros(SIZE, dtype=bool)
        mask[window] = True
        for _ in range(5):
            rough = deform_mask(mask, MaskDeformation(), rng)
            assert rough.shape == SIZE
            assert (rough & mask).sum() > 0.5 * mask.sum()


def test_rotation_and_shear_stay_in_their_ranges_and_fill_them() -> None:
    mask, rng = np.zeros(SIZE, dtype=bool), np.random.default_rng(0)
    mask[58:63, 30:130] = True  # a lying bar, so its slope is the angle
    ranges = MaskDeformation(**{**STILL.__dict__, "angle": 20.0})
    slopes = [slope_of(deform_mask(mask, ranges, rng)) for _ in range(60)]
    assert -20.5 < min(slopes) < -17
    assert 17 < max(slopes) < 20.5
    standing = np.zeros(SIZE, dtype=bool)
    standing[20:101, 78:83] = True
    ranges = MaskDeformation(**{**STILL.__dict__, "shear": 0.3})
    ends = [np.argwhere(deform_mask(standing, ranges, rng)[20])[:, 0].mean() for _ in range(60)]
    assert -0.3 * 40 - 1 < min(ends) - 80 < -0.25 * 40
    assert 0.25 * 40 < max(ends) - 80 < 0.3 * 40 + 1


def slope_of(mask: BinaryMask) -> float:
    ys, xs = np.nonzero(mask)
    return float(np.degrees(np.arctan(np.polyfit(xs, ys, 1)[0])))


def test_growth_is_relative_to_the_object() -> None:
    ranges = MaskDeformation(**{**STILL.__dict__, "growth": 0.1})
    for radius in (10, 30):
        mask = disc(radius)
        grown = deform_mask(mask, ranges, np.random.default_rng(0))
        reach = round(0.1 * mask.sum() ** 0.5)
        np.testing.assert_array_equal(grown, dilate(mask.astype(np.uint8), reach) > 0)


def test_ellipses_are_cut_out_of_the_object_and_added_around_it() -> None:
    mask, rng = disc(), np.random.default_rng(0)
    holes, blobs, counts = [], [], []
    for _ in range(60):
        without = deform_mask(mask, MaskDeformation(**{**STILL.__dict__, "removed": 3}), rng)
        assert not (without & ~mask).any()
        holes.append((mask & ~without).sum())
        extended = deform_mask(mask, MaskDeformation(**{**STILL.__dict__, "added": 1}), rng)
        assert (extended & mask).sum() == mask.sum()
        added = (extended & ~mask).astype(np.uint8)
        blobs.append(added.sum())
        counts.append(cv2.connectedComponents(added)[0] - 1)
        # centred in 1.5 times the box, and no longer than a fifth of the root of the area
        assert not added[:, : 80 - 46 - 11].any()
        assert not added[:, 80 + 46 + 11 :].any()
    assert min(holes) == 0  # three ellipses at most, none at least
    assert max(holes) > 0.02 * mask.sum()
    largest = np.pi * (0.2 * mask.sum() ** 0.5) ** 2
    assert max(holes) <= 3 * largest + 30
    assert 0.3 * largest < max(blobs) <= largest + 20
    assert max(counts) == 1


def test_ellipses_are_left_out_at_times() -> None:
    ranges = MaskDeformation(**{**STILL.__dict__, "removed": 50, "clean": 0.5})
    rng = np.random.default_rng(0)
    whole = sum((deform_mask(disc(), ranges, rng) == disc()).all() for _ in range(200))
    assert 75 < whole < 125


def test_box_is_that_of_the_mask_and_is_jittered() -> None:
    mask = disc(20) | disc(10, (110, 60))
    x, y, width, height = bounding_box(mask)
    box = deform_mask(mask, PREVIOUS_MASKS["box"], np.random.default_rng(0))
    assert bounding_box(box) == (x, y, width, height)
    assert box.sum() == width * height
    rng = np.random.default_rng(0)
    boxes = np.array(
        [bounding_box(deform_mask(mask, PREVIOUS_MASKS["jittered_box"], rng)) for _ in range(100)]
    )
    assert all(box.sum() == w * h for box, (_, _, w, h) in [(box, (x, y, width, height))])
    sides = boxes[:, 2:] / (width, height)
    assert 0.88 < sides.min() < 0.93
    assert 1.07 < sides.max() < 1.12
    moves = (boxes[:, :2] + boxes[:, 2:] / 2 - (x + width / 2, y + height / 2)) / (width, height)
    assert (np.abs(moves).max(axis=0) < 0.1 + 1 / height).all()
    assert (np.abs(moves).max(axis=0) > 0.085).all()


def test_partial_masks_are_cut_off_by_a_line() -> None:
    ranges = MaskDeformation(**{**STILL.__dict__, "partial": 1.0})
    mask, rng, shares = disc(), np.random.default_rng(0), []
    for _ in range(40):
        part = deform_mask(mask, ranges, rng)
        assert not (part & ~mask).any()
        missing = mask & ~part
        shares.append(part.sum() / mask.sum())
        if part.any() and missing.any():
            # a line parts the two: no mean of pixels of one side lies among the other's
            direction = centre_of(missing) - centre_of(part)
            inner = (np.argwhere(part)[:, ::-1] @ direction).max()
            outer = (np.argwhere(missing)[:, ::-1] @ direction).min()
            assert inner - outer < 0.2 * np.linalg.norm(direction) * 61
    assert min(shares) < 0.3
    assert max(shares) > 0.7
    whole = MaskDeformation(**{**STILL.__dict__, "partial": 0.3})
    cut = sum((deform_mask(mask, whole, rng) != mask).any() for _ in range(200))
    assert 35 < cut < 85


@pytest.mark.parametrize("name", PREVIOUS_MASKS)
def test_every_kind_of_rough_mask_still_finds_its_object(name: str) -> None:
    mask, rng = disc(), np.random.default_rng(0)
    overlaps = []
    for _ in range(40):
        rough = deform_mask(mask, PREVIOUS_MASKS[name], rng)
        assert rough.dtype == bool
        assert rough.shape == SIZE
        overlaps.append((rough & mask).sum() / (rough | mask).sum())
    assert np.median(overlaps) > 0.5


@pytest.mark.parametrize("name", PREVIOUS_MASKS)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 5)])
def test_tiny_frames(name: str, size: tuple[int, int]) -> None:
    for seed in range(20):
        rough = deform_mask(np.ones(size, bool), PREVIOUS_MASKS[name], np.random.default_rng(seed))
        assert rough.shape == size


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shift": -0.1}, "shift is -0.1"),
        ({"scale": 1.0}, "an object could vanish"),
        ({"empty": 1.5}, "a probability is 0 to 1"),
        ({"removed": -1}, "removed is -1"),
        ({"ellipse_axes": (0.2, 0.1)}, "two ascending sizes"),
        ({"shear": float("nan")}, "shear is nan"),
    ],
)
def test_ranges_that_cannot_be_drawn_from(change: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        MaskDeformation(**change)
