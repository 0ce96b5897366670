"""Affine maps, splines and resampling against closed forms."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment.geometry import (
    ThinPlateSpline,
    affine_matrix,
    apply_affine,
    inverse_affine,
    pixel_grid,
    sampling_map,
    warp,
    warp_labels,
)

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
    ],
)
def test_affine_closed_forms(options: dict[str, object], expected: tuple[float, float]) -> None:
    matrix = affine_matrix(CENTRE, **options)
    np.testing.assert_allclose(apply_affine(matrix, CORNER)[0], expected, atol=1e-12)


def test_inverse_affine_undoes_the_affine_map() -> None:
    matrix = affine_matrix(CENTRE, (1.3, 0.7), 33, (4, -2), mirror=True)
    points = pixel_grid((5, 7))
    returned = inverse_affine(matrix)(apply_affine(matrix, points))
    np.testing.assert_allclose(returned, points, atol=1e-12)


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
        np.testing.assert_allclose(ThinPlateSpline(source, target)(source), target, atol=1e-5)


@given(distinct_points)
@settings(max_examples=50, deadline=None)
def test_spline_without_shifts_is_the_identity(points: list[tuple[int, int]]) -> None:
    source = np.array(points, dtype=np.float64)
    grid = pixel_grid(SIZE)
    np.testing.assert_allclose(ThinPlateSpline(source, source)(grid), grid, atol=1e-9)


def test_spline_reproduces_an_affine_map() -> None:
    source = np.array([[3, 4], [90, 8], [10, 60], [70, 50], [40, 30]], dtype=np.float64)
    matrix = affine_matrix(CENTRE, (1.2, 0.8), 20, (3, -5))
    spline = ThinPlateSpline(source, apply_affine(matrix, source))
    grid = pixel_grid(SIZE)
    np.testing.assert_allclose(spline(grid), apply_affine(matrix, grid), atol=1e-8)


def test_spline_distinguishes_x_from_y() -> None:
    source = np.array([[20, 10], [60, 10], [20, 50], [60, 50], [40, 30]], dtype=np.float64)
    target = source + np.array([[0, 0], [0, 0], [0, 0], [0, 0], [5, -2]])
    moved = ThinPlateSpline(source, target)(np.array([40.0, 30.0]))
    np.testing.assert_allclose(moved, [45, 28], atol=1e-9)


def test_spline_takes_repeated_and_collinear_points() -> None:
    line = np.array([[5, 5], [15, 15], [15, 15], [40, 40]], dtype=np.float64)
    spline = ThinPlateSpline(line, line + np.array([3, 1]))
    np.testing.assert_allclose(spline(line), line + np.array([3, 1]), atol=1e-9)
    far = np.array([[500.0, -300.0]])
    np.testing.assert_allclose(spline(far), far + np.array([3, 1]), atol=1e-6)


def test_spline_of_one_point_is_a_shift() -> None:
    spline = ThinPlateSpline(np.array([[7.0, 9.0]]), np.array([[8.0, 11.0]]))
    grid = pixel_grid(SIZE)
    np.testing.assert_allclose(spline(grid), grid + np.array([1, 2]), atol=1e-9)


def test_smoothing_bends_less() -> None:
    source = np.array([[20, 10], [60, 10], [20, 50], [60, 50], [40, 30]], dtype=np.float64)
    target = source + np.array([[0, 0], [0, 0], [0, 0], [0, 0], [8, 0]])
    centre = source[-1]
    hit = ThinPlateSpline(source, target)(centre)[0] - 40
    smooth = ThinPlateSpline(source, target, smoothing=1.0)(centre)[0] - 40
    assert hit == pytest.approx(8)
    assert 0 < smooth < 6


@pytest.mark.parametrize("step", [1, 7, 8, 64])
@pytest.mark.parametrize("size", [SIZE, (64, 96), (1, 3)])
def test_sampling_map_is_exact_for_affine_maps(step: int, size: tuple[int, int]) -> None:
    backward = inverse_affine(affine_matrix((48, 32), (1.15, 0.9), 30, (10, -5), mirror=True))
    positions = sampling_map(size, backward, step)
    assert positions.shape == (*size, 2)
    assert positions.dtype == np.float32
    np.testing.assert_allclose(positions, backward(pixel_grid(size)), atol=1e-4)


def test_sampling_map_is_within_a_pixel_for_splines() -> None:
    rng = np.random.default_rng(0)
    size = (240, 432)
    angles = np.linspace(0, 2 * np.pi, 6)[:-1]
    outline = np.stack([200 + 60 * np.cos(angles), 120 + 60 * np.sin(angles)], axis=-1)
    for _ in range(5):
        spline = ThinPlateSpline(outline + rng.uniform(-12, 12, outline.shape), outline)
        error = np.abs(sampling_map(size, spline) - spline(pixel_grid(size)))
        assert error.max() < 1
        assert error.mean() < 0.02


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


def test_warp_labels_keeps_ids() -> None:
    labels = np.random.default_rng(0).choice([0, 3, 200, 255], SIZE).astype(np.uint8)
    backward = inverse_affine(affine_matrix((48, 32), (1.1, 1.1), 17, (3.3, -2.7)))
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
