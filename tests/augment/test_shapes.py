"""Outlines, sizes and splines of masks."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.geometry import BackwardMap, affine_matrix
from augment.shapes import MaskShape, bounding_box, dilate, draw_spline, outline_points
from tests.augment.test_deformation import SIZE, disc
from vos_core.errors import MaskError


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


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
@settings(max_examples=30, deadline=None)
def test_outline_points_lie_apart_on_the_outline(seed: int, count: int) -> None:
    mask = disc()
    points = outline_points(MaskShape.of(mask), count, 0.3, np.random.default_rng(seed))
    assert 1 <= len(points) <= count
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    for x, y in points.astype(int):
        assert mask[y, x]
        assert not inside[y, x]
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    assert (distances[~np.eye(len(points), dtype=bool)] > 0.3 * 61).all()


def test_outline_points_cover_the_outline() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate(
        [outline_points(MaskShape.of(disc()), 5, 0.3, rng) for _ in range(100)]
    ) - (80, 60)
    quadrants = np.histogram(np.arctan2(points[:, 1], points[:, 0]), 4, (-np.pi, np.pi))[0]
    assert quadrants.min() > 0.15 * quadrants.sum()


def many_shapes() -> dict[str, MaskShape]:
    """Shapes that are hard to bend: thin, tiny, of several parts, with holes."""
    masks = {name: np.zeros(SIZE, dtype=bool) for name in ("pole", "row", "pixel", "two", "ring")}
    masks["pole"][30:90, 80:82] = True
    masks["row"][60, 40:120] = True
    masks["pixel"][60, 80] = True
    masks["two"][20:40, 20:40] = masks["two"][80:90, 120:150] = True
    masks["ring"] = disc(50) & ~disc(30)
    masks["disc"] = disc()
    return {name: MaskShape.of(mask) for name, mask in masks.items()}


def test_a_shape_knows_its_extent_its_ends_and_its_size() -> None:
    mask = np.zeros(SIZE, dtype=bool)
    mask[10:90, 20:140] = True
    mask[40:60, 60:100] = False  # a hole is no part of the outer outline
    shape = MaskShape.of(mask)
    np.testing.assert_array_equal(shape.extent, [120, 80])
    np.testing.assert_array_equal(shape.centre, [79.5, 49.5])
    assert shape.size == pytest.approx((120 * 80 - 20 * 40) ** 0.5)
    assert len(shape.outline) <= 210
    assert 30 <= len(shape.inside) <= 70
    for x, y in np.concatenate([shape.outline, shape.inside]).astype(int):
        assert mask[y, x]
    for x, y in shape.outline:
        assert x in (20, 139) or y in (10, 89)
    steps = np.linalg.norm(np.diff(shape.outline, axis=0), axis=1)
    assert steps.max() < 4  # in order, evenly


def test_a_moved_shape_is_that_of_the_moved_mask() -> None:
    shape = MaskShape.of(disc(20, (60, 50)))
    matrix = affine_matrix((60, 50), (1.5, 1.5), 30, (20, 10))
    moved = shape.moved(BackwardMap.undo(matrix))
    expected = MaskShape.of(disc(30, (80, 60)))
    np.testing.assert_allclose(moved.centre, expected.centre, atol=1)
    np.testing.assert_allclose(moved.extent, expected.extent, atol=2)
    assert moved.size == pytest.approx(expected.size, rel=0.03)


def test_a_joint_shape_holds_all_its_parts() -> None:
    parts = [MaskShape.of(disc(10, (30, 30))), MaskShape.of(disc(20, (110, 80)))]
    joint = MaskShape.joint(parts)
    np.testing.assert_array_equal(joint.extent, [111, 81])
    assert joint.size == pytest.approx((parts[0].size ** 2 + parts[1].size ** 2) ** 0.5)


def test_an_empty_mask_has_no_shape() -> None:
    with pytest.raises(MaskError, match="empty"):
        MaskShape.of(np.zeros(SIZE, dtype=bool))


def test_no_points_or_no_shift_bend_nothing() -> None:
    shape, rng = MaskShape.of(disc()), np.random.default_rng(0)
    assert draw_spline(shape, 0, 0.1, rng) is None
    assert draw_spline(shape, 5, 0.0, rng) is None


@pytest.mark.parametrize("name", many_shapes())
@pytest.mark.parametrize("shift", [0.05, 0.1, 0.3])
def test_drawn_splines_have_an_inverse_and_keep_the_object_recognisable(
    name: str, shift: float
) -> None:
    shape = many_shapes()[name]
    around = np.linspace(-0.6, 0.6, 15)
    grid = np.stack(np.meshgrid(around, around), axis=-1) * shape.extent + shape.centre
    for seed in range(40):
        spline = draw_spline(shape, 5, shift, np.random.default_rng(seed))
        assert spline is not None
        np.testing.assert_allclose(spline(spline.inverse(grid)), grid, atol=1e-3)
        assert spline.steepness(grid).max() < 0.6
        moves = np.abs(spline(spline.source) - spline.source) / shape.extent
        assert moves.max() <= shift + 1e-9


def test_moves_fill_their_range() -> None:
    shape, rng = MaskShape.of(disc()), np.random.default_rng(0)
    moves = []
    for _ in range(100):
        spline = draw_spline(shape, 5, 0.05, rng)
        assert spline is not None
        moves.append((spline(spline.source) - spline.source) / shape.extent)
    spread = np.concatenate(moves)
    assert (spread.max(axis=0) > 0.047).all()
    assert (spread.min(axis=0) < -0.047).all()
    assert (np.abs(spread.mean(axis=0)) < 0.01).all()
    assert np.mean([len(each) for each in moves]) > 4
