"""Do the ids of a prediction look permuted? A frequent slip when masks are converted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vos_core.metrics.overlaps import Row

_GAIN = 0.1
"""How much mean J must rise for other ids to be more than chance."""


@dataclass(frozen=True)
class Swap:
    """Ids that would fit a prediction better than those it has.

    Attributes:
        ids: True id -> predicted id that fits it; only those that differ.
        jaccard: Mean J of these objects as predicted, in [0, 1].
        swapped_jaccard: Mean J of these objects with the other ids, in [0, 1].
    """

    ids: dict[int, int]
    jaccard: float
    swapped_jaccard: float


def find_swap(mean: Mapping[int, Row], first: Mapping[int, Row]) -> Swap | None:
    """Return the permutation of the true ids that fits better from the first scored frame on.

    Objects that a method confuses on its way fit their own ids at first, so they are no swap.

    Args:
        mean: True id -> mean J with each predicted label over all scored frames.
        first: True id -> the same in the object's first scored frame alone.

    Example:
        >>> j = np.zeros((3, 256))  # of true ids 1 and 2 with each predicted label
        >>> j[1, 2] = j[2, 1] = 0.75
        >>> rows = {1: j[1], 2: j[2]}
        >>> find_swap(rows, rows)
        Swap(ids={1: 2, 2: 1}, jaccard=0.0, swapped_jaccard=0.75)
    """
    ids = sorted(mean)
    overall, early = (_square(each, ids) for each in (mean, first))
    if (overall <= np.diag(overall)[:, None]).all():
        return None  # most predictions; the solver takes half a second to import
    from scipy.optimize import linear_sum_assignment

    # of equal permutations the one that keeps most ids, as objects may be missed altogether
    _, columns = linear_sum_assignment(overall + 1e-9 * np.eye(len(ids)), maximize=True)
    moved = np.flatnonzero(columns != np.arange(len(ids)))
    if not moved.size:
        return None
    before, after = overall[moved, moved].mean(), overall[moved, columns[moved]].mean()
    early_gain = early[moved, columns[moved]].mean() - early[moved, moved].mean()
    if min(after - before, early_gain) < _GAIN:
        return None
    pairs = {ids[i]: ids[columns[i]] for i in moved}
    return Swap(pairs, float(before), float(after))


def _square(rows: Mapping[int, Row], ids: Sequence[int]) -> Row:
    return np.array([rows[i][list(ids)] for i in ids])
