"""The exact flow of dreams: closed forms, and what it says about the two frames."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from augment.dream_flow import DreamFlow, dream_flow
from augment.geometry import affine_matrix, apply_affine, pixel_grid
from augment.lucid import Dream, LucidDreamer, LucidRanges, LucidScene
from tests.augment.test_lucid import FROZEN, SIZE
from vos_core.flow import warp_backward

STILL = np.eye(3)
NO_LIGHT = {"illumination_gain": 0.0, "illumination_power": 0.0, "illumination_offset": 0.0}


def scene() -> LucidScene:
    """A smooth picture with two objects that differ from it in colour and lie close together."""
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.stack([90 + 50 * np.sin(xs / 9), 110 + 40 * np.cos(ys / 8), 100 + xs / 2], -1)
    labels = np.zeros(SIZE, dtype=np.uint8)
    cv2.circle(labels, (48, 44), 20, 3, -1)
    labels[50:80, 64:104] = 200
    image[labels == 3] += (60, -30, 20)
    image[labels == 200] += (-40, 50, 40)
    return LucidScene.from_frame(np.clip(image, 0, 255).astype(np.uint8), labels)


def dream(seed: int, ranges: LucidRanges) -> tuple[Dream, DreamFlow]:
    drawn = LucidDreamer(ranges, pair=True, flow=True)(scene(), np.random.default_rng(seed))
    assert drawn.flow is not None
    assert drawn.previous_image is not None
    return drawn, drawn.flow


def warped(values: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Bring (H, W) or (H, W, C) values from where the flow leads to where it starts."""
    stacked = torch.from_numpy(np.atleast_3d(values).astype(np.float32)).permute(2, 0, 1)[None]
    field = torch.from_numpy(flow).permute(2, 0, 1)[None]
    return warp_backward(stacked, field)[0].permute(1, 2, 0).numpy().reshape(values.shape)


def near_seam(label_map: np.ndarray) -> np.ndarray:
    """Mark what lies within three pixels of another layer."""
    kernel = np.ones((7, 7), np.uint8)
    return cv2.dilate(label_map, kernel) != cv2.erode(label_map, kernel)


def disc(centre: tuple[int, int], radius: int = 12) -> np.ndarray:
    label_map = np.zeros(SIZE, dtype=np.uint8)
    cv2.circle(label_map, centre, radius, 1, -1)
    return label_map


def test_a_shift() -> None:
    before, now = disc((40, 30)), disc((47, 25))
    found = dream_flow(now, before, {0: STILL, 1: affine_matrix((0, 0), shift=(7, -5))})
    assert (found.backward[now == 1] == (-7, 5)).all()
    assert (found.forward[before == 1] == (7, -5)).all()
    assert (found.backward[now == 0] == 0).all()
    # of the background, what the object has left comes into sight, and it covers what it comes to
    np.testing.assert_array_equal(found.newly_visible, (before == 1) & (now == 0))
    np.testing.assert_array_equal(found.disappearing, (now == 1) & (before == 0))


@pytest.mark.parametrize("motion", [{"scale": (1.2, 0.9)}, {"angle": 20.0}, {"mirror": True}])
def test_scale_and_rotation(motion: dict) -> None:
    everything = np.ones(SIZE, dtype=np.uint8)
    matrix = affine_matrix((60.0, 50.0), **motion)
    found = dream_flow(everything, everything, {1: matrix})
    grid = pixel_grid(SIZE)
    np.testing.assert_allclose(found.forward, apply_affine(matrix, grid) - grid, atol=1e-4)
    inverse = apply_affine(np.linalg.inv(matrix), grid) - grid
    np.testing.assert_allclose(found.backward, inverse, atol=1e-4)
    reached = np.rint(grid + found.forward)
    outside = (reached < 0).any(-1) | (reached >= (SIZE[1], SIZE[0])).any(-1)
    np.testing.assert_array_equal(found.disappearing, outside)


def test_a_camera_moves_the_background_only() -> None:
    for seed in range(5):
        drawn, flow = dream(seed, replace(FROZEN, camera_shift=0.05))
        assert (flow.backward[drawn.label_map > 0] == 0).all()
        moved = flow.backward[drawn.label_map == 0]
        assert (moved == moved[0]).all()
        assert np.abs(moved[0]).max() > 0.1


def test_an_object_leaves_the_background_still() -> None:
    drawn, flow = dream(1, replace(FROZEN, motion_shift=0.3, motion_angle=10))
    assert (flow.backward[drawn.label_map == 0] == 0).all()
    assert all(np.abs(flow.backward[drawn.label_map == i]).max() > 1 for i in (3, 200))


@pytest.mark.parametrize("seed", range(8))
def test_the_frame_before_shows_the_same_there(seed: int) -> None:
    drawn, flow = dream(seed, replace(LucidRanges(), **NO_LIGHT))
    # seams are feathered, and so a mixture of two layers that move apart
    inside = ~flow.newly_visible & ~near_seam(drawn.label_map)
    shifted = warped(near_seam(drawn.previous_label_map).astype(np.float32), flow.backward)
    solid = warped(np.ones(SIZE, np.float32), flow.backward)  # below 1 at the border of the frame
    inside &= (shifted == 0) & (solid > 0.999)
    assert inside.mean() > 0.4
    difference = np.abs(warped(drawn.previous_image, flow.backward) - drawn.image)[inside]
    assert difference.mean() < 1
    assert np.quantile(difference, 0.99) < 3
    labels = warped(drawn.previous_label_map, flow.backward)[inside].round()
    assert (labels == drawn.label_map[inside]).mean() > 0.99


@pytest.mark.parametrize("seed", range(4))
def test_forward_and_backward_are_inverse(seed: int) -> None:
    drawn, flow = dream(seed, LucidRanges())
    grid = pixel_grid(SIZE)
    reached = grid + flow.backward
    for i in (3, 200):
        owned = (drawn.label_map == i) & ~flow.newly_visible
        there = drawn.previous_label_map == i
        # the forward flow of one layer is affine: fitted on its pixels, it is known between them
        design = np.c_[grid[there], np.ones(there.sum())]
        fit, *_ = np.linalg.lstsq(design, flow.forward[there].astype(np.float64), rcond=None)
        forward = np.c_[reached[owned], np.ones(owned.sum())] @ fit
        np.testing.assert_allclose(flow.backward[owned] + forward, 0, atol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_occlusion_is_what_the_order_of_layers_says(seed: int) -> None:
    """An object on top hides what lies at the same place; nothing else does but the border."""
    drawn, flow = dream(seed, replace(FROZEN, motion_shift=0.4, camera_shift=0.05))
    reached = np.rint(pixel_grid(SIZE) + flow.backward).astype(int)
    for y, x in np.argwhere(np.ones(SIZE, dtype=bool))[::17]:
        there_x, there_y = reached[y, x]
        if not (0 <= there_x < SIZE[1] and 0 <= there_y < SIZE[0]):
            assert flow.newly_visible[y, x]
        else:
            shown = drawn.previous_label_map[there_y, there_x]
            assert flow.newly_visible[y, x] == (shown != drawn.label_map[y, x])
    assert flow.newly_visible.any()
    assert flow.disappearing.any()


def test_flow_is_drawn_only_if_asked_for_and_changes_no_dream() -> None:
    plain = LucidDreamer()(scene(), np.random.default_rng(0))
    assert plain.flow is None
    with_flow, _ = dream(0, LucidRanges())
    np.testing.assert_array_equal(plain.image, with_flow.image)
    np.testing.assert_array_equal(plain.previous_label_map, with_flow.previous_label_map)
