"""Temporal instability T (Perazzi et al., CVPR 2016, section 4): how much an outline jitters.

An object's outline in one predicted mask is matched with that in the next by shape contexts
(Belongie et al., PAMI 2002) and dynamic time warping; T is five times the mean cost of a match. It
needs no truth, and a lower value is better: still and moved objects have 0, jitter costs.

It follows the description in the paper and these properties of davis-matlab: the outline keeps
within 1.5 pixels of the mask's (its tolerance of 3 counts half pixels) and is sampled every 3
pixels or closer; distances are measured in units of their mean; angles are those of the image; the
closed outlines are cut open behind the pair that matches best in a first alignment; of the aligned
pairs, each point keeps its cheapest. That its numbers equal the official ones to the last digit
could not be checked: the official outline runs along the pixels' edges, may start elsewhere or be
that of a hole, and is dropped where simplifying leaves three points or fewer.

Time and memory grow with the square of the outline's length; objects at 480p have some 450 points.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from vos_core.errors import MaskError
from vos_core.types import VOID, BinaryMask, LabelMap

_SIMPLIFICATION = 1.5  # pixels
_SPACING = 3.0  # pixels, largest distance of neighbouring points
_SUBPIXELS = 2.0**20
_RING_EDGES = np.geomspace(1 / 8, 2, 5)  # of the mean distance between points
_SECTORS = 12
_UNITS = 2.0**36
"""Costs are whole multiples of 1 / _UNITS, so that sums are exact: paths that cost the same tie on
every machine, however they are added up."""
_SCALE = 5.0

_Floats = npt.NDArray[np.float64]
_ShapeContexts = _Floats
"""(points, 60) of an outline's points, in order: the share of the other points in each bin."""


class StabilityScorer:
    """Gathers T of each object of a sequence from its predicted label maps.

    Pass the frames that count, in order: for DAVIS 2016 all but the first and the last one.

    Example:
        >>> scorer = StabilityScorer("dog")
        >>> for shift in (0, 2, 4):
        ...     mask = np.zeros((40, 60), np.uint8)
        ...     mask[10:30, 10 + shift : 30 + shift] = 1
        ...     scorer.update(mask)
        >>> scorer.result()
        {1: 0.0}
    """

    def __init__(self, sequence: str) -> None:
        """Start a sequence.

        Args:
            sequence: Name, for messages.
        """
        self._sequence = sequence
        self._size: tuple[int, ...] | None = None
        self._previous: dict[int, _ShapeContexts] = {}
        self._costs: dict[int, list[float]] = {}

    def update(self, prediction: LabelMap) -> None:
        """Compare the next frame's outlines with those of the frame before.

        Args:
            prediction: (H, W) uint8 label map; 0 and 255 are no objects.

        Raises:
            MaskError: If the frames differ in size.
        """
        if self._size not in (None, prediction.shape):
            raise MaskError(
                f"sequence {self._sequence!r}: a prediction has shape {prediction.shape}, the one "
                f"before {self._size}; write all masks at the native size"
            )
        self._size = prediction.shape
        areas = np.bincount(prediction.ravel(), minlength=VOID + 1)
        ids = [int(i) for i in np.flatnonzero(areas) if i not in (0, VOID)]
        current = {i: _shape_contexts(prediction == i) for i in ids}
        for i, contexts in current.items():
            costs = self._costs.setdefault(i, [])
            if i in self._previous:
                costs.append(_matching_cost(self._previous[i], contexts))
        self._previous = current

    def result(self) -> dict[int, float]:
        """Return object id -> T, in order of the ids.

        T is the mean over consecutive frames that both show the object; NaN if there are none.
        """
        return {
            i: _SCALE * float(np.mean(costs)) if costs else math.nan
            for i, costs in sorted(self._costs.items())
        }


def temporal_instability(previous: BinaryMask, current: BinaryMask) -> float:
    """Return the mean matching cost of an object's outlines in consecutive masks, in [0, 1].

    It is 0 for equal masks and for a mask that is moved by whole pixels, NaN where either is
    empty. Only the longest outer contour counts. Swapping the masks changes nothing, but where
    several alignments cost the same; a mask scaled by 2 costs 0.005 on average, because outlines
    are sampled anew (real masks at 480p, 0.02 at most). T is five times the mean over frames.

    Args:
        previous: (H, W) bool.
        current: (H, W) bool.

    Raises:
        MaskError: If the masks are not two-dimensional or differ in size.

    Example:
        >>> mask = np.zeros((40, 60), bool)
        >>> mask[10:30, 10:30] = True
        >>> temporal_instability(mask, np.roll(mask, 7, axis=1))
        0.0
    """
    masks = [np.ascontiguousarray(mask, dtype=np.bool_) for mask in (previous, current)]
    if masks[0].ndim != 2 or masks[0].shape != masks[1].shape:
        raise MaskError(
            f"the previous mask has shape {masks[0].shape}, the current one {masks[1].shape}; "
            "both must be (H, W) of one size"
        )
    if not (masks[0].any() and masks[1].any()):
        return math.nan
    return _matching_cost(_shape_contexts(masks[0]), _shape_contexts(masks[1]))


def _shape_contexts(mask: BinaryMask) -> _ShapeContexts:
    """Describe each point of a non-empty mask's outline by where the others lie."""
    points = _outline(mask)
    count, rings = len(points), len(_RING_EDGES)
    dx, dy = (axis - axis[:, None] for axis in points.T)
    distance = np.sqrt(dx * dx + dy * dy)
    unit = distance.mean() or 1.0  # a single point is its own neighbour
    ring = np.zeros((count, count), dtype=np.int8)
    for edge in _RING_EDGES:
        ring += distance >= edge * unit
    sector = np.floor(np.arctan2(dy, dx) * (_SECTORS / (2 * np.pi))).astype(np.int8)
    # beyond the last edge there is one more ring, which is cut off
    within = ring * np.int8(_SECTORS) + sector % np.int8(_SECTORS)
    bins = np.arange(count)[:, None] * ((rings + 1) * _SECTORS) + within
    counts = np.bincount(bins.ravel(), minlength=count * (rings + 1) * _SECTORS)
    inside = counts.reshape(count, -1)[:, : rings * _SECTORS]
    contexts: _ShapeContexts = inside / inside.sum(axis=1, keepdims=True)
    return contexts


def _outline(mask: BinaryMask) -> _Floats:
    """Return (points, 2) x, y along the longest outer contour, simplified, then sampled evenly."""
    contours, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    longest = max(contours, key=lambda contour: cv2.arcLength(contour, True))
    corners = cv2.approxPolyDP(longest, _SIMPLIFICATION, True)[:, 0].astype(np.float64)
    edges = np.roll(corners, -1, axis=0) - corners
    parts = np.maximum(np.ceil(np.hypot(*edges.T) / _SPACING), 1).astype(np.intp)
    edge = np.repeat(np.arange(len(corners)), parts)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(parts) - parts, parts)
    points = corners[edge] + edges[edge] * (step / parts[edge])[:, None]
    # points at one height must not seem to differ by a rounding error, nor when they are moved
    rounded: _Floats = np.round(points * _SUBPIXELS) / _SUBPIXELS
    return rounded


def _matching_cost(first: _ShapeContexts, second: _ShapeContexts) -> float:
    """Return the mean cost of the pairs that a cyclic alignment leaves, in [0, 1]."""
    cost = _pairwise_costs(first, second)
    path = _align(cost)
    along = cost[path[:, 0], path[:, 1]]
    # the start was set, not found, so it is no candidate
    row, column = path[np.argmin(along[: max(len(path) - 1, 1)])]
    cost = np.roll(cost, (-row - 1, -column - 1), axis=(0, 1))
    path = _align(cost)
    for side in (0, 1):
        path = path[_cheapest(path[:, side], cost[path[:, 0], path[:, 1]])]
    return float(cost[path[:, 0], path[:, 1]].mean() / _UNITS)


def _pairwise_costs(first: _ShapeContexts, second: _ShapeContexts) -> _Floats:
    """Return the (rows, columns) chi-squared distances of all pairs, in whole _UNITS.

    For histograms of sum 1, half the sum of (a - b)^2 / (a + b) is 1 - 2 sum of ab / (a + b), and
    only bins that both occupy add to the latter.
    """
    with np.errstate(divide="ignore"):  # the infinity of an empty bin vanishes in the end
        rows, columns = 1 / first, np.ascontiguousarray((1 / second).T)
    cost = np.empty((len(first), len(second)))
    for row, occupied, out in zip(rows, first > 0, cost, strict=True):
        bins = np.flatnonzero(occupied)
        shared = columns[bins]
        shared += row[bins, None]
        np.divide(1, shared, out=shared)
        shared.sum(axis=0, out=out)
    scaled: _Floats = np.round((1 - 2 * cost) * _UNITS)
    return scaled


def _align(cost: _Floats) -> npt.NDArray[np.intp]:
    """Return the (pairs, 2) indices on the cheapest monotone path, from the end to the start.

    A path leads from the first pair to the last by steps of one in either index or in both; where
    several are cheapest, it takes both.
    """
    total = _path_costs(cost)
    row, column = cost.shape[0] - 1, cost.shape[1] - 1
    path = [(row, column)]
    while row and column:
        both, down, right = (
            total[row - 1, column - 1],
            total[row - 1, column],
            total[row, column - 1],
        )
        if both <= down and both <= right:
            row, column = row - 1, column - 1
        elif down <= right:
            row -= 1
        else:
            column -= 1
        path.append((row, column))
    path.extend((i, 0) for i in range(row - 1, -1, -1))
    path.extend((0, i) for i in range(column - 1, -1, -1))
    return np.array(path)


def _path_costs(cost: _Floats) -> _Floats:
    """Return the cost of the cheapest path to each pair.

    With the sums s of a row's costs, total[j] = cost[j] + min(above[j], total[j - 1]) means that
    total - s is the running minimum of above[j] - s[j - 1], so a whole row is found at once.
    """
    sums = np.cumsum(cost, axis=1)
    before = sums - cost
    total = np.empty_like(cost)
    total[0] = sums[0]
    above = np.empty(cost.shape[1])
    for row in range(1, len(cost)):
        last = total[row - 1]
        above[0] = last[0]
        np.minimum(last[1:], last[:-1], out=above[1:])
        above -= before[row]
        np.minimum.accumulate(above, out=above)
        np.add(above, sums[row], out=total[row])
    return total


def _cheapest(keys: npt.NDArray[np.intp], costs: _Floats) -> npt.NDArray[np.intp]:
    """Return the position of each key's lowest cost, the first one where several are lowest."""
    order = np.lexsort((costs, keys))
    _, first = np.unique(keys[order], return_index=True)
    return order[first]
