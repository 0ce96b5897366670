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


def statistics(scores: Sequence[float]) -> Statistics:
    """Summarise the scores of one object over time.

    Recall is the share of frames that score strictly above 0.5. Decay is the mean of the first
    quarter of the frames minus that of the last; as in davis2017-evaluation, quarters include both
    their end frames. Their ends are kept as plain integers, where the official script wraps at 256
    frames, so decay differs from it on longer sequences.

    Args:
        scores: J or F of each scored frame in [0, 1], in time order.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.size == 0:
        return Statistics(mean=math.nan, recall=math.nan, decay=math.nan)
    # The tiny offset makes halves round up, as the official script does.
    ends = np.round(np.linspace(1, values.size, 5) + 1e-10).astype(np.int64) - 1
    first, last = values[: ends[1] + 1], values[ends[3] :]
    return Statistics(
        mean=float(values.mean()),
        recall=float((values > RECALL_THRESHOLD).mean()),
        decay=float(first.mean() - last.mean()),
    )


def mean_statistics(each: Sequence[Statistics]) -> Statistics:
    """Average statistics over objects, leaving out those without a scored frame."""
    scored = [s for s in each if not math.isnan(s["mean"])]
    if not scored:
        return statistics(())
    return Statistics(
        mean=float(np.mean([s["mean"] for s in scored])),
        recall=float(np.mean([s["recall"] for s in scored])),
        decay=float(np.mean([s["decay"] for s in scored])),
    )
