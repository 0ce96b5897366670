"""Proposals whose ids mean nothing, matched to the true objects over the whole sequence.

It is the unsupervised task of DAVIS 2017 (Caelles et al., arXiv:1905.00737); the numbers equal
those of davis2017-evaluation.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vos_core.errors import MaskError
from vos_core.metrics.boundary import boundary_map, tolerance_radius
from vos_core.metrics.protocols import Protocol
from vos_core.metrics.sequence import (
    FrameScores,
    Scorer,
    SequenceResult,
    SequenceScorer,
    Truth,
    object_scores,
)
from vos_core.morphology import disc
from vos_core.types import VOID, BinaryMask, LabelMap

_Matrix = npt.NDArray[np.float64]  # (proposals, objects)
_LABELS = 256


def make_scorer(protocol: Protocol, sequence: str, length: int) -> Scorer:
    """Return what scores a sequence by these rules; see :class:`Scorer` for the arguments.

    Example:
        >>> from vos_core.metrics import DAVIS2017
        >>> type(make_scorer(DAVIS2017, "bear", length=82)).__name__
        'SequenceScorer'
    """
    kind = SequenceScorer if protocol.proposals is None else ProposalScorer
    return kind(protocol, sequence, length)


class ProposalScorer(Scorer):
    """Scores predictions whose ids are the method's own, each for one object in all frames.

    J and F of every proposal with every object are averaged over the frames, and each object gets
    one proposal so that the sum of (J + F) / 2 is largest. Proposals that are left over cost
    nothing. An object for which none is left is scored as if nothing were predicted: 0 where it
    is visible, 1 where it is not.

    As in the official script, the objects are those of the first true mask; the pixels of later
    ones are background. An id that is never predicted, but is lower than one that is, counts as
    an empty proposal. Ids that the first true mask skips are not scored (the official script
    scores them as objects without pixels).

    ``update`` matches over the frames so far, ``result`` over all of them.

    Example:
        >>> from vos_core.metrics import DAVIS2017_UNSUPERVISED
        >>> scorer = ProposalScorer(DAVIS2017_UNSUPERVISED, "bear", length=1)
        >>> prediction = np.array([[0, 5, 0, 2]], dtype=np.uint8)
        >>> truth = np.array([[0, 1, 0, 3]], dtype=np.uint8)
        >>> scorer.update(0, prediction, truth)
        {1: (1.0, 1.0), 3: (1.0, 1.0)}
        >>> {i: scores["proposal"] for i, scores in scorer.result().objects.items()}
        {1: 5, 3: 2}
    """

    def __init__(self, protocol: Protocol, sequence: str, length: int) -> None:
        """Start a sequence.

        Args:
            protocol: The rules; they say how many proposals there may be.
            sequence: Name, for the result and for messages.
            length: Number of frames in the sequence.
        """
        super().__init__(protocol, sequence, length)
        self._limit = protocol.proposals or 0
        self._objects: list[int] | None = None  # known with the first true mask
        self._left_out: set[int] = set()
        self._predicted: set[int] = set()
        self._scored: list[int] = []
        self._j: list[_Matrix] = []  # one matrix a scored frame
        self._f: list[_Matrix] = []

    def _score_frame(self, index: int, prediction: LabelMap, truth: Truth) -> FrameScores:
        if isinstance(truth, Mapping):
            raise MaskError(
                f"sequence {self._sequence!r}: true objects overlap, and no rules match proposals "
                "to such; choose another protocol"
            )
        # table[t, p] pixels have the true label t and the predicted label p
        codes = truth.astype(np.uint16) * _LABELS + prediction
        table = np.bincount(codes.ravel(), minlength=_LABELS**2).reshape(_LABELS, _LABELS)
        self._note_proposals(index, table)
        visible = [i for i in _ids(table.sum(axis=1)) if i != VOID]
        if self._objects is None:
            self._objects = visible
            self._total = np.zeros((max(self._limit, len(visible)), len(visible)))
        self._left_out.update(set(visible) - set(self._objects))
        rules = self._protocol
        dropped = (rules.drop_first and index == 0, rules.drop_last and index == self._length - 1)
        if any(dropped):
            return {}
        if not rules.void_as_background:
            table[VOID] = 0
            prediction = np.where(truth == VOID, np.uint8(0), prediction)
        j = _j_of_pairs(table[:, 1 : len(self._total) + 1], self._objects, table.sum(axis=1))
        f = _f_of_pairs(prediction, len(self._total), truth, self._objects)
        self._scored.append(index)
        self._j.append(j)
        self._f.append(f)
        self._total += j + f
        matching = enumerate(self._matching(self._objects).items())
        return {i: (float(j[row, k]), float(f[row, k])) for k, (i, row) in matching}

    def _collect(self) -> SequenceResult:
        if not self._objects:
            raise MaskError(f"sequence {self._sequence!r}: the first true mask shows no object")
        objects = {}
        for k, (i, row) in enumerate(self._matching(self._objects).items()):
            j_frames, f_frames = ([float(m[row, k]) for m in each] for each in (self._j, self._f))
            objects[i] = object_scores(j_frames, f_frames, wrap_decay=self._protocol.wrap_decay)
            objects[i]["proposal"] = row + 1 if row + 1 in self._predicted else None
        return SequenceResult(
            sequence=self._sequence,
            frames=self._length,
            objects=objects,
            scored={i: list(self._scored) for i in self._objects},
            extra_ids={},
            left_out=tuple(sorted(self._left_out)),
        )

    def _note_proposals(self, index: int, table: npt.NDArray[np.intp]) -> None:
        found = _ids(table.sum(axis=0))
        beyond = [i for i in found if i > self._limit]
        if beyond:
            raise MaskError(
                f"sequence {self._sequence!r}, frame {index}: the prediction holds "
                f"{', '.join(map(str, beyond))}; there may be {self._limit} proposals, with ids "
                f"1..{self._limit}, so drop some or number them anew"
            )
        self._predicted.update(found)

    def _matching(self, objects: Sequence[int]) -> dict[int, int]:
        """Return object -> row of the matrices, which is one less than its proposal's id."""
        from scipy.optimize import linear_sum_assignment  # half a second that others do not need

        rows = max(len(objects), *self._predicted, 0)
        chosen, columns = linear_sum_assignment(self._total[:rows], maximize=True)
        order = np.argsort(columns)
        return {i: int(chosen[k]) for i, k in zip(objects, order, strict=True)}


class _Contour(NamedTuple):
    """The boundary of a mask, as flat indices, and the (H * W,) pixels within reach of it."""

    points: npt.NDArray[np.intp]
    reach: npt.NDArray[np.uint8]


_NO_CONTOUR = _Contour(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.uint8))


def _ids(pixels: npt.NDArray[np.intp]) -> list[int]:
    """Return the labels, but for background, that have pixels."""
    return [int(i) for i in np.flatnonzero(pixels) if i > 0]


def _j_of_pairs(
    table: npt.NDArray[np.intp], objects: Sequence[int], true_areas: npt.NDArray[np.intp]
) -> _Matrix:
    """Return J of every proposal with every object.

    Args:
        table: (labels, proposals) pixels that each true label shares with each proposal.
        objects: True labels.
        true_areas: (labels,) pixels of each true label.
    """
    shared = table[list(objects)].T
    union = table.sum(axis=0)[:, None] + true_areas[list(objects)] - shared
    j: _Matrix = np.divide(shared, union, out=np.ones(shared.shape), where=union > 0)
    return j


def _f_of_pairs(
    prediction: LabelMap, proposals: int, truth: LabelMap, objects: Sequence[int]
) -> _Matrix:
    """Return F of every proposal, 1 to ``proposals``, with every object."""
    theirs = [_contour(truth == i) for i in objects]
    ours = [_contour(prediction == i) for i in range(1, proposals + 1)]
    return np.array([[_f(p, t) for t in theirs] for p in ours]).reshape(proposals, len(objects))


def _contour(mask: BinaryMask) -> _Contour:
    """Draw the boundary of an (H, W) mask, and the discs around it, in the part that holds them."""
    height, width = mask.shape
    x, y, box_width, box_height = cv2.boundingRect(mask.view(np.uint8))
    radius = tolerance_radius(height, width)
    margin = radius + 1  # a boundary lies one pixel up and left of its object
    top, left = max(y - margin, 0), max(x - margin, 0)
    window = (slice(top, y + box_height + margin), slice(left, x + box_width + margin))
    boundary = boundary_map(mask[window])
    ys, xs = np.nonzero(boundary)
    if len(ys) == 0:
        return _NO_CONTOUR
    reach = np.zeros((height, width), dtype=np.uint8)
    reach[window] = cv2.dilate(boundary.view(np.uint8), disc(radius))
    return _Contour((ys + top) * width + xs + left, reach.ravel())


def _f(prediction: _Contour, truth: _Contour) -> float:
    """Return what :func:`vos_core.metrics.contour_accuracy` does for the masks themselves."""
    n_predicted, n_true = len(prediction.points), len(truth.points)
    if n_predicted == 0 or n_true == 0:
        return float(n_predicted == n_true)
    precision = int(np.count_nonzero(truth.reach[prediction.points])) / n_predicted
    recall = int(np.count_nonzero(prediction.reach[truth.points])) / n_true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
