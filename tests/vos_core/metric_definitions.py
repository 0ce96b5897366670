"""J, F, their statistics and their averages straight from the definitions: plain and slow.

Nothing here is shared with the project's metrics: masks are whole boolean images, disks are sets
of offsets, and every number is computed on its own.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vos_core.metrics import Protocol

Mask = npt.NDArray[np.bool_]
LabelMap = npt.NDArray[np.uint8]
Truth = LabelMap | Mapping[int, Mask]


class Numbers(NamedTuple):
    mean: float
    recall: float
    decay: float


class Object(NamedTuple):
    """Index, J and F of each scored frame."""

    scored: list[int]
    j: list[float]
    f: list[float]


def jaccard(prediction: Mask, truth: Mask, counted: Mask) -> float:
    both, either = prediction & truth & counted, (prediction | truth) & counted
    return float(both.sum() / either.sum()) if either.any() else 1.0


def boundary(mask: Mask) -> Mask:
    """Compare with three neighbours; outside the image the nearest row or column is repeated."""
    wide = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask != wide[:-1, 1:]) | (mask != wide[1:, :-1]) | (mask != wide[1:, 1:])


def within(mask: Mask, radius: int) -> Mask:
    """Return all pixels at most ``radius`` from one of the mask."""
    height, width = mask.shape
    wide = np.pad(mask, radius)
    found = np.zeros_like(mask)
    for y in range(-radius, radius + 1):
        for x in range(-radius, radius + 1):
            if x * x + y * y <= radius * radius:
                top, left = radius + y, radius + x
                found |= wide[top : top + height, left : left + width]
    return found


def contour_accuracy(
    prediction: Mask, truth: Mask, counted: Mask, tolerance: float = 0.008
) -> float:
    height, width = truth.shape
    radius = math.ceil(tolerance * math.sqrt(height * height + width * width))
    ours, theirs = boundary(prediction & counted), boundary(truth & counted)
    if not ours.any() and not theirs.any():
        return 1.0
    if not ours.any() or not theirs.any():
        return 0.0
    precision = (ours & within(theirs, radius)).sum() / ours.sum()
    recall = (theirs & within(ours, radius)).sum() / theirs.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def numbers(scores: Sequence[float], *, wrap: bool = False) -> Numbers:
    """Quarters end at the rounded quarter points, halves up, and include both their ends."""
    n = len(scores)
    if n == 0:
        return Numbers(math.nan, math.nan, math.nan)
    ends = [((n - 1) * k + 2) // 4 for k in range(5)]
    stops = [end + 1 for end in ends]
    if wrap:
        ends, stops = [end % 256 for end in ends], [stop % 256 for stop in stops]
    first, last = list(scores[: stops[1]]), list(scores[ends[3] : stops[4]])
    decay = sum(first) / len(first) - sum(last) / len(last) if first and last else math.nan
    return Numbers(sum(scores) / n, sum(score > 0.5 for score in scores) / n, decay)


def average(each: Iterable[Numbers]) -> Numbers:
    """Return the mean of each number over those that have one."""
    present = [n for n in each if not math.isnan(n.mean)]
    if not present:
        return numbers(())
    return Numbers(*(sum(column) / len(present) for column in zip(*present, strict=True)))


def quantile(scores: Sequence[float], percentage: float) -> float:
    """Interpolate linearly between the two nearest of the sorted scores."""
    ordered = sorted(scores)
    place = percentage / 100 * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (place - math.floor(place)) * (high - low)


def score_sequence(
    rules: Protocol, prediction: Sequence[LabelMap], truth: Sequence[Truth | None]
) -> dict[int, Object]:
    """Score one object after the other; a frame without truth is None."""
    if rules.binary:
        truth = as_one_object(truth)
        prediction = [(each > 0).astype(np.uint8) for each in prediction]
    objects = {}
    for i in sorted({i for each in truth if each is not None for i in visible(each)}):
        shown = [t for t, each in enumerate(truth) if each is not None and i in visible(each)]
        found = Object([], [], [])
        for t, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
            given = rules.drop_first and t == shown[0]
            dropped = rules.drop_last and t == len(truth) - 1
            if true is None or t < shown[0] or given or dropped:
                continue
            region = mask_of(true, i, predicted.shape)
            counted = np.ones_like(region)
            if not isinstance(true, Mapping) and not rules.void_as_background:
                counted = true != 255
            found.scored.append(t)
            found.j.append(jaccard(predicted == i, region, counted))
            found.f.append(contour_accuracy(predicted == i, region, counted))
        objects[i] = found
    return objects


def extra_ids(
    rules: Protocol, prediction: Sequence[LabelMap], truth: Sequence[Truth | None]
) -> dict[int, int]:
    """Return predicted ids that the truth never has -> scored frames in which a pixel counts."""
    if rules.binary:
        truth = as_one_object(truth)
        prediction = [(each > 0).astype(np.uint8) for each in prediction]
    frames: Counter[int] = Counter()
    scored = {t for each in score_sequence(rules, prediction, truth).values() for t in each.scored}
    for t, (predicted, true) in enumerate(zip(prediction, truth, strict=True)):
        if true is None or t not in scored:
            continue
        counts_all = isinstance(true, Mapping) or rules.void_as_background
        frames.update(map(int, np.unique(predicted if counts_all else predicted[true != 255])))
    known = {0}.union(*(visible(each) for each in truth if each is not None))
    return {i: n for i, n in frames.items() if i not in known}


def visible(truth: Truth) -> set[int]:
    if isinstance(truth, Mapping):
        return {i for i, mask in truth.items() if mask.any()}
    return {int(i) for i in np.unique(truth)} - {0, 255}


def mask_of(truth: Truth, object_id: int, size: tuple[int, ...]) -> Mask:
    if isinstance(truth, Mapping):
        return truth.get(object_id, np.zeros(size, dtype=np.bool_))
    return truth == object_id


def as_one_object(truth: Sequence[Truth | None]) -> list[Truth | None]:
    """Merge all objects into 1; 255 stays void where the first true mask has another label."""
    first = next(each for each in truth if each is not None)
    has_void = not isinstance(first, Mapping) and bool(visible(first))
    merged: list[Truth | None] = []
    for each in truth:
        if each is None:
            merged.append(None)
        elif isinstance(each, Mapping):
            merged.append({1: np.any(list(each.values()), axis=0)} if each else {})
        else:
            one = (each > 0).astype(np.uint8)
            merged.append(np.where(each == 255, np.uint8(255), one) if has_void else one)
    return merged
