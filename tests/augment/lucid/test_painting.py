"""Painted dreams: what they keep of their source."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from augment.geometry import sampling_map, warp
from augment.lucid import LucidDreamer, LucidRanges, LucidScene
from augment.lucid.batched import BatchPainter
from augment.lucid.painting import Painter, blur_kernel
from tests.augment.lucid.scenes import FROZEN, SIZE, dream, frame, scene_of, scene_of_a_disc


def test_zero_ranges_reproduce_the_frame() -> None:
    image, labels = frame()
    still = dream(FROZEN, pair=True)
    np.testing.assert_array_equal(still.label_map, labels)
    np.testing.assert_array_equal(still.previous_label_map, still.label_map)
    np.testing.assert_array_equal(still.previous_image, still.image)
    square = np.ones((7, 7), np.uint8)  # around an object the plate is filled
    edge = cv2.dilate(still.label_map, square) != cv2.erode(still.label_map, square)
    np.testing.assert_array_equal(still.image[~edge], image[~edge])


def test_same_seed_same_dream() -> None:
    first, second, other = (dream(LucidRanges(), seed, pair=True) for seed in (4, 4, 5))
    for name in ("image", "label_map", "previous_image", "previous_label_map"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        assert (getattr(first, name) != getattr(other, name)).any()


def test_the_pictured_pair_has_the_labels_of_the_unpictured_one() -> None:
    for seed in range(5):
        single, pair = dream(LucidRanges(), seed), dream(LucidRanges(), seed, pair=True)
        assert single.previous_image is None
        np.testing.assert_array_equal(single.image, pair.image)
        np.testing.assert_array_equal(single.label_map, pair.label_map)
        np.testing.assert_array_equal(single.previous_label_map, pair.previous_label_map)


def test_dreams_hold_the_source_ids_and_sane_values() -> None:
    for seed in range(20):
        dreamt = dream(LucidRanges(), seed, pair=True)
        for picture in (dreamt.image, dreamt.previous_image):
            assert picture is not None
            assert picture.dtype == np.uint8
            assert picture.shape == (*SIZE, 3)
        for labels in (dreamt.label_map, dreamt.previous_label_map):
            assert labels.dtype == np.uint8
            assert labels.shape == SIZE
            assert set(np.unique(labels)) <= {0, 3, 200, 255}
        assert np.isin(dreamt.label_map, (3, 200)).any()


@pytest.mark.parametrize("seed", range(5))
def test_the_picture_moves_with_its_labels(seed: int) -> None:
    image = np.full((*SIZE, 3), 90, dtype=np.uint8)
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[30:50, 40:80] = 7
    image[labels == 7] = (200, 60, 60)
    ranges = replace(FROZEN, object_placement=0.2, object_scale=0.15, object_angle=30)
    dreamt = LucidDreamer(ranges)(scene_of(image, labels), np.random.default_rng(seed))
    red = dreamt.image[..., 0].astype(int) - dreamt.image[..., 1] > 70
    assert (red == (dreamt.label_map == 7)).mean() > 0.99


def test_the_front_object_owns_the_overlap() -> None:
    image = np.full((*SIZE, 3), 90, dtype=np.uint8)
    colours = {1: np.array([220, 40, 40]), 2: np.array([40, 40, 220])}
    whole = {1: np.zeros(SIZE, dtype=bool), 2: np.zeros(SIZE, dtype=bool)}
    whole[1][30:70, 30:80] = True
    whole[2][45:85, 60:110] = True
    cut_outs = []
    for object_id, mask in whole.items():
        painted = image.copy()
        painted[mask] = colours[object_id]
        labels = np.where(mask, object_id, 0).astype(np.uint8)
        cut_outs += scene_of(painted, labels).cut_outs
    scene = LucidScene((image,), tuple(cut_outs), (None,))
    overlap = cv2.erode((whole[1] & whole[2]).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    fronts = []
    for seed in range(20):
        dreamer = LucidDreamer(FROZEN)
        plan = dreamer.draw(scene, np.random.default_rng(seed))
        still = dreamer.render(scene, plan)
        owners = np.unique(still.label_map[whole[1] & whole[2]])
        assert owners.tolist() == [plan.object_ids[-1]]
        np.testing.assert_array_equal(
            still.image[overlap], np.tile(colours[owners[0]], (overlap.sum(), 1))
        )
        fronts.append(int(owners[0]))
    assert set(fronts) == {1, 2}


def test_a_thin_object_stays_in_its_labels() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[40, 10:100] = 4
    scene = scene_of(np.full((*SIZE, 3), 50, np.uint8), labels)
    dreamt = LucidDreamer(FROZEN)(scene, np.random.default_rng(0))
    np.testing.assert_array_equal(dreamt.label_map, labels)


def test_an_object_cut_off_by_the_frame_gets_no_dark_edge() -> None:
    image = np.full((*SIZE, 3), 180, dtype=np.uint8)
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[:40, :50] = 1
    scene = scene_of(image, labels)
    ranges = replace(LucidRanges(), object_placement=0.4, light=0)
    for seed in range(5):
        assert LucidDreamer(ranges)(scene, np.random.default_rng(seed)).image.min() >= 178


def test_light_follows_the_published_curve() -> None:
    image = np.zeros((*SIZE, 3), dtype=np.uint8)
    image[:] = np.arange(SIZE[1], dtype=np.uint8)[None, :, None]
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[40:50, 60:70] = 1
    scene = scene_of(image, labels)
    gains, powers = [], []
    ranges = replace(FROZEN, light=1, illumination_gain=0.05, illumination_power=0.3)
    dreamer = LucidDreamer(replace(ranges, illumination_offset=0))
    for seed in range(60):
        picture = dreamer(scene, np.random.default_rng(seed)).image
        at = np.array([32, 64, 96, 128])
        power, offset = np.polyfit(np.log(at / 255), np.log(picture.max(axis=-1)[10, at] / 255), 1)
        gains.append(np.exp(offset))
        powers.append(power)
    assert 0.93 < min(gains) < 0.97
    assert 1.03 < max(gains) < 1.07
    assert 0.67 < min(powers) < 0.76
    assert 1.24 < max(powers) < 1.33


def test_a_gray_frame_stays_gray() -> None:
    image, labels = frame()
    gray = np.repeat(image[..., :1], 3, axis=-1)
    scene = scene_of(gray, labels)
    dreamer = LucidDreamer(replace(FROZEN, light=1, plate_light=1))
    for seed in range(5):
        dreamt = dreamer(scene, np.random.default_rng(seed)).image.astype(int)
        assert np.ptp(dreamt, axis=-1).max() == 0
        assert np.abs(dreamt[..., 0] - gray[..., 0]).max() > 3


def test_light_may_fall_on_the_plate_alone() -> None:
    image, labels = frame()
    dreamt = dream(replace(FROZEN, plate_light=1), 1)
    inside = cv2.erode((labels == 200).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    np.testing.assert_array_equal(dreamt.image[inside], image[inside])
    assert np.abs(dreamt.image[labels == 0].astype(int) - image[labels == 0]).mean() > 3


def test_the_plate_moves_apart_from_the_objects() -> None:
    _, labels = frame()
    ranges = replace(FROZEN, background_shift=0.1, background_angle=10, camera_shift=0.05)
    dreamt = dream(ranges, 1, pair=True)
    assert dreamt.previous_image is not None
    still = dream(FROZEN)
    for object_id in (3, 200):
        here, there = dreamt.label_map == object_id, still.label_map == object_id
        np.testing.assert_array_equal(here, there)
    background = (labels == 0) & (dreamt.label_map == 0)
    assert np.abs(dreamt.image.astype(int) - still.image)[background].mean() > 3
    assert np.abs(dreamt.image.astype(int) - dreamt.previous_image)[background].mean() > 1
    inside = cv2.erode((labels == 200).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    np.testing.assert_array_equal(dreamt.image[inside], still.image[inside])


def test_other_masks_are_carried_along() -> None:
    _, labels = frame()
    dreamer, scene = LucidDreamer(LucidRanges()), scene_of(*frame())
    part = np.where(labels == 200, 9, 0).astype(np.uint8)
    part[:, :60] = 100
    for seed in range(5):
        plan = dreamer.draw(scene, np.random.default_rng(seed))
        dreamt = dreamer.render(scene, plan)
        moved = Painter(scene, plan).carry(part)
        assert set(np.unique(moved)) <= {0, 9, 100}
        box = dreamt.label_map == 200
        assert not box.any() or (moved[box] == 9).mean() > 0.97
        assert (moved[dreamt.label_map == 3] == 100).all()
        assert not (moved[~box] == 9).any()


@pytest.mark.parametrize("seed", range(4))
def test_layers_are_painted_as_over_the_whole_frame(seed: int) -> None:
    """Though only the window around each object is touched; its seam reaches beyond it."""
    scene = scene_of(*frame())
    dreamer = LucidDreamer(replace(LucidRanges(), light=0, object_placement=0.3))
    plan = dreamer.draw(scene, np.random.default_rng(seed))
    dreamt = dreamer.render(scene, plan)
    image = warp(scene.plates[0], sampling_map(SIZE, plan.plate.now)).astype(np.float32)
    labels = np.zeros(SIZE, dtype=np.uint8)
    for each in plan.objects:
        cut_out = scene.cut_outs[each.source]
        positions = sampling_map(SIZE, each.layer.now) - np.array(cut_out.corner, np.float32)
        rgba = warp(cut_out.rgba, positions, border=cv2.BORDER_CONSTANT)
        solid = warp(cut_out.solid, positions, border=cv2.BORDER_CONSTANT) > 127
        image += rgba[..., 3:] / np.float32(255) * (rgba[..., :3] - image)
        labels[solid] = each.object_id
    labels[(labels == 0) & (dreamt.label_map == 255)] = 255
    np.testing.assert_array_equal(dreamt.label_map, labels)
    assert np.abs(dreamt.image - image).max() <= 1.01  # each layer is rounded


def test_a_sharp_picture_has_no_kernel_and_every_kernel_keeps_the_light() -> None:
    assert blur_kernel(0.0, np.zeros(2)) is None
    for sigma, motion in ((1.5, (0.0, 0.0)), (0.0, (7.0, -3.0)), (2.0, (5.0, 5.0))):
        kernel = blur_kernel(sigma, np.array(motion))
        assert kernel is not None
        assert kernel.sum() == pytest.approx(1)
        at = np.arange(len(kernel)) - len(kernel) // 2
        mean = np.array([kernel.sum(axis=0) @ at, kernel.sum(axis=1) @ at])
        np.testing.assert_allclose(mean, 0, atol=1e-3)
        # the variance of a box as long as the motion, of the defocus, and of sharing a point
        # between the pixels around it
        spread = np.array([kernel.sum(axis=0) @ at**2, kernel.sum(axis=1) @ at**2])
        expected = sigma**2 + np.array(motion) ** 2 / 12 + (np.array(motion) != 0) / 6
        np.testing.assert_allclose(spread, expected, rtol=0.05)


def test_a_fast_object_is_blurred_along_its_way_and_its_labels_are_not() -> None:
    scene = scene_of_a_disc()
    sharp = replace(FROZEN, motion_shift=(0.5,))  # by half its size, right and down
    for blurred in (replace(sharp, shutter=1.0), replace(sharp, object_blur=(3.0,))):
        rng = [np.random.default_rng(2) for _ in range(2)]
        one, other = (LucidDreamer(r)(scene, g) for r, g in zip((sharp, blurred), rng, strict=True))
        np.testing.assert_array_equal(one.label_map, other.label_map)
        edge = cv2.Canny(one.label_map, 1, 1) > 0
        assert np.abs(one.image.astype(int) - other.image)[edge].mean() > 5
        far = cv2.dilate((one.label_map > 0).astype(np.uint8), np.ones((41, 41))) == 0
        np.testing.assert_array_equal(one.image[far], other.image[far])


def test_the_camera_blurs_the_plate() -> None:
    image, labels = frame()
    image = np.random.default_rng(0).integers(0, 255, image.shape, dtype=np.uint8)
    scene = scene_of(image, labels)
    background = cv2.dilate(labels, np.ones((9, 9))) == 0
    for ranges in (
        replace(FROZEN, camera_shift=(0.05,), shutter=1.0),
        replace(FROZEN, background_blur=(2.0,)),
    ):
        dreamt = LucidDreamer(ranges)(scene, np.random.default_rng(1))
        assert dreamt.image[background].std() < 0.6 * image[background].std()
        assert dreamt.image[background].mean() == pytest.approx(image[background].mean(), abs=3)


@pytest.mark.parametrize("side", [1, 3, 8])
def test_enlarged_objects_are_whole(side: int) -> None:
    """Their soft edges and halves of pixels grow with them."""
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[50 : 50 + side, 60 : 60 + side] = 1
    image = np.full((*SIZE, 3), 20, dtype=np.uint8)
    image[labels == 1] = 250
    scene = scene_of(image, labels)
    scale = 40 / side
    dreamer = LucidDreamer(replace(FROZEN, least_side=40 / SIZE[0]))
    plan = dreamer.draw(scene, np.random.default_rng(0))
    assert plan.objects[0].layer.place[0].scale == pytest.approx(scale)
    dreamt = dreamer.render(scene, plan)
    together = BatchPainter([scene], torch.device("cpu"))([(0, plan)])
    # but for pixels of which half is covered, to the last digit
    assert (together.label_map[0].numpy() != dreamt.label_map).sum() <= 8
    assert np.abs(together.image[0].permute(1, 2, 0).numpy() * 255 - dreamt.image).max() < 2
    # a pixel that is resampled bilinearly gets a round shape
    assert 0.55 * 40**2 < (dreamt.label_map == 1).sum() < 1.1 * 40**2


@pytest.mark.parametrize("blurred", [{"object_blur": (4.0,)}, {"shutter": 1.0}])
def test_a_blurred_object_is_opaque_at_the_border_of_the_frame(blurred: dict) -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[20:80, 40:100] = 1
    image = np.full((*SIZE, 3), 20, dtype=np.uint8)
    image[labels == 1] = 250
    scene = scene_of(image, labels)
    ranges = replace(FROZEN, motion_shift=(0.2,), **blurred)
    dreamer = LucidDreamer(ranges)
    plan = dreamer.draw(scene, np.random.default_rng(1))
    # across the right border, whichever way it moves
    place = replace(plan.objects[0].layer.place[0], shift=(55.0, 0.0))
    layer = replace(plan.objects[0].layer, place=(place,))
    shape = scene.cut_outs[0].shape.moved(layer.before)
    moved = replace(plan, objects=(replace(plan.objects[0], layer=layer, shape=shape),))
    dreamt = dreamer.render(scene, moved)
    middle = np.flatnonzero(dreamt.label_map[:, -1] == 1)[20:-20]
    assert len(middle) > 10
    assert dreamt.image[middle, -1].min() > 245
    together = BatchPainter([scene], torch.device("cpu"))([(0, moved)])
    assert np.abs(together.image[0].permute(1, 2, 0).numpy() * 255 - dreamt.image).max() < 3


def test_other_masks_are_mirrored_as_the_picture_is() -> None:
    _, labels = frame()
    scene = scene_of(*frame())
    plan = LucidDreamer(LucidRanges()).draw(scene, np.random.default_rng(0))
    carried = Painter(scene, plan).carry(np.where(labels == 0, 7, 9).astype(np.uint8))
    assert set(np.unique(carried)) == {0, 7, 9}
    behind = LucidDreamer().render(scene, plan).label_map == 0
    assert (carried[behind] == 7).mean() > 0.7
