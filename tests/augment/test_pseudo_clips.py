"""Pseudo-clips: picture and masks move together, smoothly, within the ranges."""

import numpy as np
import pytest

from augment.pseudo_clips import ClipMotion, pseudo_clip
from tests.fakes import COLOURS, fake_label_map
from vos_core.errors import ConfigError
from vos_core.types import VOID, Image, LabelMap

SIZE = (72, 96)
STILL = ClipMotion(angle=0, shear=0, shift=0, scale=(1, 1))
BENT = ClipMotion(bend=0.08)


def scene() -> tuple[Image, LabelMap]:
    """Two squares of one colour each on black: the colour tells the label."""
    label_map = fake_label_map(6, size=SIZE)
    image = np.zeros((*SIZE, 3), dtype=np.uint8)
    for i in (1, 2):
        image[label_map == i] = COLOURS[i]
    return image, label_map


def clip(
    motion: ClipMotion | None, seed: int = 0, frames: int = 4
) -> tuple[list[Image], list[LabelMap]]:
    rng = np.random.default_rng(seed)
    return pseudo_clip(*scene(), frames=frames, rng=rng, motion=motion)


def one_square(motion: ClipMotion, seed: int, frames: int = 5) -> list[LabelMap]:
    label_map = np.zeros((97, 97), dtype=np.uint8)
    label_map[33:64, 33:64] = 1  # about the centre
    image = np.zeros((97, 97, 3), dtype=np.uint8)
    rng = np.random.default_rng(seed)
    return pseudo_clip(image, label_map, frames=frames, rng=rng, motion=motion)[1]


@pytest.mark.parametrize("motion", [None, BENT], ids=["affine", "bent"])
@pytest.mark.parametrize("seed", range(5))
def test_colours_and_labels_move_together(motion: ClipMotion | None, seed: int) -> None:
    seen = 0
    for image, label_map in zip(*clip(motion, seed), strict=True):
        known = label_map != VOID
        for i, colour in {0: (0, 0, 0), 1: COLOURS[1], 2: COLOURS[2]}.items():
            # a pixel that is not mixed of several colours shows what its label says
            pure = (image == colour).all(axis=-1) & known
            assert (label_map[pure] == i).all()
            seen += i > 0 and int(pure.sum())
    assert seen > 200


def test_same_seed_same_clip() -> None:
    first, again, other = (clip(BENT, seed) for seed in (1, 1, 2))
    for a, b, c in zip(first[0] + first[1], again[0] + again[1], other[0] + other[1], strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


def test_without_motion_nothing_changes() -> None:
    image, label_map = scene()
    for moved, labels in zip(*clip(STILL), strict=True):
        np.testing.assert_array_equal(moved, image)
        np.testing.assert_array_equal(labels, label_map)


def test_beyond_the_picture_is_void() -> None:
    moved = one_square(ClipMotion(angle=0, shear=0, shift=0.3, scale=(1, 1)), seed=3)
    for label_map in moved:
        # a shift by (x, y) uncovers an L of x columns and y rows
        ys, xs = np.nonzero(label_map == 1)
        x, y = abs(xs.min() - 33), abs(ys.min() - 33)
        assert (label_map == VOID).sum() == 97 * 97 - (97 - x) * (97 - y)
    assert (moved[0] == VOID).any()


@pytest.mark.parametrize("seed", range(5))
def test_steps_are_even_and_within_the_range(seed: int) -> None:
    moved = one_square(ClipMotion(angle=0, shear=0, shift=0.3, scale=(1, 1)), seed)
    centres = np.array([np.argwhere(m == 1).mean(axis=0) for m in moved]) - 48
    assert np.abs(centres).max() <= 0.3 * 97 + 0.5
    steps = np.diff(centres, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps.mean(axis=0), steps.shape), atol=1.01)


@pytest.mark.parametrize("seed", range(5))
def test_zoom_is_within_the_range_and_one_way(seed: int) -> None:
    areas = [
        (m == 1).sum() for m in one_square(ClipMotion(0, 0, 0, scale=(0.8, 1.2)), seed, frames=7)
    ]
    assert 29 * 0.8 < areas[0] ** 0.5 < 33 * 1.2
    assert sorted(areas) in (areas, areas[::-1])


@pytest.mark.parametrize("scale", [0.5, 1.4])
def test_zoom_is_a_factor_of_lengths(scale: float) -> None:
    for label_map in one_square(ClipMotion(0, 0, 0, scale=(scale, scale)), seed=0):
        assert (label_map == 1).sum() ** 0.5 == pytest.approx(31 * scale, abs=1)


def test_shifts_are_fractions_of_width_and_height() -> None:
    label_map = np.zeros((40, 200), dtype=np.uint8)
    label_map[15:25, 95:105] = 1
    image = np.zeros((40, 200, 3), dtype=np.uint8)
    rng = np.random.default_rng(0)
    motion = ClipMotion(angle=0, shear=0, shift=0.2, scale=(1, 1))
    centres = np.array(
        [
            np.argwhere(moved == 1).mean(axis=0)
            for _ in range(20)
            for moved in pseudo_clip(image, label_map, frames=2, rng=rng, motion=motion)[1]
        ]
    )
    farthest = np.abs(centres - (19.5, 99.5)).max(axis=0)
    assert 0.15 * 40 < farthest[0] < 0.2 * 40 + 0.51
    assert 0.15 * 200 < farthest[1] < 0.2 * 200 + 0.51


@pytest.mark.parametrize("motion", [None, BENT], ids=["affine", "bent"])
def test_both_ends_of_the_path_are_frames(motion: ClipMotion | None) -> None:
    (few, _), (many, _) = clip(motion, frames=2), clip(motion, frames=5)
    np.testing.assert_array_equal(few[0], many[0])
    np.testing.assert_array_equal(few[-1], many[-1])
    assert not (few[0] == few[-1]).all()


@pytest.mark.parametrize("seed", range(5))
def test_shear_moves_rows_sideways_about_the_centre(seed: int) -> None:
    moved = one_square(ClipMotion(0, 40, 0, scale=(1, 1)), seed)
    tilts = []
    for label_map in moved:
        rows = np.unique(np.nonzero(label_map == 1)[0])
        np.testing.assert_array_equal(rows, np.arange(33, 64))
        centres = np.array([np.nonzero(label_map[row] == 1)[0].mean() for row in rows])
        tilt, centre = np.polyfit(rows - 48, centres, 1)
        assert centre == pytest.approx(48, abs=0.51)
        assert np.abs(centres - centre - tilt * (rows - 48)).max() < 1
        tilts.append(tilt)
    assert np.abs(tilts).max() <= np.tan(np.radians(40)) + 0.02
    assert np.abs(tilts).max() > 0.05


def test_rotation_keeps_areas_and_is_within_the_range() -> None:
    rng = np.random.default_rng(0)
    bar = np.zeros((97, 97), dtype=np.uint8)
    bar[46:51, 20:77] = 1
    image = np.zeros((97, 97, 3), dtype=np.uint8)
    motion, largest = ClipMotion(angle=30, shear=0, shift=0, scale=(1, 1)), 0.0
    for _ in range(20):
        for m in pseudo_clip(image, bar, frames=2, rng=rng, motion=motion)[1]:
            assert (m == 1).sum() == pytest.approx(bar.sum(), rel=0.05)
            ys, xs = np.nonzero(m == 1)
            angle = abs(np.degrees(np.arctan(np.polyfit(xs, ys, 1)[0])))
            assert angle < 31
            largest = max(largest, angle)
    assert largest > 22


def test_bend_grows_from_nothing() -> None:
    image, label_map = scene()
    moved, labels = clip(ClipMotion(0, 0, 0, scale=(1, 1), bend=0.1), frames=3)
    np.testing.assert_array_equal(moved[0], image)
    changed = [(m != label_map).sum() for m in labels]
    assert changed[0] == 0
    assert 0 < changed[1] < changed[2]


@pytest.mark.parametrize(
    "ranges",
    [
        {"scale": (1.2, 0.8)},
        {"scale": (0, 1)},
        {"angle": -1},
        {"shear": 90},
        {"shift": -0.1},
        {"bend": 0.3},
    ],
)
def test_senseless_ranges_are_refused(ranges: dict) -> None:
    with pytest.raises(ConfigError):
        ClipMotion(**ranges)
