"""Temporal instability against closed forms and a slow implementation from its definition."""

import math

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_core.errors import MaskError
from vos_core.metrics.stability import StabilityScorer, temporal_instability

Mask = npt.NDArray[np.bool_]
Histogram = list[float]
UNIT = 2.0**-36  # costs are rounded to multiples of it, which decides between equal paths


def outline_by_definition(mask: Mask) -> list[tuple[float, float]]:
    """Walk round the simplified longest contour in steps of at most 3 pixels."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=lambda contour: cv2.arcLength(contour, True))
    corners = cv2.approxPolyDP(longest, 1.5, True)[:, 0].tolist()
    points = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        parts = max(math.ceil(math.hypot(x1 - x0, y1 - y0) / 3), 1)
        points += [
            (x0 + (x1 - x0) * (k / parts), y0 + (y1 - y0) * (k / parts)) for k in range(parts)
        ]
    return points


def histograms_by_definition(points: list[tuple[float, float]]) -> list[Histogram]:
    """Sort the other points by 5 rings and 12 sectors round each."""
    distances = [[math.hypot(x - u, y - v) for x, y in points] for u, v in points]
    mean = sum(map(sum, distances)) / len(points) ** 2
    found = []
    for (u, v), row in zip(points, distances, strict=True):
        histogram = [0.0] * 60
        for (x, y), distance in zip(points, row, strict=True):
            ring = sum(distance >= mean * 2.0**power for power in range(-3, 2)) if mean else 0
            degrees = math.degrees(math.atan2(round(y - v, 9), round(x - u, 9))) % 360
            if ring < 5:
                histogram[12 * ring + int(degrees // 30)] += 1
        found.append([count / sum(histogram) for count in histogram])
    return found


def path_by_definition(cost: list[list[float]]) -> list[tuple[int, int]]:
    """Walk back from the end of the cheapest monotone path; both indices step where it is free."""
    total = [[0.0] * len(row) for row in cost]
    for i, row in enumerate(cost):
        for j, each in enumerate(row):
            before = [
                total[a][b]
                for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1))
                if a >= 0 and b >= 0
            ]
            total[i][j] = each + min(before, default=0.0)
    i, j = len(cost) - 1, len(cost[0]) - 1
    path = [(i, j)]
    while (i, j) != (0, 0):
        steps = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        i, j = min(
            (step for step in steps if min(step) >= 0), key=lambda step: total[step[0]][step[1]]
        )
        path.append((i, j))
    return path


def instability_by_definition(previous: Mask, current: Mask) -> float:
    first, second = (
        histograms_by_definition(outline_by_definition(mask)) for mask in (previous, current)
    )
    cost = [
        [
            round(
                0.5 * sum((a - b) ** 2 / (a + b) for a, b in zip(p, q, strict=True) if a + b) / UNIT
            )
            * UNIT
            for q in second
        ]
        for p in first
    ]
    path = path_by_definition(cost)
    row, column = min(path[:-1] or path, key=lambda pair: cost[pair[0]][pair[1]])
    cost = [
        [
            cost[(i + row + 1) % len(first)][(j + column + 1) % len(second)]
            for j in range(len(second))
        ]
        for i in range(len(first))
    ]
    pairs = path_by_definition(cost)
    for side in (0, 1):
        best: dict[int, tuple[int, int]] = {}
        for pair in pairs:
            kept = best.setdefault(pair[side], pair)
            if cost[pair[0]][pair[1]] < cost[kept[0]][kept[1]]:
                best[pair[side]] = pair
        pairs = list(best.values())
    return sum(cost[i][j] for i, j in pairs) / len(pairs)


def blob(seed: int, size: tuple[int, int] = (60, 80), roughness: float = 5.0) -> Mask:
    """Smoothed noise around the middle; never empty."""
    height, width = size
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(size=size), (0, 0), roughness)
    ys, xs = np.mgrid[:height, :width]
    radius = np.hypot((ys - height / 2) / height, (xs - width / 2) / width)
    mask = noise / noise.std() > 12 * (radius - 0.3)
    mask[height // 2, width // 2] = True
    return np.asarray(mask)


def wavy_disc(amplitude: float) -> Mask:
    ys, xs = np.mgrid[-60:61, -60:61]
    radius = 40 + amplitude * np.cos(6 * np.arctan2(ys, xs))
    return np.asarray(np.hypot(ys, xs) <= radius)


def line(length: int, *, upright: bool = False) -> Mask:
    mask = np.zeros((20, 20), dtype=np.bool_)
    mask[5, 5 : 5 + length] = True
    return mask.T.copy() if upright else mask


# in the outlines of 13, 43 and 49 many points are exactly level with each other
@pytest.mark.parametrize("seed", [0, 1, 2, 13, 43, 49])
def test_equals_the_slow_implementation(seed: int) -> None:
    first, second = blob(seed), blob(seed + 100, roughness=3.0)

    found = temporal_instability(first, second)

    assert found == pytest.approx(instability_by_definition(first, second), abs=1e-9)
    assert 0 < found < 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (line(7), line(7, upright=True)),
        (line(1), blob(0, (20, 20))),
        (line(12), blob(1, (20, 20))),
        # their first points match best, which is where a path starts anyway
        (blob(20, (20, 20), 2.0), blob(7020, (20, 20), 2.0)),
        (np.ones((20, 20), dtype=np.bool_), blob(2, (20, 20), roughness=2.0)),
    ],
    ids=["lines", "pixel", "line", "start", "full"],
)
def test_equals_the_slow_implementation_on_odd_shapes(first: Mask, second: Mask) -> None:
    assert temporal_instability(first, second) == pytest.approx(
        instability_by_definition(first, second), abs=1e-9
    )


def test_lines_by_hand() -> None:
    """Seven pixels in a row are four points: 0, 3, 6 and 3 again, of mean distance 2.25.

    An end sees itself and the two middle ones, which are 4/3 of the mean away; a middle one sees
    itself, its twin and the two ends.
    """
    # a pixel sees only itself; the nearest histogram is a middle one's, [1/2, 1/4, 1/4]
    assert temporal_instability(line(1), line(7)) == pytest.approx(1 / 3, abs=1e-9)
    # upright, only the own bin is shared: ends match at 2/3, middle ones at 1/2
    assert temporal_instability(line(7), line(7, upright=True)) == pytest.approx(7 / 12, abs=1e-9)
    assert temporal_instability(line(1), line(1, upright=True)) == 0


@given(seed=st.integers(0, 10**6), dy=st.integers(-20, 20), dx=st.integers(-20, 20))
@settings(max_examples=20, deadline=None)
def test_a_moved_mask_is_stable(seed: int, dy: int, dx: int) -> None:
    mask = np.pad(blob(seed, (30, 40), roughness=3.0), 21)

    assert temporal_instability(mask, mask) == 0
    assert temporal_instability(mask, np.roll(mask, (dy, dx), axis=(0, 1))) == 0


@given(first=st.integers(0, 10**6), second=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_order_does_not_matter(first: int, second: int) -> None:
    a, b = blob(first, (30, 40), roughness=3.0), blob(second, (30, 40), roughness=4.0)

    there, back = temporal_instability(a, b), temporal_instability(b, a)

    assert 0 <= there <= 1
    assert there == pytest.approx(back, abs=1e-9)


@pytest.mark.parametrize("factor", [2, 3])
def test_scale_hardly_matters(factor: int) -> None:
    mask = np.pad(blob(4, (120, 160), roughness=10.0), ((0, 240), (0, 320)))
    size = (mask.shape[1] * factor, mask.shape[0] * factor)
    larger = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)

    scaled = larger[: mask.shape[0], : mask.shape[1]] > 0

    assert scaled.sum() == factor**2 * mask.sum()
    assert temporal_instability(mask, scaled) < 0.05


def test_grows_with_deformation() -> None:
    growing = [temporal_instability(wavy_disc(0), wavy_disc(each)) for each in (0, 2, 4, 8, 16)]

    assert growing[0] == 0
    assert all(np.diff(growing) > 0.005)
    assert growing[-1] > 0.2


def test_only_the_longest_outer_contour_counts() -> None:
    mask = wavy_disc(4)
    other = mask.copy()
    other[30:80:2, 40:80] = False
    other[30:80, 80] = False  # a comb-shaped hole, whose edge is longer than the outer one
    other[:5, :5] = True

    assert temporal_instability(mask, other) == 0


def test_objects_cut_off_by_the_image_are_closed_along_its_border() -> None:
    whole = np.pad(np.ones((20, 30), dtype=np.bool_), 5)

    assert temporal_instability(whole[5:, 5:], np.roll(whole[5:, 5:], (3, 3), axis=(0, 1))) == 0


def test_nothing_to_compare() -> None:
    empty = np.zeros((20, 20), dtype=np.bool_)

    assert math.isnan(temporal_instability(empty, line(3)))
    assert math.isnan(temporal_instability(line(3), empty))
    assert math.isnan(temporal_instability(empty, empty))


def test_sizes_must_agree() -> None:
    with pytest.raises(MaskError, match=r"\(20, 20\).*\(4, 4\)"):
        temporal_instability(line(3), np.ones((4, 4), dtype=np.bool_))
    scorer = StabilityScorer("dog")
    scorer.update(line(3).astype(np.uint8))
    with pytest.raises(MaskError, match=r"'dog'.*\(4, 4\).*\(20, 20\)"):
        scorer.update(np.ones((4, 4), dtype=np.uint8))


def test_scorer_averages_consecutive_frames_that_show_the_object() -> None:
    """Object 3 comes with void, is away in one frame, and object 7 is seen but once."""
    height, width = 60, 80
    shown = [blob(seed, (height, width)) for seed in range(5)]
    frames = [np.where(mask, 3, 0).astype(np.uint8) for mask in shown]
    frames[1][0, :] = 255
    frames[2][:] = 0
    frames[2][10:20, 10:20] = 7

    scorer = StabilityScorer("dog")
    for frame in frames:
        scorer.update(frame)
    result = scorer.result()

    pairs = [(shown[0], frames[1] == 3), (shown[3], shown[4])]
    assert list(result) == [3, 7]
    assert result[3] == pytest.approx(5 * np.mean([temporal_instability(a, b) for a, b in pairs]))
    assert math.isnan(result[7])


def test_scorer_without_objects_has_no_result() -> None:
    scorer = StabilityScorer("dog")
    scorer.update(np.zeros((4, 4), dtype=np.uint8))

    assert scorer.result() == {}
