"""J, F and statistics of masks and sequences whose numbers are known in closed form."""

import math

import numpy as np
import pytest

from vos_core.errors import MaskError
from vos_core.metrics import (
    boundary_map,
    contour_accuracy,
    jaccard,
    mean_statistics,
    statistics,
    tolerance_radius,
)


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


# Wrapped at 256, the outer quarters of 500 frames are 0..125 and 374 - 256 = 118..243, whose means
# are 118 frames apart; the last quarter of the others would end before it begins.
@pytest.mark.parametrize(
    ("frames", "decay"),
    [
        (255, 0.75),
        (256, math.nan),
        (300, math.nan),
        (500, 118 / 499),
        (1000, math.nan),
    ],
)
def test_wrapped_decay(frames: int, decay: float) -> None:
    falling = np.linspace(1, 0, frames).tolist()
    plain, wrapped = statistics(falling), statistics(falling, wrap_decay=True)
    assert wrapped["decay"] == pytest.approx(decay, abs=1e-12, nan_ok=True)
    assert {**wrapped, "decay": 0.0} == {**plain, "decay": 0.0}
    if frames < 256:
        assert wrapped == plain


def test_mean_statistics_leaves_out_unscored() -> None:
    mean = mean_statistics([statistics([0.2]), statistics([]), statistics([0.8])])
    assert mean == pytest.approx({"mean": 0.5, "recall": 0.5, "decay": 0.0})
    assert math.isnan(mean_statistics([])["mean"])
