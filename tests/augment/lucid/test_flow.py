"""The exact flow of dreams: closed forms, and what it says about the two frames."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from augment.geometry import BackwardMap, ThinPlateSpline, affine_matrix, apply_affine, pixel_grid
from augment.lucid import (
    PRESETS,
    Dream,
    DreamFlow,
    LucidDreamer,
    LucidRanges,
    LucidScene,
    dream_flow,
)
from tests.augment.lucid.scenes import FROZEN, SIZE, scene_of
from vos_core.flow import warp_backward

STILL = BackwardMap.undo(np.eye(3))


def scene() -> LucidScene:
    """A smooth picture with two objects that differ from it in colour and lie close together."""
    ys, xs = np.mgrid[: SIZE[0], : SIZE[1]]
    image = np.stack([90 + 50 * np.sin(xs / 9), 110 + 40 * np.cos(ys / 8), 100 + xs / 2], -1)
    labels = np.zeros(SIZE, dtype=np.uint8)
    cv2.circle(labels, (48, 44), 20, 3, -1)
    labels[50:80, 64:104] = 200
    image[labels == 3] += (60, -30, 20)
    image[labels == 200] += (-40, 50, 40)
    return scene_of(np.clip(image, 0, 255).astype(np.uint8), labels)


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
    found = dream_flow(
        now, before, {0: STILL, 1: BackwardMap.undo(affine_matrix((0, 0), shift=(7, -5)))}
    )
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
    maps = {0: STILL, 1: BackwardMap.undo(matrix)}
    found = dream_flow(everything, everything, maps)
    grid = pixel_grid(SIZE)
    np.testing.assert_allclose(found.forward, apply_affine(matrix, grid) - grid, atol=1e-4)
    inverse = apply_affine(np.linalg.inv(matrix), grid) - grid
    np.testing.assert_allclose(found.backward, inverse, atol=1e-4)
    reached = np.rint(grid + found.forward)
    outside = (reached < 0).any(-1) | (reached >= (SIZE[1], SIZE[0])).any(-1)
    np.testing.assert_array_equal(found.disappearing, outside)


def test_a_bend() -> None:
    """Backward flow is the spline itself, forward flow its inverse, to a tenth of a pixel."""
    everything = np.ones(SIZE, dtype=np.uint8)
    corners = np.array([[30, 20], [95, 25], [90, 80], [35, 75], [60, 50]], dtype=np.float64)
    moves = np.array([[3, 0], [0, 4], [-3, 1], [2, 2], [-2, -4]])
    spline = ThinPlateSpline.fit(corners + moves, corners)
    matrix = affine_matrix((60, 50), (1.05, 1.05), 4, (3, -2))
    motion = BackwardMap.undo(matrix, spline)
    found = dream_flow(everything, everything, {0: STILL, 1: motion})
    grid = pixel_grid(SIZE)
    undone = apply_affine(np.linalg.inv(matrix), grid)
    np.testing.assert_allclose(found.backward, spline(undone) - grid, atol=0.1)
    there = grid + found.forward
    back = spline(apply_affine(np.linalg.inv(matrix), there))
    np.testing.assert_allclose(back, grid, atol=0.1)


def test_a_camera_moves_the_background_only() -> None:
    for seed in range(5):
        drawn, flow = dream(seed, replace(FROZEN, camera_shift=0.05))
        assert (flow.backward[drawn.label_map > 0] == 0).all()
        moved = flow.backward[drawn.label_map == 0]
        assert np.abs(moved - moved[0]).max() < 1e-4
        assert np.abs(moved[0]).max() > 0.1


@pytest.mark.parametrize("preset", ["paper", "official_code", "adaptation"])
def test_where_only_the_camera_moves_objects_have_no_flow(preset: str) -> None:
    ranges = replace(PRESETS[preset], only_camera=1.0, only_objects=0.0, group=False)
    for seed in range(3):
        drawn, flow = dream(seed, ranges)
        assert np.abs(flow.backward[drawn.label_map > 0]).max(initial=0) == 0
        assert np.abs(flow.backward[drawn.label_map == 0]).max() > 1


def test_an_object_leaves_the_background_still() -> None:
    drawn, flow = dream(1, replace(FROZEN, motion_shift=0.3, motion_angle=10))
    assert (flow.backward[drawn.label_map == 0] == 0).all()
    assert all(np.abs(flow.backward[drawn.label_map == i]).max() > 1 for i in (3, 200))


@pytest.mark.parametrize("preset", ["paper", "official_code", "adaptation"])
@pytest.mark.parametrize("seed", range(5))
def test_the_frame_before_shows_the_same_there(seed: int, preset: str) -> None:
    drawn, flow = dream(seed, replace(PRESETS[preset], light=0, plate_light=0))
    visible = ~flow.newly_visible
    # at seams two layers that move apart are mixed
    inside = visible & ~near_seam(drawn.label_map)
    shifted = warped(near_seam(drawn.previous_label_map).astype(np.float32), flow.backward)
    solid = warped(np.ones(SIZE, np.float32), flow.backward)  # below 1 at the border of the frame
    inside &= (shifted == 0) & (solid > 0.999)
    assert inside.mean() > 0.3
    assert drawn.previous_image is not None
    difference = np.abs(warped(drawn.previous_image, flow.backward) - drawn.image)
    assert difference[inside].mean() < 1
    assert np.quantile(difference[inside], 0.99) < 3
    assert difference[visible].mean() < 3  # seams and all
    labels = warped(drawn.previous_label_map, flow.backward)[inside].round()
    assert (labels == drawn.label_map[inside]).mean() > 0.99


@pytest.mark.parametrize("preset", ["paper", "official_code", "adaptation"])
@pytest.mark.parametrize("seed", range(3))
def test_forward_and_backward_are_inverse(seed: int, preset: str) -> None:
    drawn, flow = dream(seed, PRESETS[preset])
    checked = 0
    for i in (0, 3, 200):
        there = drawn.previous_label_map == i
        owned = (drawn.label_map == i) & ~flow.newly_visible
        # between pixels of one layer, forward flow is interpolated
        owned &= warped(there.astype(np.float32), flow.backward) > 0.9999
        forward = warped(np.where(there[..., None], flow.forward, 0), flow.backward)
        np.testing.assert_allclose((flow.backward + forward)[owned], 0, atol=0.1)
        checked += owned.sum()
    assert checked > 0.3 * drawn.label_map.size


@pytest.mark.parametrize("seed", range(4))
def test_occlusion_is_what_the_depth_order_says(seed: int) -> None:
    """What an object in front covered in the frame before comes into sight, and the border."""
    ranges = replace(FROZEN, motion_shift=0.6, camera_shift=0.05, motion_spline=0.05)
    dreamer, place = LucidDreamer(ranges, pair=True, flow=True), scene()
    plan = dreamer.draw(place, np.random.default_rng(seed))
    drawn = dreamer.render(place, plan)
    flow = drawn.flow
    assert flow is not None
    maps, order = plan.motions(), [0, *plan.object_ids]
    square = np.ones((3, 3), np.uint8)
    counts = {True: 0, False: 0}
    for depth, owner in enumerate(order):
        pixels = np.argwhere(drawn.label_map == owner)[::7, ::-1].astype(np.float64)
        there = maps[owner](pixels)
        outside = ((there < -0.5) | (there > np.array(SIZE[::-1]) - 0.5)).any(axis=1)
        hidden, unsure = outside.copy(), np.zeros(len(pixels), dtype=bool)
        for each in plan.objects[depth:]:
            source = np.rint(each.layer.before(there)).astype(int)
            mask = place.cut_outs[each.source].mask(SIZE)
            mask = np.pad(mask.astype(np.uint8), 200)  # it is nowhere else
            covered = mask[source[:, 1] + 200, source[:, 0] + 200] > 0
            rim = cv2.dilate(mask, square) != cv2.erode(mask, square)
            unsure |= rim[source[:, 1] + 200, source[:, 0] + 200]
            hidden |= covered
        if owner:  # nor is it known at the object's own edge, which is rounded in both frames
            own = plan.find(owner)
            assert own is not None
            source = np.rint(own.layer.before(there)).astype(int)
            mask = place.cut_outs[own.source].mask(SIZE).astype(np.uint8)
            unsure |= (cv2.dilate(mask, square) != cv2.erode(mask, square))[
                source[:, 1], source[:, 0]
            ]
        told = flow.newly_visible[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
        sure = ~unsure & ~(np.abs(there - np.rint(there)) > 0.499).any(axis=1)
        np.testing.assert_array_equal(told[sure], hidden[sure])
        for value in told[sure]:
            counts[bool(value)] += 1
    assert min(counts.values()) > 20


def test_flow_is_drawn_only_if_asked_for_and_changes_no_dream() -> None:
    plain = LucidDreamer()(scene(), np.random.default_rng(0))
    assert plain.flow is None
    with_flow, _ = dream(0, LucidRanges())
    np.testing.assert_array_equal(plain.image, with_flow.image)
    np.testing.assert_array_equal(plain.previous_label_map, with_flow.previous_label_map)
