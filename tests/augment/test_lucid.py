"""Lucid dreams: what they keep of their source, and what they draw."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from augment.deformation import bounding_box
from augment.geometry import affine_matrix, apply_affine, sampling_map, warp
from augment.lucid import CutOut, Dream, LucidDreamer, LucidRanges, LucidScene
from vos_core.errors import MaskError
from vos_core.types import Image, LabelMap

SIZE = (97, 129)
FROZEN = LucidRanges(
    object_scale=0,
    object_angle=0,
    object_placement=0,
    spline_shift=0,
    background_scale=0,
    background_angle=0,
    background_shift=0,
    motion_shift=0,
    motion_scale=0,
    motion_angle=0,
    camera_shift=0,
    mirror=0,
    illumination_gain=0,
    illumination_power=0,
    illumination_offset=0,
)


def frame() -> tuple[Image, LabelMap]:
    """A textured frame with a disc of id 3, a box of id 200, and a spot of void."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8), (0, 0), 3)
    labels = np.zeros(SIZE, dtype=np.uint8)
    cv2.circle(labels, (40, 40), 18, 3, -1)
    labels[60:85, 80:120] = 200
    labels[2:6, 2:6] = 255
    image[labels == 3] = (220, 40, 40)
    image[labels == 200] = (40, 220, 40)
    return image, labels


def dream(ranges: LucidRanges, seed: int = 0, pair: bool = False) -> Dream:
    scene = LucidScene.from_frame(*frame())
    return LucidDreamer(ranges, pair)(scene, np.random.default_rng(seed))


def dream_of_a_disc(ranges: LucidRanges, seed: int) -> Dream:
    """Dream of the disc alone, so that nothing hides it."""
    image, labels = frame()
    scene = LucidScene.from_frame(image, np.where(labels == 3, labels, 0).astype(np.uint8))
    return LucidDreamer(ranges)(scene, np.random.default_rng(seed))


def centre_of(labels: LabelMap, object_id: int) -> np.ndarray:
    return np.argwhere(labels == object_id).mean(axis=0)[::-1]


def test_scene_takes_the_frame_apart() -> None:
    image, labels = frame()
    scene = LucidScene.from_frame(image, labels)
    assert [cut_out.object_id for cut_out in scene.cut_outs] == [3, 200]
    for cut_out in scene.cut_outs:
        np.testing.assert_array_equal(cut_out.mask, labels == cut_out.object_id)
        (x, y), (height, width) = cut_out.corner, cut_out.rgba.shape[:2]
        window = np.s_[y : y + height, x : x + width]
        np.testing.assert_array_equal(cut_out.rgba[..., 3] > 0, cut_out.mask[window])
        np.testing.assert_array_equal(cut_out.rgba[..., :3], image[window])
    reds = (scene.plate.astype(int) - (220, 40, 40))[labels == 3]
    assert (np.abs(reds).max(axis=-1) > 20).all()


def test_scene_refuses_what_it_cannot_use() -> None:
    image, labels = frame()
    with pytest.raises(MaskError, match="no object"):
        LucidScene.from_frame(image, np.where(labels == 255, labels, 0))
    with pytest.raises(MaskError, match="129"):
        LucidScene.from_frame(image, labels[:-1])


def test_zero_ranges_reproduce_the_frame() -> None:
    image, labels = frame()
    still = dream(FROZEN, pair=True)
    objects = np.where(labels == 255, 0, labels)
    assert (still.label_map == objects).mean() >= 0.99
    np.testing.assert_array_equal(still.previous_label_map, still.label_map)
    np.testing.assert_array_equal(still.previous_image, still.image)
    error = np.abs(still.image.astype(int) - image)
    edge = cv2.dilate(cv2.Canny(objects, 1, 1), np.ones((7, 7), np.uint8)) > 0
    # eight-bit HSV loses a few levels
    assert error[~edge].mean() < 1
    assert error[~edge].max() <= 8


def test_same_seed_same_dream() -> None:
    first, second, other = (dream(LucidRanges(), seed, pair=True) for seed in (4, 4, 5))
    for name in ("image", "label_map", "previous_image", "previous_label_map"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        assert (getattr(first, name) != getattr(other, name)).any()


def test_the_pictured_pair_has_the_labels_of_the_unpictured_one() -> None:
    single, pair = dream(LucidRanges(), 3), dream(LucidRanges(), 3, pair=True)
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
            assert set(np.unique(labels)) <= {0, 3, 200}
        assert (dreamt.label_map > 0).any()


@pytest.mark.parametrize("moved", ["x", "y"])
def test_the_picture_moves_with_its_labels(moved: str) -> None:
    image = np.full((*SIZE, 3), 90, dtype=np.uint8)
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[30:50, 40:80] = 7
    image[labels == 7] = (200, 60, 60)
    scene = LucidScene.from_frame(image, labels)
    ranges = replace(FROZEN, object_placement=0.2, object_scale=0.15, object_angle=30)
    for seed in range(5):
        dreamt = LucidDreamer(ranges)(scene, np.random.default_rng(seed))
        red = dreamt.image[..., 0].astype(int) - dreamt.image[..., 1] > 70
        assert (red == (dreamt.label_map == 7)).mean() > 0.985


def test_motion_between_the_frames_stays_in_its_ranges_and_fills_them() -> None:
    ranges = replace(FROZEN, object_placement=0.1, motion_shift=0.2)
    moves = []
    for seed in range(60):
        dreamt = dream_of_a_disc(ranges, seed)
        moves.append(centre_of(dreamt.label_map, 3) - centre_of(dreamt.previous_label_map, 3))
    reach = np.abs(moves).max(axis=0)
    # the disc is 37 px wide and never leaves the frame; either mask lies on whole pixels
    assert ((reach > 0.17 * 37) & (reach < 0.2 * 37 + 1)).all()
    assert np.abs(np.mean(moves, axis=0)).max() < 2


def test_objects_turn_and_grow_about_their_own_centre_between_the_frames() -> None:
    ranges = replace(FROZEN, object_placement=0.2, motion_angle=60, motion_scale=0.3, mirror=0.5)
    for seed in range(20):
        dreamt = dream_of_a_disc(ranges, seed)
        before, now = (centre_of(m, 3) for m in (dreamt.previous_label_map, dreamt.label_map))
        inside = (now > 26).all() and (now + 26 < (SIZE[1], SIZE[0])).all()
        assert not inside or np.abs(now - before).max() < 1


def test_size_changes_stay_in_their_ranges_and_fill_them() -> None:
    _, labels = frame()
    area = (labels == 3).sum()
    ranges = replace(FROZEN, object_scale=0.2, motion_scale=0.1)
    sides = []
    for seed in range(60):
        dreamt = dream_of_a_disc(ranges, seed)
        before, now = ((m == 3).sum() for m in (dreamt.previous_label_map, dreamt.label_map))
        sides.append(((before / area) ** 0.5, (now / before) ** 0.5))
    low, high = np.min(sides, axis=0), np.max(sides, axis=0)
    # whole pixels: one of 37 on each mask
    np.testing.assert_allclose(low, [0.8, 0.9], atol=0.04)
    np.testing.assert_allclose(high, [1.2, 1.1], atol=0.04)


def test_objects_are_placed_everywhere_but_keep_their_centre_in_the_frame() -> None:
    ranges = replace(FROZEN, object_placement=1.0)
    box = np.zeros(SIZE, dtype=np.uint8)
    box[44:53, 60:69] = 1
    scene = LucidScene.from_frame(np.full((*SIZE, 3), 50, np.uint8), box)
    centres = []
    for seed in range(80):
        labels = LucidDreamer(ranges)(scene, np.random.default_rng(seed)).label_map
        assert (labels == 1).sum() >= 20  # a quarter of the box in the worst corner
        centres.append(centre_of(labels, 1))
    spread = np.ptp(centres, axis=0)
    assert spread[0] > 0.9 * (SIZE[1] - 9)
    assert spread[1] > 0.9 * (SIZE[0] - 9)


def test_mirroring_is_drawn_for_each_object() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    wedge = np.tri(31, dtype=np.uint8)
    labels[10:41, 10:41] = 5 * wedge
    labels[50:81, 80:111] = 6 * wedge
    scene = LucidScene.from_frame(np.full((*SIZE, 3), 50, np.uint8), labels)
    dreamer = LucidDreamer(replace(FROZEN, mirror=0.5))
    seen = []
    for seed in range(40):
        dreamt = dreamer(scene, np.random.default_rng(seed)).label_map
        mirrored = [dreamt[12, 38] == 5, dreamt[52, 108] == 6]
        assert [dreamt[12, 12] == 5, dreamt[52, 82] == 6] != mirrored
        seen.append(mirrored)
    share = np.mean(seen, axis=0)
    assert ((share > 0.25) & (share < 0.75)).all()
    assert {tuple(pair) for pair in seen} == {(a, b) for a in (True, False) for b in (True, False)}


def test_the_front_object_owns_the_overlap() -> None:
    image = np.full((*SIZE, 3), 90, dtype=np.uint8)
    labels = np.zeros(SIZE, dtype=np.uint8)
    colours = {1: np.array([220, 40, 40]), 2: np.array([40, 40, 220])}
    whole = {1: np.zeros(SIZE, dtype=bool), 2: np.zeros(SIZE, dtype=bool)}
    whole[1][30:70, 30:80] = True
    whole[2][45:85, 60:110] = True
    scene = LucidScene.from_frame(image, np.where(whole[1], 1, 0).astype(np.uint8))
    cut_outs = []
    for object_id, mask in whole.items():
        painted = image.copy()
        painted[mask] = colours[object_id]
        labels = np.where(mask, object_id, 0).astype(np.uint8)
        cut_outs += LucidScene.from_frame(painted, labels).cut_outs
    scene = LucidScene(image, tuple(cut_outs))
    overlap = cv2.erode((whole[1] & whole[2]).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    fronts = []
    for seed in range(20):
        still = LucidDreamer(FROZEN)(scene, np.random.default_rng(seed))
        owners = np.unique(still.label_map[whole[1] & whole[2]])
        assert len(owners) == 1
        error = np.abs(still.image[overlap].astype(int) - colours[owners[0]])
        assert error.max() <= 8
        fronts.append(int(owners[0]))
    assert set(fronts) == {1, 2}


def test_a_thin_object_stays_in_its_labels() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[40, 10:100] = 4
    scene = LucidScene.from_frame(np.full((*SIZE, 3), 50, np.uint8), labels)
    dreamt = LucidDreamer(FROZEN)(scene, np.random.default_rng(0))
    np.testing.assert_array_equal(dreamt.label_map, labels)


def test_an_object_cut_off_by_the_frame_gets_no_dark_edge() -> None:
    image = np.full((*SIZE, 3), 180, dtype=np.uint8)
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[:40, :50] = 1
    scene = LucidScene.from_frame(image, labels)
    ranges = replace(FROZEN, object_placement=0.4)
    for seed in range(5):
        assert LucidDreamer(ranges)(scene, np.random.default_rng(seed)).image.min() >= 178


def test_an_object_larger_than_half_the_frame() -> None:
    image, _ = frame()
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[5:92, 10:120] = 1
    scene = LucidScene.from_frame(image, labels)
    for seed in range(5):
        dreamt = LucidDreamer(LucidRanges())(scene, np.random.default_rng(seed))
        assert (dreamt.label_map == 1).sum() > 0.1 * labels.size


def test_the_whole_frame_is_an_object() -> None:
    image, _ = frame()
    scene = LucidScene.from_frame(image, np.ones(SIZE, dtype=np.uint8))
    assert (LucidDreamer(LucidRanges())(scene, np.random.default_rng(0)).label_map == 1).any()


def test_ten_objects() -> None:
    image, _ = frame()
    labels = np.zeros(SIZE, dtype=np.uint8)
    for i in range(10):
        y, x = 5 + 45 * (i // 5), 5 + 24 * (i % 5)
        labels[y : y + 20, x : x + 16] = 10 * (i + 1)
    scene = LucidScene.from_frame(image, labels)
    still = LucidDreamer(FROZEN)(scene, np.random.default_rng(0))
    np.testing.assert_array_equal(still.label_map, labels)
    wild = LucidDreamer(LucidRanges())(scene, np.random.default_rng(0))
    assert len(np.unique(wild.label_map)) > 5


def test_a_gray_frame_keeps_its_brightness() -> None:
    image, labels = frame()
    gray = np.repeat(image[..., :1], 3, axis=-1)
    scene = LucidScene.from_frame(gray, labels)
    still = LucidDreamer(FROZEN)(scene, np.random.default_rng(0))
    np.testing.assert_array_equal(still.image[..., 0], still.image[..., 1])
    lit = LucidDreamer(replace(FROZEN, illumination_offset=0.07))
    for seed in range(5):
        dreamt = lit(scene, np.random.default_rng(seed)).image.astype(int)
        assert np.abs(dreamt.max(axis=-1) - still.image[..., 0]).max() <= 0.07 * 255 + 1


def test_light_follows_the_published_curve() -> None:
    image = np.zeros((*SIZE, 3), dtype=np.uint8)
    image[:] = np.arange(SIZE[1], dtype=np.uint8)[None, :, None]  # gray: no saturation to change
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[40:50, 60:70] = 1
    scene = LucidScene.from_frame(image, labels)
    gains, powers = [], []
    for seed in range(60):
        ranges = replace(FROZEN, illumination_gain=0.05, illumination_power=0.3)
        value = LucidDreamer(ranges)(scene, np.random.default_rng(seed)).image.max(axis=-1)
        at = np.array([32, 64, 96, 128])
        power, offset = np.polyfit(np.log(at / 255), np.log(value[10, at] / 255), 1)
        gains.append(np.exp(offset))
        powers.append(power)
    assert 0.93 < min(gains) < 0.97
    assert 1.03 < max(gains) < 1.07
    assert 0.67 < min(powers) < 0.76
    assert 1.24 < max(powers) < 1.33


def test_the_plate_moves_apart_from_the_objects() -> None:
    _, labels = frame()
    ranges = replace(FROZEN, background_shift=0.1, background_angle=10, camera_shift=0.05)
    dreamt = dream(ranges, 1, pair=True)
    assert dreamt.previous_image is not None
    still = dream(FROZEN)
    np.testing.assert_array_equal(dreamt.label_map, still.label_map)
    background = (labels == 0) & (dreamt.label_map == 0)
    assert np.abs(dreamt.image.astype(int) - still.image)[background].mean() > 3
    assert np.abs(dreamt.image.astype(int) - dreamt.previous_image)[background].mean() > 1
    inside = cv2.erode((labels == 200).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    np.testing.assert_array_equal(dreamt.image[inside], still.image[inside])


def test_other_masks_are_carried_along() -> None:
    _, labels = frame()
    dreamer, scene = LucidDreamer(LucidRanges()), LucidScene.from_frame(*frame())
    part = np.where(labels == 200, 9, 0).astype(np.uint8)
    part[:, :60] = 100
    for seed in range(5):
        plan = dreamer.draw(scene, np.random.default_rng(seed))
        dreamt = dreamer.render(scene, plan)
        np.testing.assert_array_equal(
            dreamt.image, dreamer(scene, np.random.default_rng(seed)).image
        )
        moved = plan.carry(part)
        assert set(np.unique(moved)) <= {0, 9, 100}
        box = dreamt.label_map == 200
        assert (moved[box] == 9).mean() > 0.97
        assert (moved[dreamt.label_map == 3] == 100).all()
        assert not (moved[~box] == 9).any()


def test_a_cut_out_of_one_pixel() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[0, 0] = 1
    scene = LucidScene.from_frame(np.full((*SIZE, 3), 50, np.uint8), labels)
    (cut_out,) = scene.cut_outs
    assert isinstance(cut_out, CutOut)
    assert bounding_box(cut_out.mask) == (0, 0, 1, 1)
    still = LucidDreamer(FROZEN)(scene, np.random.default_rng(0))
    np.testing.assert_array_equal(still.label_map, labels)
    LucidDreamer(LucidRanges())(scene, np.random.default_rng(0))


def test_what_was_drawn_is_told() -> None:
    """As plain values, from which every layer's way can be computed again."""
    scene = LucidScene.from_frame(*frame())
    plan = LucidDreamer(LucidRanges()).draw(scene, np.random.default_rng(5))
    told = json.loads(json.dumps(plan.describe()))
    assert [each["object"] for each in told["objects"]] == [c.object_id for c in plan.cut_outs]
    points = np.array([[10.0, 20.0], [90.0, 60.0]])
    for each, layer in zip(
        [told["plate"], *told["objects"]], [plan.plate, *plan.layers], strict=True
    ):
        place, motion = (
            affine_matrix(d["centre"], (d["scale"],) * 2, d["angle"], d["shift"], d["mirror"])
            for d in (each["place"], each["motion"])
        )
        spline = each.get("spline")
        source = points if spline is None else np.array(spline["to"])
        bent = points if spline is None else np.array(spline["from"])
        np.testing.assert_allclose(layer.before(apply_affine(place, source)), bent, atol=1e-6)
        np.testing.assert_allclose(layer.now(apply_affine(motion @ place, source)), bent, atol=1e-6)
    assert set(told["light"]) == {"saturation", "value"}


@pytest.mark.parametrize("seed", range(3))
def test_layers_are_blended_as_over_the_whole_frame(seed: int) -> None:
    """Though only the surroundings of each object are touched; its seam reaches beyond it."""
    scene = LucidScene.from_frame(*frame())
    ranges = replace(FROZEN, object_placement=0.3, motion_shift=0.2)
    dreamer = LucidDreamer(ranges)
    plan = dreamer.draw(scene, np.random.default_rng(seed))
    image = scene.plate.astype(np.float32)
    for cut_out, layer in zip(plan.cut_outs, plan.layers, strict=True):
        positions = sampling_map(SIZE, layer.now) - np.array(cut_out.corner, np.float32)
        rgba = warp(cut_out.rgba, positions, border=cv2.BORDER_CONSTANT)
        alpha = cv2.GaussianBlur(rgba[..., 3], (3, 3), 0)[..., None].astype(np.float32) / 255
        image += alpha * (rgba[..., :3] - image)
    # the light is drawn as identity, but goes through HSV with 8 bits
    expected = cv2.cvtColor(image.round().astype(np.uint8), cv2.COLOR_RGB2HSV_FULL)
    expected = cv2.cvtColor(expected, cv2.COLOR_HSV2RGB_FULL)
    np.testing.assert_array_equal(dreamer.render(scene, plan).image, expected)
