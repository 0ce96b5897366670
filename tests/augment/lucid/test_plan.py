"""What is drawn for dreams: ranges are kept and filled, and nothing else is random."""

import json
from dataclasses import replace

import numpy as np
import pytest

from augment.geometry import affine_matrix, apply_affine
from augment.lucid import PRESETS, DreamPlan, LucidDreamer, LucidRanges, LucidScene
from augment.lucid.layers import Light
from augment.shapes import MaskShape
from tests.augment.lucid.scenes import FROZEN, SIZE, centre_of, frame, scene_of, scene_of_a_disc

FRAME = np.array([SIZE[1], SIZE[0]])


def plans(
    ranges: LucidRanges, scene: LucidScene | None = None, count: int = 100
) -> list[DreamPlan]:
    scene = scene or scene_of_a_disc()
    return [LucidDreamer(ranges).draw(scene, np.random.default_rng(k)) for k in range(count)]


def fills(values: list[float] | np.ndarray, low: float, high: float) -> bool:
    """Whether values keep a range and reach nearly everywhere in it."""
    values = np.asarray(values)
    width = high - low
    ends = low <= values.min() < low + 0.08 * width and high - 0.08 * width < values.max() <= high
    return bool(ends and 0.4 < (values < (low + high) / 2).mean() < 0.6)


def test_the_published_ranges_are_kept_and_filled() -> None:
    ranges = LucidRanges()
    drawn = plans(ranges, count=300)
    objects = [plan.objects[0].layer for plan in drawn]
    plates = [plan.plate for plan in drawn]
    places = [layer.place[0] for layer in objects]
    assert fills([move.scale for move in places], 0.85, 1.15)
    assert fills([move.angle for move in places], -30, 30)
    assert {move.shear for move in places} == {0.0}
    assert 0.4 < np.mean([move.mirror for move in places]) < 0.6
    assert fills([layer.place[0].scale for layer in plates], 0.85, 1.15)
    assert fills([layer.place[0].angle for layer in plates], -30, 30)
    for axis, side in enumerate(FRAME):
        assert fills([layer.place[0].shift[axis] / side for layer in plates], -0.1, 0.1)
        assert fills([layer.motion.shift[axis] / side for layer in plates], -0.03, 0.03)
        motions = [
            plan.objects[0].layer.motion.shift[axis] / plan.objects[0].shape.extent[axis]
            for plan in drawn
        ]
        assert fills(motions, -0.1, 0.1)
    assert fills([layer.motion.scale for layer in objects], 0.95, 1.05)
    assert fills([layer.motion.angle for layer in objects], -5, 5)
    assert fills([layer.motion.scale for layer in plates], 0.98, 1.02)
    assert fills([layer.motion.angle for layer in plates], -1, 1)
    for k in range(2):
        assert fills([plan.light[k].gain for plan in drawn], 0.95, 1.05)
        assert fills([plan.light[k].power for plan in drawn], 0.7, 1.3)
        assert fills([plan.light[k].offset for plan in drawn], -0.07, 0.07)
    bends = [
        (s(s.source) - s.source) / MaskShape.of(frame()[1] == 3).extent
        for s in (layer.spline for layer in objects)
        if s is not None
    ]
    assert len(bends) == 300
    moves = np.concatenate(bends)
    assert -0.1 <= moves.min() < -0.09
    assert 0.09 < moves.max() <= 0.1
    assert all(layer.motion_spline is not None for layer in objects)
    assert {len(layer.place) for layer in objects} == {2}
    assert {layer.place[1].angle for layer in objects + plates} == {0.0}


def test_the_released_ranges_are_kept_and_their_grids_filled() -> None:
    drawn = plans(PRESETS["official_code"], scene_of(*frame()), count=600)
    free = [plan.objects[-1].layer for plan in drawn]
    angles = [layer.place[1].angle for layer in free]
    # the box of the group is at most this large: nothing has to be shrunk or enlarged but the disc
    assert set(np.round(angles, 6)) == set(np.arange(-30.0, 31, 2))
    assert 0.45 < np.mean([angle == 0 for angle in angles]) < 0.6
    assert 0.4 < np.mean([layer.place[1].mirror for layer in free]) < 0.6
    assert 0.4 < np.mean([layer.spline is not None for layer in free]) < 0.6
    moving = [p.plate.motion for p in drawn if p.plate.motion.scale != 1 or p.plate.motion.angle]
    assert set(np.round([move.scale for move in moving], 6)) <= set(
        np.round(1 + np.arange(-0.05, 0.051, 0.005), 6)
    )
    assert set(np.round([move.angle for move in moving], 6)) == set(np.arange(-3.0, 4))
    lit = [light for plan in drawn for light in plan.light if plan.light[0].power != 1]
    assert fills([light.gain for light in lit], 0.97 - 1e-9, 1.03 + 1e-9)
    assert fills([light.power for light in lit], 0.8 - 1e-9, 1.2 + 1e-9)
    assert fills([light.offset for light in lit], -0.05 - 1e-9, 0.05 + 1e-9)
    assert 0.4 < len(lit) / len(drawn) / 2 < 0.6


def test_frtm_draws_from_its_lists() -> None:
    drawn = plans(PRESETS["frtm"], count=400)
    places = [plan.objects[0].layer.place[0] for plan in drawn]
    assert {abs(move.angle) for move in places} == {5, 10, 20, 30, 45}
    assert set(np.round([move.scale for move in places], 6)) == {0.5, 0.7, 1, 1.5, 2, 2.5}
    assert 0.13 < np.mean([move.mirror for move in places]) < 0.27
    assert 0.25 < np.mean([move.shear == 0.1 for move in places]) < 0.42
    assert 0.18 < np.mean([plan.objects[0].blur > 1 for plan in drawn]) < 0.32
    assert {round(plan.plate_blur**2) for plan in drawn} == {0, 1, 2, 5}
    assert {round(plan.plate.place[0].scale, 6) for plan in drawn} == {1, 1.2}
    dream = LucidDreamer(PRESETS["frtm"])(scene_of_a_disc(), np.random.default_rng(0))
    np.testing.assert_array_equal(dream.label_map, dream.previous_label_map)


@pytest.mark.parametrize("name", PRESETS)
def test_a_plan_is_all_that_is_random(name: str) -> None:
    scene, dreamer = scene_of(*frame()), LucidDreamer(PRESETS[name], pair=True)
    first, second = (dreamer.draw(scene, np.random.default_rng(3)) for _ in range(2))
    assert first.describe() == second.describe()
    one, other = dreamer.render(scene, first), dreamer.render(scene, first)
    np.testing.assert_array_equal(one.image, other.image)
    assert dreamer.draw(scene, np.random.default_rng(4)).describe() != first.describe()


def test_objects_are_placed_everywhere_with_their_box_in_the_frame() -> None:
    box = np.zeros(SIZE, dtype=np.uint8)
    box[44:53, 60:69] = 1
    scene = scene_of(np.full((*SIZE, 3), 50, np.uint8), box)
    dreamer, centres = LucidDreamer(replace(FROZEN, object_placement="anywhere")), []
    for seed in range(80):
        labels = dreamer(scene, np.random.default_rng(seed)).label_map
        assert (labels == 1).sum() >= 72  # whole, but for a row of the raster
        centres.append(centre_of(labels, 1))
    assert (np.ptp(centres, axis=0) > 0.9 * (FRAME - 9)).all()


def test_placed_nearby_an_object_keeps_its_centre_in_the_frame() -> None:
    drawn = plans(replace(FROZEN, object_placement=0.6), count=200)
    centres = np.array([plan.objects[0].shape.centre for plan in drawn])
    assert (centres >= -0.01).all()
    assert (centres <= FRAME - 0.99).all()
    assert (np.abs(centres) < 0.01).any()  # held back there
    near = plans(replace(FROZEN, object_placement=0.1), count=300)
    moves = np.array([plan.objects[0].shape.centre - (40, 40) for plan in near]) / FRAME
    assert fills(moves[:, 0], -0.1, 0.1)
    assert fills(moves[:, 1], -0.1, 0.1)


def test_an_object_as_large_as_the_frame_covers_it_wherever_it_is_placed() -> None:
    everything = np.ones(SIZE, dtype=np.uint8)
    scene = scene_of(np.full((*SIZE, 3), 50, np.uint8), everything)
    for seed in range(10):
        ranges = replace(FROZEN, object_placement="anywhere", object_scale=(0.3,))
        labels = LucidDreamer(ranges)(scene, np.random.default_rng(seed)).label_map
        assert (labels == 1).all()


@pytest.mark.parametrize(("least", "most"), [(0.6, 0.0), (0.0, 0.2), (0.9, 0.2)])
def test_sizes_are_limited(least: float, most: float) -> None:
    for plan in plans(replace(FROZEN, object_scale=0.2, least_side=least, most_side=most)):
        width, height = plan.objects[0].shape.extent
        if not most:
            assert min(width, height) == pytest.approx(least * SIZE[0], rel=0.05)
        else:
            assert max(width / SIZE[1], height / SIZE[0]) == pytest.approx(most, rel=0.05)


def test_motion_between_the_frames_moves_the_labels() -> None:
    ranges = replace(FROZEN, object_placement=0.1, motion_shift=0.2)
    scene, moves = scene_of_a_disc(), []
    for seed in range(60):
        dreamt = LucidDreamer(ranges)(scene, np.random.default_rng(seed))
        moves.append(centre_of(dreamt.label_map, 3) - centre_of(dreamt.previous_label_map, 3))
    reach = np.abs(moves).max(axis=0)
    # the disc is 37 px wide and never leaves the frame; either mask lies on whole pixels
    assert ((reach > 0.17 * 37) & (reach < 0.2 * 37 + 1)).all()
    assert np.abs(np.mean(moves, axis=0)).max() < 2


def test_objects_turn_and_grow_about_their_own_centre_between_the_frames() -> None:
    ranges = replace(FROZEN, object_placement=0.2, motion_angle=60, motion_scale=0.3)
    scene = scene_of_a_disc()
    for seed in range(20):
        dreamt = LucidDreamer(ranges)(scene, np.random.default_rng(seed))
        before, now = (centre_of(m, 3) for m in (dreamt.previous_label_map, dreamt.label_map))
        inside = (now > 26).all() and (now + 26 < FRAME).all()
        assert not inside or np.abs(now - before).max() < 1


def test_mirroring_is_drawn_for_each_object() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    wedge = np.tri(31, dtype=np.uint8)
    labels[10:41, 10:41] = 5 * wedge
    labels[50:81, 80:111] = 6 * wedge
    scene = scene_of(np.full((*SIZE, 3), 50, np.uint8), labels)
    dreamer = LucidDreamer(replace(FROZEN, object_mirror=0.5))
    seen = []
    for seed in range(40):
        dreamt = dreamer(scene, np.random.default_rng(seed)).label_map
        mirrored = [dreamt[12, 38] == 5, dreamt[52, 108] == 6]
        assert [dreamt[12, 12] == 5, dreamt[52, 82] == 6] != mirrored
        seen.append(mirrored)
    share = np.mean(seen, axis=0)
    assert ((share > 0.25) & (share < 0.75)).all()
    assert {tuple(pair) for pair in seen} == {(a, b) for a in (True, False) for b in (True, False)}


def test_the_whole_picture_is_turned_and_mirrored_together() -> None:
    image, labels = frame()
    dreamt = LucidDreamer(replace(FROZEN, frame_mirror=1.0))(
        scene_of(image, labels), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(dreamt.label_map, labels[:, ::-1])
    np.testing.assert_array_equal(dreamt.image[:15], image[:15, ::-1])
    (plan,) = plans(replace(FROZEN, frame_angle=(90.0,)), count=1)
    # clockwise about the middle: what was left of it is above it
    np.testing.assert_allclose(plan.objects[0].shape.centre, [64 + 8, 48 - 24], atol=0.6)


def test_only_the_camera_or_only_objects_move() -> None:
    ranges = replace(LucidRanges(), only_objects=0.3, only_camera=0.5)
    kinds = []
    for plan in plans(ranges, scene_of(*frame()), count=200):
        camera = not np.array_equal(plan.plate.motion.matrix(), np.eye(3))
        moving = [not np.array_equal(e.layer.motion.matrix(), np.eye(3)) for e in plan.objects]
        bending = [e.layer.motion_spline is not None for e in plan.objects]
        assert len({*moving, *bending}) == 1
        kinds.append((camera, moving[0]))
    share = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    assert share.keys() == {(True, True), (True, False), (False, True)}
    assert share[False, True] == pytest.approx(0.3, abs=0.1)
    assert share[True, False] == pytest.approx(0.5, abs=0.1)


def many_objects() -> LucidScene:
    labels = np.zeros(SIZE, dtype=np.uint8)
    for i in range(4):
        labels[20:50, 5 + 30 * i : 25 + 30 * i] = i + 1
    return scene_of(frame()[0], labels)


def test_objects_are_missing_at_times_but_never_all() -> None:
    drawn = plans(replace(FROZEN, missing=0.7), many_objects(), count=300)
    counts = [len(plan.objects) for plan in drawn]
    assert min(counts) == 1
    expected = 4 * 0.3 + 0.7**4  # one stays where all would be missing
    assert np.mean(counts) == pytest.approx(expected, abs=0.15)
    assert {i for plan in drawn for i in plan.object_ids} == {1, 2, 3, 4}
    plan = drawn[counts.index(1)]
    gone = ({1, 2, 3, 4} - set(plan.object_ids)).pop()
    assert plan.find(gone) is None
    assert plan.find(plan.object_ids[0]) is plan.objects[0]


def side_left(plan: DreamPlan) -> str:
    """Name the side of the frame beyond which the centre of the first object is."""
    x, y = plan.objects[0].shape.centre
    last_x, last_y = FRAME - 1
    beyond = {"left": -x, "right": x - last_x, "top": -y, "bottom": y - last_y}
    side = max(beyond, key=beyond.__getitem__)
    return side if beyond[side] > 0 else "inside"


def test_leaving_objects_are_half_out_of_the_frame_or_more() -> None:
    drawn = plans(replace(FROZEN, leaving=1.0), count=200)
    sides = [side_left(plan) for plan in drawn]
    assert all(25 < sides.count(side) < 80 for side in ("left", "right", "top", "bottom"))
    dreamer, scene = LucidDreamer(FROZEN), scene_of_a_disc()
    area = (frame()[1] == 3).sum()
    shares = [(dreamer.render(scene, plan).label_map == 3).sum() / area for plan in drawn]
    assert min(shares) < 0.01
    assert 0.4 < max(shares) < 0.53
    some = [side_left(plan) for plan in plans(replace(FROZEN, leaving=0.3), count=200)]
    assert 0.6 < some.count("inside") / 200 < 0.8


def test_a_group_moves_as_one_and_the_others_stay_on_the_plate() -> None:
    ranges = replace(LucidRanges(), group=True)
    counts, kept = [], []
    for plan in plans(ranges, many_objects(), count=300):
        lights = [plan.curves(plate=each.on_plate) for each in plan.objects]
        assert all(
            (a == b).all() for a, b in zip(lights[-1], plan.curves(plate=False), strict=True)
        )
        group = [e for e in plan.objects if e.layer is plan.objects[-1].layer]
        others = [e for e in plan.objects if e.layer is not plan.objects[-1].layer]
        assert plan.objects[-len(group) :] == tuple(group)  # in front
        assert not any(each.on_plate for each in group)
        for each in others:
            assert each.layer is plan.plate
            assert each.on_plate
        counts.append(len(group))
        if len(group) < 4:
            kept.append(len(others) / (4 - len(group)))
    assert np.bincount(counts).tolist()[1:] == pytest.approx([75, 75, 75, 75], abs=30)
    assert np.mean(kept) == pytest.approx(0.5, abs=0.1)


def test_the_plate_has_its_own_light_before_that_of_all() -> None:
    half, brighter = Light(0.5, 1.0, 0.0), Light(1.0, 1.0, 0.5)
    plan = replace(plans(FROZEN, count=1)[0], plate_light=(half, half), light=(brighter, brighter))
    # half of 200, then 127.5 more; the other order is (200 + 127.5 -> 255) / 2
    assert [int(curve[200]) for curve in plan.curves(plate=True)] == pytest.approx([228] * 2, abs=1)
    assert [int(curve[100]) for curve in plan.curves(plate=False)] == pytest.approx(
        [228] * 2, abs=1
    )


def test_depth_order_is_random() -> None:
    orders = {tuple(plan.object_ids) for plan in plans(FROZEN, scene_of(*frame()), count=20)}
    assert orders == {(3, 200), (200, 3)}


def test_what_was_drawn_is_told() -> None:
    """As plain values, from which every layer's way can be computed again."""
    ranges = replace(LucidRanges(), object_shear=0.2, frame_angle=20.0, shutter=1.0)
    plan = LucidDreamer(ranges).draw(scene_of(*frame()), np.random.default_rng(5))
    told = json.loads(json.dumps(plan.describe()))
    assert [each["object"] for each in told["objects"]] == plan.object_ids
    layers = [plan.plate, *(each.layer for each in plan.objects)]
    points = np.array([[10.0, 20.0], [90.0, 60.0]])
    for each, layer in zip([told["plate"], *told["objects"]], layers, strict=True):
        placed = np.eye(3)
        for move in each["place"]:
            placed = matrix_of(move) @ placed
        # control points of the bent outline lie where the spline leads from
        bent = np.array(each["spline"]["from"]) if "spline" in each else points
        source = np.array(each["spline"]["to"]) if "spline" in each else points
        np.testing.assert_allclose(layer.before(apply_affine(placed, source)), bent, atol=1e-6)
        motion = matrix_of(each["motion"])
        moved = np.array(each["motion_spline"]["to"]) if "motion_spline" in each else points
        was = np.array(each["motion_spline"]["from"]) if "motion_spline" in each else points
        np.testing.assert_allclose(layer.past(apply_affine(motion, moved)), was, atol=1e-6)
    assert set(told["light"]) == set(told["plate_light"]) == {"saturation", "value"}
    assert told["shutter"] == plan.shutter > 0


def matrix_of(move: dict) -> np.ndarray:
    scale = (move["scale"],) * 2
    return affine_matrix(
        move["centre"], scale, move["angle"], move["shift"], move["mirror"], move["shear"]
    )


def test_a_turned_object_is_placed_within_the_frame_too() -> None:
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[60:64, 20:100] = 1
    scene = scene_of(np.full((*SIZE, 3), 50, np.uint8), labels)
    ranges = replace(FROZEN, object_angle=90.0, object_placement="anywhere")
    for plan in plans(ranges, scene, count=50):
        outline = plan.objects[0].shape.outline
        assert (outline >= -0.6).all()
        assert (outline <= FRAME - 0.4).all()
