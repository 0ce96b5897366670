"""Affine maps, splines and resampling against closed forms."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.geometry import (
    STEP,
    TOLERANCE,
    BackwardMap,
    ThinPlateSpline,
    affine_matrix,
    apply_affine,
    pixel_grid,
    sampling_map,
    warp,
    warp_affine,
    warp_labels,
)
from augment.shapes import Spline

SIZE = (65, 97)
CORNER = np.array([[13.0, 7.0]])
CENTRE = (10.0, 5.0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (13, 7)),
        ({"shift": (4, -1)}, (17, 6)),
        ({"scale": (2, 3)}, (16, 11)),
        ({"angle": 90}, (8, 8)),  # x turns towards y: clockwise on the screen
        ({"mirror": True}, (7, 7)),
        # scaling (6, 2), mirroring (-6, 2), rotation (-2, -6), then centre and shift
        ({"scale": (2, 1), "mirror": True, "angle": 90, "shift": (1, 1)}, (9, 0)),
        # (3, 2) from the centre; sheared (4, 2), then turned (-2, 4)
        ({"shear": 0.5}, (14, 7)),
        ({"shear": 0.5, "angle": 90}, (8, 9)),
    ],
)
def test_affine_closed_forms(options: dict[str, object], expected: tuple[float, float]) -> None:
    matrix = affine_matrix(CENTRE, **options)
    np.testing.assert_allclose(apply_affine(matrix, CORNER)[0], expected, atol=1e-12)


def test_a_backward_map_undoes_the_affine_map() -> None:
    matrix = affine_matrix(CENTRE, (1.3, 0.7), 33, (4, -2), mirror=True, shear=0.2)
    points = pixel_grid((5, 7))
    returned = BackwardMap.undo(matrix)(apply_affine(matrix, points))
    np.testing.assert_allclose(returned, points, atol=1e-12)
    np.testing.assert_allclose(
        BackwardMap.undo(matrix).inverse(returned),
        points @ matrix[:2, :2].T + matrix[:2, 2],
        atol=1e-12,
    )


def test_backward_maps_are_composed_from_the_output_to_the_input() -> None:
    """Enlarged first and shifted then, a pixel at 25 came from (25 - 5) / 2."""
    grow, move = affine_matrix((0, 0), (2, 2)), affine_matrix((0, 0), shift=(5, 0))
    both = BackwardMap.undo(move) + BackwardMap.undo(grow)
    np.testing.assert_allclose(both(np.array([[25.0, 8.0]])), [[10, 4]], atol=1e-12)
    np.testing.assert_allclose(both.inverse(np.array([[10.0, 4.0]])), [[25, 8]], atol=1e-12)
    bent = bend(seed=3)
    chain = BackwardMap.undo(move, bent)
    np.testing.assert_allclose(chain(CORNER), bent(CORNER - [5, 0]), atol=1e-12)


def test_pixel_grid_puts_x_first() -> None:
    grid = pixel_grid((3, 5))
    assert grid.shape == (3, 5, 2)
    np.testing.assert_array_equal(grid[2, 4], [4, 2])


distinct_points = st.lists(
    st.tuples(st.integers(-20, 500), st.integers(-20, 900)), min_size=1, max_size=7, unique=True
)


@given(distinct_points, st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_spline_hits_its_control_points(points: list[tuple[int, int]], seed: int) -> None:
    source = np.array(points, dtype=np.float64)
    target = source + np.random.default_rng(seed).uniform(-20, 20, source.shape)
    # points closer than this take weights too large for the tolerance below
    scaled = (source - source.mean(axis=0)) / max(np.ptp(source), 1)
    distances = np.linalg.norm(scaled[:, None] - scaled, axis=-1) + np.eye(len(scaled))
    if distances.min() > 0.02:
        np.testing.assert_allclose(ThinPlateSpline.fit(source, target)(source), target, atol=1e-5)


@given(distinct_points)
@settings(max_examples=50, deadline=None)
def test_spline_without_shifts_is_the_identity(points: list[tuple[int, int]]) -> None:
    source = np.array(points, dtype=np.float64)
    grid = pixel_grid(SIZE)
    np.testing.assert_allclose(ThinPlateSpline.fit(source, source)(grid), grid, atol=1e-9)


def test_spline_reproduces_an_affine_map() -> None:
    source = np.array([[3, 4], [90, 8], [10, 60], [70, 50], [40, 30]], dtype=np.float64)
    matrix = affine_matrix(CENTRE, (1.2, 0.8), 20, (3, -5))
    spline = ThinPlateSpline.fit(source, apply_affine(matrix, source))
    grid = pixel_grid(SIZE)
    np.testing.assert_allclose(spline(grid), apply_affine(matrix, grid), atol=1e-8)


def test_spline_distinguishes_x_from_y() -> None:
    source = np.array([[20, 10], [60, 10], [20, 50], [60, 50], [40, 30]], dtype=np.float64)
    target = source + np.array([[0, 0], [0, 0], [0, 0], [0, 0], [5, -2]])
    moved = ThinPlateSpline.fit(source, target)(np.array([[40.0, 30.0]]))
    np.testing.assert_allclose(moved, [[45, 28]], atol=1e-9)


def test_spline_takes_repeated_and_collinear_points() -> None:
    line = np.array([[5, 5], [15, 15], [15, 15], [40, 40]], dtype=np.float64)
    spline = ThinPlateSpline.fit(line, line + np.array([3, 1]))
    np.testing.assert_allclose(spline(line), line + np.array([3, 1]), atol=1e-9)
    far = np.array([[500.0, -300.0]])
    np.testing.assert_allclose(spline(far), far + np.array([3, 1]), atol=1e-6)


def test_spline_of_one_point_is_a_shift() -> None:
    spline = ThinPlateSpline.fit(np.array([[7.0, 9.0]]), np.array([[8.0, 11.0]]))
    grid = pixel_grid(SIZE)
    np.testing.assert_allclose(spline(grid), grid + np.array([1, 2]), atol=1e-9)


def test_smoothing_bends_less() -> None:
    source = np.array([[20, 10], [60, 10], [20, 50], [60, 50], [40, 30]], dtype=np.float64)
    target = source + np.array([[0, 0], [0, 0], [0, 0], [0, 0], [8, 0]])
    centre = source[-1:]
    hit = ThinPlateSpline.fit(source, target)(centre)[0, 0] - 40
    smooth = ThinPlateSpline.fit(source, target, smoothing=1.0)(centre)[0, 0] - 40
    assert hit == pytest.approx(8)
    assert 0 < smooth < 6


def bend(seed: int, size: float = 60.0, shift: float = 0.1, count: int = 5) -> Spline:
    """Move points on a circle around (200, 120) by a part of its diameter at most."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(0, 0.5, count)) / count
    outline = np.stack([200 + size * np.cos(angles), 120 + size * np.sin(angles)], axis=-1)
    moves = 2 * size * shift * rng.uniform(-1, 1, outline.shape)
    return ThinPlateSpline.fit(outline + moves, outline)


@pytest.mark.parametrize("seed", range(5))
def test_a_spline_is_undone_by_its_inverse(seed: int) -> None:
    spline, grid = bend(seed, shift=0.05), pixel_grid((240, 400))[::7, ::7]
    assert np.abs(spline(grid) - grid).max() > 3
    np.testing.assert_allclose(spline(spline.inverse(grid)), grid, atol=1e-3)
    np.testing.assert_allclose(spline.inverse(spline(grid)), grid, atol=3e-3)


def test_steepness_is_that_of_finite_differences() -> None:
    spline, grid = bend(2), pixel_grid((240, 400))[::13, ::13]
    small = 1e-4

    def moves(points: np.ndarray) -> np.ndarray:
        return spline(points) - points

    along = [(moves(grid + step) - moves(grid - step)) / (2 * small) for step in small * np.eye(2)]
    expected = np.linalg.norm(np.stack(along), axis=(0, -1))
    np.testing.assert_allclose(spline.steepness(grid)[..., 0], expected, atol=1e-6)


@pytest.mark.parametrize("step", [1, 7, 8, 64])
@pytest.mark.parametrize("size", [SIZE, (64, 96), (1, 3)])
def test_sampling_map_is_exact_for_affine_maps(step: int, size: tuple[int, int]) -> None:
    backward = BackwardMap.undo(affine_matrix((48, 32), (1.15, 0.9), 30, (10, -5), mirror=True))
    positions = sampling_map(size, backward, step)
    assert positions.shape == (*size, 2)
    assert positions.dtype == np.float32
    np.testing.assert_allclose(positions, backward(pixel_grid(size)), atol=1e-4)


@given(
    st.integers(0, 2**32 - 1),
    st.floats(1, 150),
    st.sampled_from([0.02, 0.05, 0.1]),
    st.integers(2, 8),
    st.floats(0.5, 2),
)
@settings(max_examples=60, deadline=None)
def test_sampling_map_keeps_its_tolerance(
    seed: int, size: float, shift: float, count: int, scale: float
) -> None:
    backward = BackwardMap.undo(
        affine_matrix((200, 120), (scale, scale), seed % 360), bend(seed, size, shift, count)
    )
    side = int(3 * size) + 1
    corner = (200 - side // 2, 120 - side // 2)
    exact = backward(pixel_grid((side, side)) + np.array(corner))
    step = 1 if size < 10 else STEP
    error = np.abs(sampling_map((side, side), backward, step, corner) - exact)
    assert error.max() < TOLERANCE


def test_sampling_map_evaluates_few_points_and_those_around_control_points_exactly() -> None:
    evaluated = []
    spline = bend(1, size=40, shift=0.15)

    def counting(points: np.ndarray) -> np.ndarray:
        evaluated.append(points.size // 2)
        return spline(points)

    positions = sampling_map((240, 432), counting)
    assert len(evaluated) == 2
    assert sum(evaluated) < 0.2 * 240 * 432
    error = np.abs(positions - spline(pixel_grid((240, 432)))).max(axis=-1)
    strong = np.linalg.norm(spline.weights[:-3], axis=1) > 4
    for x, y in np.rint(spline.source[strong]).astype(int):
        if 0 <= x < 432 and 0 <= y < 240:
            assert error[y - 2 : y + 3, x - 2 : x + 3].max() < 1e-4
    assert error.max() > 1e-3  # elsewhere it is interpolated


def test_a_window_is_a_part_of_the_frame() -> None:
    backward = BackwardMap.undo(affine_matrix((200, 120), (0.9, 1.1), 20), bend(7))
    frame = sampling_map((240, 432), backward)
    for corner, size in (((0, 0), (5, 7)), ((183, 61), (90, 33)), ((-9, -13), (30, 31))):
        x, y = corner
        window = sampling_map(size, backward, corner=corner)
        inner = window[max(-y, 0) :, max(-x, 0) :]
        part = frame[max(y, 0) : y + size[0], max(x, 0) : x + size[1]]
        np.testing.assert_allclose(inner, part, atol=1e-4)


def test_warp_shows_the_input_position() -> None:
    image = np.arange(SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE)
    positions = sampling_map(SIZE, lambda points: points + np.array([3, 2]))
    warped = warp(image, positions)
    np.testing.assert_allclose(warped[:-2, :-3], image[2:, 3:], atol=1e-2)


def test_warp_keeps_dtype_and_channels_and_fills_outside() -> None:
    image = np.full((*SIZE, 3), 200, dtype=np.uint8)
    positions = sampling_map(SIZE, lambda points: points - [10, 0])
    reflected = warp(image, positions)
    assert reflected.dtype == np.uint8
    assert (reflected == 200).all()
    constant = warp(image, positions, border=cv2.BORDER_CONSTANT)
    assert (constant[:, :9] == 0).all()
    assert (constant[:, 10:] == 200).all()


def test_an_affine_warp_needs_no_grid() -> None:
    image = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    turn = BackwardMap.undo(affine_matrix((48, 32), (1.1, 0.9), 17, mirror=True))
    backward = turn + BackwardMap.undo(affine_matrix((0, 0), shift=(30.5, -8.25)))
    expected = warp(image, sampling_map(SIZE, backward)).astype(int)
    assert np.abs(warp_affine(image, backward) - expected).max() <= 1


def test_warp_labels_keeps_ids() -> None:
    labels = np.random.default_rng(0).choice([0, 3, 200, 255], SIZE).astype(np.uint8)
    backward = BackwardMap.undo(affine_matrix((48, 32), (1.1, 1.1), 17, (3.3, -2.7)))
    warped = warp_labels(labels, sampling_map(SIZE, backward))
    assert set(np.unique(warped)) == {0, 3, 200, 255}


def test_warp_labels_by_whole_pixels_is_exact_and_fills_outside() -> None:
    labels = np.random.default_rng(0).integers(1, 200, SIZE).astype(np.uint8)
    positions = sampling_map(SIZE, lambda points: points + np.array([3, -2]))
    np.testing.assert_array_equal(warp_labels(labels, positions)[2:, :-3], labels[:-2, 3:])
    assert (warp_labels(labels, positions)[:2] == 0).all()
    assert (warp_labels(labels, positions, outside=255)[:2] == 255).all()


def test_warp_labels_sends_exact_halves_one_way() -> None:
    labels = np.arange(8, dtype=np.uint8)[None]
    positions = np.stack([np.arange(8) + 0.49, np.zeros(8)], axis=-1)[None].astype(np.float32)
    np.testing.assert_array_equal(warp_labels(labels, positions), labels)
