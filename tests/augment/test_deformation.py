"""Rough masks: their ranges, and objects that are thin, tiny, empty or at the border."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.deformation import (
    MaskDeformation,
    bounding_box,
    deform_mask,
    dilate,
    draw_spline,
    outline_points,
)
from augment.geometry import pixel_grid
from vos_core.types import BinaryMask

SIZE = (121, 161)
STILL = MaskDeformation(scale=0, shift=0, spline_points=0, spline_shift=0, dilation=0)


def disc(radius: int = 30, centre: tuple[int, int] = (80, 60)) -> BinaryMask:
    return cv2.circle(np.zeros(SIZE, np.uint8), centre, radius, 1, -1) > 0


def centre_of(mask: BinaryMask) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0)[::-1]


def test_bounding_box() -> None:
    mask = np.zeros(SIZE, dtype=bool)
    mask[10:15, 20:27] = True
    assert bounding_box(mask) == (20, 10, 7, 5)


@pytest.mark.parametrize(("radius", "area"), [(0, 1), (1, 5), (2, 13), (5, 81)])
def test_dilation_is_a_true_disc(radius: int, area: int) -> None:
    mask = np.zeros((21, 21), dtype=np.uint8)
    mask[10, 10] = 3
    grown = dilate(mask, radius)
    ys, xs = np.nonzero(grown)
    assert (grown == 3).sum() == area
    assert ((ys - 10) ** 2 + (xs - 10) ** 2).max() <= radius**2


def test_dilation_of_a_label_map_lets_the_larger_id_win() -> None:
    labels = np.array([[1, 0, 0, 2]], dtype=np.uint8)
    np.testing.assert_array_equal(dilate(labels, 2), [[1, 2, 2, 2]])


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


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_outline_points_lie_apart_on_the_outline(seed: int, count: int) -> None:
    mask = disc()
    points = outline_points(mask, count, 0.3, np.random.default_rng(seed))
    assert 1 <= len(points) <= count
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    for x, y in points.astype(int):
        assert mask[y, x]
        assert not inside[y, x]
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    assert (distances[~np.eye(len(points), dtype=bool)] > 0.3 * 61).all()


def test_outline_points_cover_the_outline() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([outline_points(disc(), 5, 0.3, rng) for _ in range(100)]) - (80, 60)
    quadrants = np.histogram(np.arctan2(points[:, 1], points[:, 0]), 4, (-np.pi, np.pi))[0]
    assert quadrants.min() > 0.15 * quadrants.sum()


def test_draw_spline_without_points_or_shift_is_the_identity() -> None:
    grid = pixel_grid((5, 7))
    for count, shift in ((0, 0.1), (5, 0.0)):
        backward = draw_spline(disc(), count, shift, np.random.default_rng(0))
        np.testing.assert_array_equal(backward(grid), grid)
