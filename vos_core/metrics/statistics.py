"""One number from a score per frame: mean, recall and decay (Perazzi et al., CVPR 2016)."""

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

RECALL_THRESHOLD = 0.5


class Statistics(TypedDict):
    """Summary of a score over the frames of one object, or over objects.

    ``mean`` and ``recall`` lie in [0, 1] (higher is better), ``decay`` in [-1, 1] (lower is
    better). All three are NaN where no frame was scored.
    """

    mean: float
    recall: float
    decay: float


def statistics(scores: Sequence[float], *, wrap_decay: bool = False) -> Statistics:
    """Summarise the scores of one object over time.

    Recall is the share of frames that score strictly above 0.5. Decay is the mean of the first
    quarter of the frames minus that of the last; as in davis2017-evaluation, quarters include both
    their end frames. The official script wraps frame numbers at 256, so its decay of 256 scored
    frames and more is another number, or NaN.

    Args:
        scores: J or F of each scored frame in [0, 1], in time order.
        wrap_decay: Wrap them, too, as the script does under NumPy 2.

    Example:
        >>> statistics([1.0, 0.75, 0.5, 0.25])
        {'mean': 0.625, 'recall': 0.5, 'decay': 0.5}
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.size == 0:
        return Statistics(mean=math.nan, recall=math.nan, decay=math.nan)
    # The tiny offset makes halves round up, as the official script does.
    ends = np.round(np.linspace(1, values.size, 5) + 1e-10).astype(np.int64) - 1
    stops = ends + 1
    if wrap_decay:
        ends, stops = ends.astype(np.uint8), stops.astype(np.uint8)
    first, last = values[: stops[1]], values[ends[3] : stops[4]]
    decay = first.mean() - last.mean() if first.size and last.size else math.nan
    return Statistics(
        mean=float(values.mean()),
        recall=float((values > RECALL_THRESHOLD).mean()),
        decay=float(decay),
    )


def mean_statistics(each: Sequence[Statistics]) -> Statistics:
    """Average statistics over objects, leaving out those without a scored frame.

    Example:
        >>> mean_statistics([statistics([1.0]), statistics([0.5, 0.25]), statistics([])])
        {'mean': 0.6875, 'recall': 0.5, 'decay': 0.125}
    """
    scored = [s for s in each if not math.isnan(s["mean"])]
    if not scored:
        return statistics(())
    return Statistics(
        mean=float(np.mean([s["mean"] for s in scored])),
        recall=float(np.mean([s["recall"] for s in scored])),
        decay=float(np.mean([s["decay"] for s in scored])),
    )
