"""Do the ids of a prediction look permuted, or merged? Frequent slips when masks are converted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vos_core.metrics.overlaps import Overlaps, Row

_GAIN = 0.1
"""How much J must rise for other ids to be more than chance."""


@dataclass(frozen=True)
class Swap:
    """Ids that would fit a prediction better than those it has.

    Attributes:
        ids: True id -> predicted id that fits it; only those that differ.
        jaccard: Mean J of these objects as predicted, where they are visible, in [0, 1].
        swapped_jaccard: The same with the other ids, in [0, 1].
    """

    ids: dict[int, int]
    jaccard: float
    swapped_jaccard: float


def find_swap(mean: Mapping[int, Row], first: Mapping[int, Row]) -> Swap | None:
    """Return the permutation of the true ids that fits every moved object better from the start.

    Objects that a method confuses on its way fit their own ids at first, so they are no swap, nor
    are objects that it misses: no id fits those.

    Args:
        mean: True id -> mean J with each predicted label over the scored frames that show it.
        first: True id -> the same in the first frame that shows it and for which there is a
            prediction; it may be the given one.

    Example:
        >>> j = np.zeros((3, 256))  # of true ids 1 and 2 with each predicted label
        >>> j[1, 2] = j[2, 1] = 0.75
        >>> rows = {1: j[1], 2: j[2]}
        >>> find_swap(rows, rows)
        Swap(ids={1: 2, 2: 1}, jaccard=0.0, swapped_jaccard=0.75)
    """
    ids = sorted(mean.keys() & first.keys())
    overall, early = (_square(each, ids) for each in (mean, first))
    if (overall <= np.diag(overall)[:, None]).all():
        return None  # most predictions; the solver takes half a second to import
    from scipy.optimize import linear_sum_assignment

    # of equal permutations the one that keeps most ids, as objects may be missed altogether
    _, columns = linear_sum_assignment(overall + 1e-9 * np.eye(len(ids)), maximize=True)
    moved = np.flatnonzero(columns != np.arange(len(ids)))
    if not moved.size:
        return None
    before, after = overall[moved, moved], overall[moved, columns[moved]]
    early_gain = early[moved, columns[moved]] - early[moved, moved]
    if min((after - before).min(), early_gain.min()) < _GAIN:
        return None
    pairs = {ids[i]: ids[columns[i]] for i in moved}
    return Swap(pairs, float(before.mean()), float(after.mean()))


def _square(rows: Mapping[int, Row], ids: Sequence[int]) -> Row:
    return np.array([rows[i][list(ids)] for i in ids]).reshape(len(ids), len(ids))


class UnionFit:
    """Gathers whether one predicted id covers all objects of a sequence that has several."""

    def __init__(self) -> None:
        self._several_ids = False
        self._union_gains: list[float] = []

    def add(self, overlaps: Overlaps) -> None:
        """Look at the next scored frame."""
        predicted = overlaps.predicted_ids()
        self._several_ids |= len(predicted) > 1
        if len(predicted) != 1 or len(overlaps.shared) < 2:
            return
        label = predicted[0]
        shared = sum(row[label] for row in overlaps.shared.values())
        union = sum(overlaps.true_areas.values()) + overlaps.predicted_areas[label] - shared
        single = max(overlaps.jaccard(i)[label] for i in overlaps.shared)
        self._union_gains.append(float(shared / union - single))

    def looks_merged(self) -> bool:
        """Tell whether the one id fits all objects together better than any of them alone."""
        if self._several_ids or not self._union_gains:
            return False
        return float(np.mean(self._union_gains)) > _GAIN
