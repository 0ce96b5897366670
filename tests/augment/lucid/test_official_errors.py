"""Known errors of the released lucid-dreaming code that this one does not have."""

from dataclasses import replace

import numpy as np
import pytest

from augment.lucid import PRESETS, LucidDreamer, LucidRanges
from augment.shapes import MaskShape, draw_spline
from tests.augment.lucid.scenes import FROZEN, SIZE, centre_of, frame, scene_of

RELEASED = PRESETS["official_code"]


def test_the_second_frame_shows_only_objects_of_the_first() -> None:
    """It could choose an object that the first image had deleted, and break on the empty mask."""
    scene = scene_of(*frame())
    dreamer = LucidDreamer(replace(RELEASED, missing=0.5), pair=True, flow=True)
    lone = 0
    for seed in range(40):
        plan = dreamer.draw(scene, np.random.default_rng(seed))
        dream = dreamer.render(scene, plan)
        present = {0, 255, *plan.object_ids}
        lone += len(plan.objects) == 1
        assert set(np.unique(dream.label_map)) <= present
        assert set(np.unique(dream.previous_label_map)) <= present
    assert lone > 5


def test_a_frame_without_background_loses_no_object() -> None:
    """It took the first id of a label map for background, whichever that was."""
    labels = np.full(SIZE, 4, dtype=np.uint8)
    labels[:, 60:] = 9
    scene = scene_of(frame()[0], labels)
    assert scene.object_ids == [4, 9]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_spline_moves_along_the_axis_it_was_drawn_for(axis: int) -> None:
    """It wrote the moves of rows into x and those of columns into y."""
    mask = np.zeros(SIZE, dtype=bool)
    # 100 times as long as wide, so moves across are hundredths of those along
    if axis == 0:
        mask[48:49, 14:114] = True
    else:
        mask[4:94, 60:61] = True
    shape = MaskShape.of(mask)
    for seed in range(10):
        spline = draw_spline(shape, 5, 0.05, np.random.default_rng(seed))
        assert spline is not None
        moves = np.abs(spline(spline.source) - spline.source)
        assert moves[:, 1 - axis].max() <= 0.05
        assert moves[:, axis].max() > 0.5


def test_a_spline_bends_the_object_and_not_the_transposed_place() -> None:
    """It was fitted at (row, column) and evaluated at (x, y)."""
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[5:25, 90:120] = 1  # its transposed place would be outside of the frame
    scene = scene_of(frame()[0], labels)
    dreamer = LucidDreamer(replace(FROZEN, spline_shift=0.1))
    changed = [
        (dreamer(scene, np.random.default_rng(k)).label_map != labels).sum() for k in range(10)
    ]
    assert min(changed) > 5
    assert np.median(changed) > 25


def test_zooming_the_plate_keeps_its_shape() -> None:
    """Its two scales were no scales of the axes: one only modulated the rotation."""
    ranges = replace(FROZEN, camera_scale=(0.05,), camera_angle=(3.0,))
    plan = LucidDreamer(ranges).draw(scene_of(*frame()), np.random.default_rng(0))
    linear = plan.plate.motion.matrix()[:2, :2]
    np.testing.assert_allclose(linear @ linear.T, 1.05**2 * np.eye(2), atol=1e-12)


def test_the_camera_shifts_by_the_width_in_x_and_the_height_in_y() -> None:
    """It drew x from the height and y from the width."""
    ranges = replace(FROZEN, camera_shift=(0.05,))
    scene = scene_of(*frame())
    plan = LucidDreamer(ranges).draw(scene, np.random.default_rng(0))
    np.testing.assert_allclose(plan.plate.motion.shift, [0.05 * SIZE[1], 0.05 * SIZE[0]])


def test_mirrored_surroundings_show_no_object() -> None:
    """Padding by reflection would show ghosts of objects near the border."""
    image = np.full((*SIZE, 3), 90, dtype=np.uint8)
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[30:60, 2:30] = 1
    image[labels == 1] = (250, 20, 20)
    scene = scene_of(image, labels)
    ranges = replace(RELEASED, light=0, plate_light=0, camera_shift=0.2)
    for seed in range(20):
        dream = LucidDreamer(ranges, pair=True)(scene, np.random.default_rng(seed))
        assert dream.previous_image is not None
        for picture, ids in (
            (dream.image, dream.label_map),
            (dream.previous_image, dream.previous_label_map),
        ):
            red = picture[..., 0].astype(int) - picture[..., 1] > 115  # more than half
            assert (red & (ids == 0)).sum() < 0.03 * (ids == 1).sum() + 5


def test_flow_of_objects_has_x_first_as_that_of_the_background() -> None:
    """It stored the shift of objects with rows first."""
    scene = scene_of(*frame())
    dreamer = LucidDreamer(replace(FROZEN, motion_shift=0.3), flow=True)
    for seed in range(5):
        dream = dreamer(scene, np.random.default_rng(seed))
        assert dream.flow is not None
        way = centre_of(dream.label_map, 200) - centre_of(dream.previous_label_map, 200)
        inside = (dream.label_map == 200).sum() == (frame()[1] == 200).sum()
        if inside:  # not cut off by the frame or hidden
            flow = dream.flow.backward[dream.label_map == 200]
            np.testing.assert_allclose(flow.mean(axis=0), -way, atol=0.6)


def test_objects_that_stay_have_no_flow_while_the_camera_moves() -> None:
    """It left the flow of the background on them."""
    dreamer = LucidDreamer(replace(RELEASED, only_camera=1, only_objects=0, group=False), flow=True)
    dream = dreamer(scene_of(*frame()), np.random.default_rng(1))
    assert dream.flow is not None
    assert (dream.flow.backward[dream.label_map > 0] == 0).all()
    assert (dream.flow.backward[dream.label_map == 0] != 0).any()


def test_forward_flow_is_a_true_inverse() -> None:
    """It was the negated backward flow, right to first order only."""
    scene = scene_of(*frame())
    ranges = replace(FROZEN, motion_shift=0.3, motion_spline=0.1)
    dream = LucidDreamer(ranges, flow=True)(scene, np.random.default_rng(0))
    plan = LucidDreamer(ranges).draw(scene, np.random.default_rng(0))
    assert dream.flow is not None
    exact, first_order = [], []
    for object_id in (3, 200):
        pixels = np.argwhere(dream.previous_label_map == object_id)[:, ::-1]
        there = pixels + dream.flow.forward[pixels[:, 1], pixels[:, 0]]
        past = plan.motions()[object_id]
        exact.append(np.abs(past(there) - pixels).max())
        negated = pixels - (past(pixels.astype(np.float64)) - pixels)
        first_order.append(np.abs(past(negated) - pixels).max())
    assert max(exact) < 0.1
    assert max(first_order) > 0.3


def test_occlusion_is_there() -> None:
    """It produced none."""
    dream = LucidDreamer(LucidRanges(), flow=True)(scene_of(*frame()), np.random.default_rng(0))
    assert dream.flow is not None
    assert dream.flow.newly_visible.any()
    assert dream.flow.disappearing.any()


def test_rough_masks_belong_to_the_frame_before() -> None:
    """Its previous mask was the deformed mask of the very frame, unrelated to the flow."""
    scene = scene_of(*frame())
    dreamer = LucidDreamer(replace(FROZEN, motion_shift=(0.5,)))
    plan = dreamer.draw(scene, np.random.default_rng(0))
    dream = dreamer.render(scene, plan)
    each = plan.find(3)
    assert each is not None
    np.testing.assert_allclose(each.shape.centre, centre_of(dream.previous_label_map, 3), atol=0.6)
    assert np.abs(each.shape.centre - centre_of(dream.label_map, 3)).max() > 10
