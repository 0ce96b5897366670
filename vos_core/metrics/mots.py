"""Multi-object tracking and segmentation: MOTSA, MOTSP, sMOTSA (Voigtlaender et al., CVPR 2019).

A pixel's code is its class times 1000 plus the number of the instance; 0 is background, and class
10 in the truth is a region in which nothing is judged. Masks of one frame are disjoint, so a true
mask overlaps at most one predicted mask with an IoU above 0.5, and matching needs no solver. Pixels
are counted once per frame, for all pairs of masks together.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Literal, NamedTuple, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from vos_core.errors import MaskError
from vos_core.metrics.scores import DataInfo, Seconds
from vos_core.provenance import RunInfo

Codes = npt.NDArray[np.uint16]  # (H, W)

INSTANCES = 1000
"""A code divided by it is the class, the remainder is the instance."""
IGNORED_CLASS = 10
MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2  # of an object's frames; both bounds are strict


@dataclass(frozen=True)
class MotsCounts:
    """What is counted of one class; the counts of several sequences add up.

    Attributes:
        frames: Frames.
        masks: True masks (M).
        matched: True masks with a prediction (TP).
        iou: Sum of the IoU of each of them with its prediction (soft TP).
        false_positives: Predictions without a true mask, without the ignored ones.
        ignored: Predictions without a true mask that lie mostly in ignored regions.
        switches: Matches with another id than the last match of the same object.
        tracks: True objects.
        mostly_tracked: Objects that are matched in more than 80 % of their frames.
        mostly_lost: Objects that are matched in less than 20 % of them.
    """

    frames: int = 0
    masks: int = 0
    matched: int = 0
    iou: float = 0.0
    false_positives: int = 0
    ignored: int = 0
    switches: int = 0
    tracks: int = 0
    mostly_tracked: int = 0
    mostly_lost: int = 0

    def __add__(self, other: "MotsCounts") -> "MotsCounts":
        """Return the counts of both."""
        return MotsCounts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class MotsMeasures(TypedDict):
    """Scores of one class; see :func:`mots_measures`."""

    sMOTSA: float
    MOTSA: float
    MOTSP: float
    MODSA: float
    MOTSAL: float
    recall: float
    precision: float
    F1: float
    FAR: float  # false positives a frame
    MT: float  # share of the objects
    ML: float  # share of the objects
    M: int
    TP: int
    FP: int
    FN: int
    IDS: int
    ignored: int  # predictions
    tracks: int


class MotsScores(TypedDict):
    """Scores of a set; NaN where a number does not exist."""

    protocol: Literal["mots"]
    rule: str
    per_class: dict[str, MotsMeasures]
    sequences: dict[str, dict[str, MotsMeasures]]  # sequence -> class -> measures
    data: NotRequired[DataInfo]
    run: NotRequired[RunInfo]
    scored_by: NotRequired[RunInfo]
    seconds: NotRequired[Seconds]
    baseline: NotRequired[str]


@dataclass(frozen=True)
class MotsSequenceResult:
    """What was counted in one sequence.

    Attributes:
        sequence: Its name.
        classes: Name of the class -> its counts.
    """

    sequence: str
    classes: dict[str, MotsCounts]


def mots_measures(counts: MotsCounts) -> MotsMeasures:
    """Return the measures that follow from the counts of one class (section 4 of the paper).

    With M true masks, and IDS switches of the id::

        sMOTSA = (soft TP - FP - IDS) / M        MOTSA = (TP - FP - IDS) / M
        MODSA  = (TP - FP) / M                   MOTSAL = (TP - FP - log10 IDS) / M
        MOTSP  = soft TP / TP

    They are at most 1, and all but MOTSP may be negative. A number whose divisor is 0 is NaN. The
    authors' script has inf for MOTSP without a match, minus infinity for the others without a true
    mask, and 0 for recall, precision and the shares of objects.

    Example:
        >>> counts = MotsCounts(masks=10, matched=8, iou=6.0, false_positives=1, switches=1)
        >>> measures = mots_measures(counts)
        >>> measures["sMOTSA"], measures["MOTSA"], measures["MOTSP"], measures["FN"]
        (0.4, 0.6, 0.75, 2)
    """
    c, m = counts, counts.masks
    detected = c.matched - c.false_positives
    log_switches = math.log10(c.switches) if c.switches else 0.0
    return MotsMeasures(
        sMOTSA=_share(c.iou - c.false_positives - c.switches, m),
        MOTSA=_share(detected - c.switches, m),
        MOTSP=_share(c.iou, c.matched),
        MODSA=_share(detected, m),
        MOTSAL=_share(detected - log_switches, m),
        recall=_share(c.matched, m),
        precision=_share(c.matched, c.matched + c.false_positives),
        F1=_share(2 * c.matched, m + c.matched + c.false_positives),
        FAR=_share(c.false_positives, c.frames),
        MT=_share(c.mostly_tracked, c.tracks),
        ML=_share(c.mostly_lost, c.tracks),
        M=m,
        TP=c.matched,
        FP=c.false_positives,
        FN=m - c.matched,
        IDS=c.switches,
        ignored=c.ignored,
        tracks=c.tracks,
    )


class MotsScorer:
    """Scores the frames of one sequence as they come, in constant memory.

    A prediction matches the true mask of its class with which its IoU is above 0.5. One without a
    match is a false positive, unless more than half of it lies in ignored regions. The id of an
    object switches where it is matched with another id than in its last match; frames without a
    match between the two change nothing.

    Example:
        >>> scorer = MotsScorer("0002", 2, {1: "car"})
        >>> scorer.update(0, np.array([[1007, 0]], np.uint16), np.array([[1001, 0]], np.uint16))
        >>> scorer.update(1, np.array([[1008, 0]], np.uint16), np.array([[1001, 0]], np.uint16))
        >>> counts = scorer.result().classes["car"]
        >>> counts.matched, counts.switches
        (2, 1)
    """

    def __init__(self, sequence: str, length: int, classes: Mapping[int, str]) -> None:
        """Start a sequence.

        Args:
            sequence: Name, for the result and for messages.
            length: Number of frames in the sequence.
            classes: Number -> name of each class to score; masks of others take no part.
        """
        self._sequence = sequence
        self._length = length
        self._classes = dict(classes)
        self._next_frame = 0
        self._counts = {number: MotsCounts() for number in classes}
        self._tracks: dict[int, _Track] = {}  # by true code

    def update(self, frame_index: int, prediction: Codes, truth: Codes) -> None:
        """Score the next frame.

        Args:
            frame_index: Index in the sequence; frames come in order.
            prediction: (H, W) uint16 codes; their instances are the method's own.
            truth: (H, W) uint16 codes.

        Raises:
            MaskError: If the frame is out of order, or a map is not (H, W) uint16 of one size.
        """
        where = f"sequence {self._sequence!r}"
        if frame_index != self._next_frame or frame_index >= self._length:
            raise MaskError(
                f"{where}: got frame {frame_index}, expected frame {self._next_frame} of "
                f"{self._length}; pass every frame once, in order"
            )
        for name, codes in (("prediction", prediction), ("truth", truth)):
            if codes.dtype != np.uint16 or codes.ndim != 2 or codes.shape != truth.shape:
                raise MaskError(
                    f"{where}, frame {frame_index}: the {name} has shape {codes.shape} and type "
                    f"{codes.dtype}, the truth has shape {truth.shape}; pass (H, W) uint16 codes "
                    "of one size"
                )
        self._next_frame += 1
        overlaps = _count_overlaps(prediction, truth)
        for number in self._classes:
            self._counts[number] += self._score_class(number, overlaps)

    def result(self) -> MotsSequenceResult:
        """Return the counts of the whole sequence.

        Raises:
            MaskError: If frames are missing.
        """
        if self._next_frame != self._length:
            raise MaskError(
                f"sequence {self._sequence!r}: {self._next_frame} of {self._length} frames were "
                "scored; pass all of them"
            )
        counts = dict(self._counts)
        for code, track in self._tracks.items():
            counts[code // INSTANCES] += track.counts()
        classes = {name: counts[number] for number, name in self._classes.items()}
        return MotsSequenceResult(self._sequence, classes)

    def _score_class(self, number: int, overlaps: "_Overlaps") -> MotsCounts:
        true = np.flatnonzero(overlaps.true // INSTANCES == number)
        predicted = np.flatnonzero(overlaps.predicted // INSTANCES == number)
        iou = overlaps.iou[np.ix_(true, predicted)]
        rows, columns = np.nonzero(iou > 0.5)
        ids = overlaps.predicted[predicted[columns]]
        match = dict(zip(rows.tolist(), ids.tolist(), strict=True))
        switches = 0
        for row, code in enumerate(overlaps.true[true].tolist()):
            switches += self._tracks.setdefault(code, _Track()).add(match.get(row))
        unmatched = np.delete(predicted, columns)
        ignored = int(np.count_nonzero(overlaps.ignored[unmatched] > 0.5))
        return MotsCounts(
            frames=1,
            masks=len(true),
            matched=len(rows),
            iou=float(iou[rows, columns].sum()),
            false_positives=len(unmatched) - ignored,
            ignored=ignored,
            switches=switches,
        )


def collect_mots(results: Iterable[MotsSequenceResult]) -> MotsScores:
    """Put the sequences of a set together: per class, counts are added before they are divided.

    Args:
        results: One for each sequence.

    Raises:
        MaskError: If there is no sequence, or one comes twice.

    Example:
        >>> one = MotsSequenceResult("0002", {"car": MotsCounts(frames=1, masks=1)})
        >>> two = MotsSequenceResult("0006", {"car": MotsCounts(1, masks=3, matched=3, iou=2.5)})
        >>> collect_mots([one, two])["per_class"]["car"]["sMOTSA"]
        0.625
    """
    by_name: dict[str, MotsSequenceResult] = {}
    for result in sorted(results, key=lambda r: r.sequence):
        if result.sequence in by_name:
            raise MaskError(f"sequence {result.sequence!r} was scored twice; pass each one once")
        by_name[result.sequence] = result
    if not by_name:
        raise MaskError("no sequence was scored; check the split and the folder of results")
    totals: dict[str, MotsCounts] = {}
    for result in by_name.values():
        for name, counts in result.classes.items():
            totals[name] = totals.get(name, MotsCounts()) + counts
    return MotsScores(
        protocol="mots",
        rule=_rule(len(by_name), max((each.frames for each in totals.values()), default=0)),
        per_class={name: mots_measures(counts) for name, counts in totals.items()},
        sequences={
            sequence: {name: mots_measures(counts) for name, counts in result.classes.items()}
            for sequence, result in by_name.items()
        },
    )


class _Overlaps(NamedTuple):
    """Pairs of the T codes of the truth and the P of the prediction in one frame.

    Pixels that are background in both are left out, so what is told of code 0 means nothing.
    """

    true: npt.NDArray[np.intp]  # (T,) codes, ascending
    predicted: npt.NDArray[np.intp]  # (P,) codes, ascending
    iou: npt.NDArray[np.float64]  # (T, P)
    ignored: npt.NDArray[np.float64]  # (P,) share of the predicted mask in ignored regions


def _count_overlaps(prediction: Codes, truth: Codes) -> _Overlaps:
    occupied = (prediction | truth) > 0  # most of a street scene is not, and counting costs time
    predicted, columns = _renumber(prediction[occupied])
    true, rows = _renumber(truth[occupied])
    pairs = rows * len(predicted) + columns
    table = np.bincount(pairs, minlength=len(true) * len(predicted))
    shared = table.reshape(len(true), len(predicted))
    true_areas, predicted_areas = shared.sum(axis=1), shared.sum(axis=0)
    union = true_areas[:, None] + predicted_areas - shared
    in_ignored = shared[true // INSTANCES == IGNORED_CLASS].sum(axis=0)
    return _Overlaps(true, predicted, shared / union, in_ignored / predicted_areas)


def _renumber(codes: Codes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the codes present in a (N,) list, ascending, and the place of each among them."""
    present = np.flatnonzero(np.bincount(codes))
    place = np.zeros(2**16, dtype=np.intp)
    place[present] = np.arange(len(present))
    return present, place[codes]


class _Track:
    """One true object: in how many of its frames it was found, and as what at last."""

    def __init__(self) -> None:
        self._frames = 0
        self._matched = 0
        self._last: int | None = None

    def add(self, match: int | None) -> int:
        """Add a frame that shows the object; return 1 if its id switches there, else 0."""
        self._frames += 1
        if match is None:
            return 0
        self._matched += 1
        switched = self._last is not None and self._last != match
        self._last = match
        return int(switched)

    def counts(self) -> MotsCounts:
        share = self._matched / self._frames
        return MotsCounts(
            tracks=1,
            mostly_tracked=int(share > MOSTLY_TRACKED),
            mostly_lost=int(share < MOSTLY_LOST),
        )


def _rule(sequences: int, frames: int) -> str:
    return (
        f"counts added over {sequences} sequence{'s' * (sequences != 1)} and {frames} "
        f"frame{'s' * (frames != 1)}, each class for itself; masks match above an IoU of 0.5, "
        "predictions without a match that lie mostly in ignored regions are left out, ids are "
        "compared with those of the last match"
    )


def _share(part: float, whole: int) -> float:
    return part / whole if whole else math.nan
