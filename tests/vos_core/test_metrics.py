"""J, F and statistics against their definitions."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vos_core.errors import MaskError
from vos_core.metrics import (
    boundary_map,
    contour_accuracy,
    jaccard,
    mean_statistics,
    statistics,
    tolerance_radius,
)

Mask = npt.NDArray[np.bool_]


def boundary_by_definition(mask: Mask) -> Mask:
    """Compare with three neighbours; outside the image the nearest row or column is repeated."""
    wide = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    height, width = mask.shape
    found = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            neighbours = (wide[y, x + 1], wide[y + 1, x], wide[y + 1, x + 1])
            found[y, x] = any(n != mask[y, x] for n in neighbours)
    return found


def f_by_definition(prediction: Mask, truth: Mask, tolerance: float) -> float:
    """Match every boundary pixel by its distance to each one of the other mask."""
    ours = np.argwhere(boundary_by_definition(prediction))
    theirs = np.argwhere(boundary_by_definition(truth))
    if len(ours) == 0 and len(theirs) == 0:
        return 1.0
    if len(ours) == 0 or len(theirs) == 0:
        return 0.0
    radius = math.ceil(tolerance * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2))
    near = ((ours[:, None] - theirs[None]) ** 2).sum(-1) <= radius**2
    precision, recall = near.any(1).mean(), near.any(0).mean()
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def j_by_definition(prediction: Mask, truth: Mask) -> float:
    pixels = [(p, t) for p, t in zip(prediction.flat, truth.flat, strict=True) if p or t]
    return sum(p and t for p, t in pixels) / len(pixels) if pixels else 1.0


@st.composite
def masks(draw: st.DrawFn, height: int, width: int) -> Mask:
    """Empty, full, one pixel, noise, or a box that may touch the borders."""
    mask = np.zeros((height, width), dtype=np.bool_)
    kind = draw(st.sampled_from(["empty", "full", "pixel", "noise", "box"]))
    if kind == "full":
        mask[:] = True
    elif kind == "noise":
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        mask = rng.random((height, width)) < draw(st.sampled_from([0.02, 0.5, 0.98]))
    elif kind in ("pixel", "box"):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        size = (1, 1) if kind == "pixel" else draw(st.tuples(*[st.integers(1, 24)] * 2))
        mask[top : top + size[0], left : left + size[1]] = True
    return mask


@st.composite
def triples(draw: st.DrawFn) -> tuple[Mask, Mask, Mask | None]:
    size = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    prediction, truth, void = (draw(masks(*size)) for _ in range(3))
    return prediction, truth, void if draw(st.booleans()) else None


@settings(max_examples=250, deadline=None)
@given(triples(), st.sampled_from([0.008, 0.08, 0.2]))
def test_equals_definition(triple: tuple[Mask, Mask, Mask | None], tolerance: float) -> None:
    prediction, truth, void = triple
    counted = np.ones_like(truth) if void is None else ~void
    want_f = f_by_definition(prediction & counted, truth & counted, tolerance)
    assert contour_accuracy(prediction, truth, void, tolerance) == pytest.approx(want_f, abs=1e-12)
    want_j = j_by_definition(prediction[counted], truth[counted])
    assert jaccard(prediction, truth, void) == pytest.approx(want_j, abs=1e-12)


@pytest.mark.parametrize(
    ("size", "radius"),
    [((480, 854), 8), ((480, 910), 9), ((240, 432), 4), ((1080, 1920), 18), ((100, 100), 2)],
)
def test_tolerance_radius(size: tuple[int, int], radius: int) -> None:
    assert tolerance_radius(*size) == radius


def test_boundary_lies_up_and_left() -> None:
    mask = np.zeros((12, 12), dtype=np.bool_)
    mask[4:8, 5:9] = True
    ys, xs = np.nonzero(boundary_map(mask))
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == (3, 7, 4, 8)
    single = np.zeros((5, 5), dtype=np.bool_)
    single[2, 2] = True
    assert np.argwhere(boundary_map(single)).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_disk_is_euclidean() -> None:
    # A pixel moved by (6, 6) is 8.5 away, so at radius 8 its four boundary pixels match only
    # where the 2x2 blocks come closer: the facing corners and the pixels beside them.
    truth, prediction = np.zeros((2, 480, 854), dtype=np.bool_)
    truth[100, 100] = prediction[106, 106] = True
    assert contour_accuracy(prediction, truth) == pytest.approx(3 / 4)


def test_empty_and_full() -> None:
    empty, full = np.zeros((20, 30), dtype=np.bool_), np.ones((20, 30), dtype=np.bool_)
    half = empty.copy()
    half[:10] = True
    assert (jaccard(empty, empty), contour_accuracy(empty, empty)) == (1.0, 1.0)
    assert (jaccard(empty, half), contour_accuracy(empty, half)) == (0.0, 0.0)
    assert contour_accuracy(half, empty) == 0.0
    # A full frame has no boundary, so F cannot tell it from an empty one.
    assert (jaccard(empty, full), contour_accuracy(empty, full)) == (0.0, 1.0)
    assert jaccard(full, half, void=~half) == 1.0


def test_sizes_must_agree() -> None:
    mask = np.zeros((4, 5), dtype=np.bool_)
    with pytest.raises(MaskError, match=r"\(4, 5\).*\(5, 4\)"):
        jaccard(mask, mask.T)
    with pytest.raises(MaskError, match="void"):
        contour_accuracy(mask, mask, void=mask.T)


def test_statistics() -> None:
    # Eight frames: quarters share their end frames, so they are [0..2] and [5..7].
    scores = [1.0, 0.9, 0.8, 0.5, 0.6, 0.3, 0.2, 0.1]
    assert statistics(scores) == pytest.approx({"mean": 0.55, "recall": 0.5, "decay": 0.7})
    assert statistics([0.7]) == pytest.approx({"mean": 0.7, "recall": 1.0, "decay": 0.0})
    assert all(math.isnan(value) for value in statistics([]).values())


@pytest.mark.parametrize("frames", [256, 300, 500, 1000])
def test_decay_of_long_sequences(frames: int) -> None:
    falling = np.linspace(1, 0, frames)
    assert statistics(falling.tolist())["decay"] == pytest.approx(0.75, abs=2e-3)


def test_mean_statistics_leaves_out_unscored() -> None:
    mean = mean_statistics([statistics([0.2]), statistics([]), statistics([0.8])])
    assert mean == pytest.approx({"mean": 0.5, "recall": 0.5, "decay": 0.0})
    assert math.isnan(mean_statistics([])["mean"])
