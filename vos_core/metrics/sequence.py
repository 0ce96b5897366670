"""Scores of one sequence, gathered frame by frame in constant memory."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from vos_core.errors import MaskError
from vos_core.metrics.boundary import contour_accuracy
from vos_core.metrics.identities import Swap, UnionFit, find_swap
from vos_core.metrics.overlaps import LABELS, Overlaps, Row, count_overlaps
from vos_core.metrics.protocols import Protocol
from vos_core.metrics.statistics import Statistics, statistics
from vos_core.types import VOID, BinaryMask, LabelMap

FrameScores = Mapping[int, tuple[float, float]]  # object id -> (J, F)
Truth = LabelMap | Mapping[int, BinaryMask]
"""The true label map of a frame, or, where objects overlap, the (H, W) bool mask of each id."""


class ObjectScores(TypedDict):
    """Scores of one object: statistics, and J and F of each scored frame in time order.

    ``proposal`` is there where proposals are matched: the id of the object's own, None if none is
    left for it. ``T`` is there where temporal stability was asked for.
    """

    J: Statistics
    F: Statistics
    J_frames: list[float]
    F_frames: list[float]
    proposal: NotRequired[int | None]
    T: NotRequired[float]


@dataclass(frozen=True)
class SequenceResult:
    """Scores of one sequence.

    Attributes:
        sequence: Its name.
        frames: Its number of frames, scored or not.
        objects: Object id -> scores, in order of the ids.
        scored: Object id -> index of each scored frame, as long as the object's ``J_frames``.
        extra_ids: Predicted id that the truth never has -> number of scored frames that hold it.
            Such pixels cost a score only where they displace a true object. Proposals have none:
            their ids mean nothing.
        left_out: Ids of true objects that the rules do not score.
        swap: Other ids that would fit the prediction better, None if there are none.
        merged: One predicted id covers all objects, of which there are several.
    """

    sequence: str
    frames: int
    objects: dict[int, ObjectScores]
    scored: dict[int, list[int]]
    extra_ids: dict[int, int]
    left_out: tuple[int, ...] = ()
    swap: Swap | None = None
    merged: bool = False


class Scorer(ABC):
    """Scores the predicted label maps of one sequence as they come."""

    def __init__(self, protocol: Protocol, sequence: str, length: int) -> None:
        """Start a sequence.

        Args:
            protocol: The rules.
            sequence: Name, for the result and for messages.
            length: Number of frames in the sequence.
        """
        self._protocol = protocol
        self._sequence = sequence
        self._length = length
        self._next_frame = 0

    def update(self, frame_index: int, prediction: LabelMap, truth: Truth) -> FrameScores:
        """Score the next frame and return (J, F) of each object that counts in it.

        Args:
            frame_index: Index in the sequence; frames come in order.
            prediction: (H, W) uint8 label map.
            truth: (H, W) uint8 label map, or the masks of all objects, which may overlap.

        Raises:
            MaskError: If a frame is out of order, the sizes differ, or ids break the rules.
        """
        self._require_next(frame_index)
        for true in truth.values() if isinstance(truth, Mapping) else (truth,):
            if prediction.shape != true.shape:
                raise MaskError(
                    f"sequence {self._sequence!r}, frame {frame_index}: the prediction has shape "
                    f"{prediction.shape}, the truth {true.shape}; write masks at the native size"
                )
        scores = self._score_frame(frame_index, prediction, truth)
        self._next_frame += 1
        return scores

    def skip(self, frame_index: int) -> None:
        """Pass over the next frame, which has no truth.

        Raises:
            MaskError: If it is out of order.
        """
        self._require_next(frame_index)
        self._next_frame += 1

    def result(self) -> SequenceResult:
        """Return the scores of the whole sequence.

        Raises:
            MaskError: If frames are missing or the truth shows no object.
        """
        if self._next_frame != self._length:
            raise MaskError(
                f"sequence {self._sequence!r}: {self._next_frame} of {self._length} frames were "
                "predicted; complete them before scoring"
            )
        return self._collect()

    def _require_next(self, frame_index: int) -> None:
        if frame_index != self._next_frame or frame_index >= self._length:
            raise MaskError(
                f"sequence {self._sequence!r}: got frame {frame_index}, expected frame "
                f"{self._next_frame} of {self._length}; pass every frame once, in order"
            )

    @abstractmethod
    def _score_frame(self, index: int, prediction: LabelMap, truth: Truth) -> FrameScores:
        """Score a frame that is in order and has truth."""

    @abstractmethod
    def _collect(self) -> SequenceResult:
        """Return the scores when all frames have come."""


class SequenceScorer(Scorer):
    """Scores predictions whose ids are those of the truth.

    Objects of frame 0 are scored as in DAVIS: on every frame but the first and the last one. An
    object that the truth first shows in a later frame is scored from the frame after that; the
    official script stops at such objects or leaves them out. Ids that the truth skips are not
    scored (the official script counts them as perfect). Where ids are 1..N and all in frame 0,
    the numbers equal the official ones.

    In a binary protocol every non-zero label is the object. The one exception is 255 in the truth
    of a sequence whose first frame has other labels, too: there it is void.

    Example:
        >>> from vos_core.metrics import DAVIS2017
        >>> scorer = SequenceScorer(DAVIS2017, "bear", length=3)
        >>> truth = np.array([[0, 1, 1, 0]], dtype=np.uint8)
        >>> prediction = np.array([[0, 1, 0, 0]], dtype=np.uint8)
        >>> [scorer.update(t, prediction, truth) for t in range(3)]
        [{}, {1: (0.5, 1.0)}, {}]
        >>> scorer.result().objects[1]["J"]
        {'mean': 0.5, 'recall': 0.0, 'decay': 0.0}
    """

    def __init__(self, protocol: Protocol, sequence: str, length: int) -> None:
        """Start a sequence.

        Args:
            protocol: The rules.
            sequence: Name, for the result and for messages.
            length: Number of frames in the sequence.
        """
        super().__init__(protocol, sequence, length)
        self._void_is_object: bool | None = None  # known with the first truth
        self._objects: dict[int, _ObjectTrack] = {}
        self._predicted_ids: Counter[int] = Counter()
        self._union = UnionFit()

    def _score_frame(self, index: int, prediction: LabelMap, truth: Truth) -> FrameScores:
        rules = self._protocol
        if rules.binary:
            truth = self._as_one_object(truth, prediction.shape)
            prediction = (prediction > 0).view(np.uint8)
        overlaps = count_overlaps(prediction, truth, ignore_void=not rules.void_as_background)
        known = set(self._objects)
        self._objects.update({i: _ObjectTrack() for i in overlaps.true_areas if i not in known})
        for i in overlaps.true_areas:
            self._objects[i].show(overlaps, i)
        scored = sorted(known if rules.drop_first else self._objects)
        if not scored or (rules.drop_last and index == self._length - 1):
            return {}
        self._predicted_ids.update(overlaps.predicted_ids())
        self._union.add(overlaps)
        void = self._void(truth)
        scores = {}
        for i in scored:
            true = _region(truth, i, prediction.shape)
            f = contour_accuracy(prediction == i, true, void)
            j = overlaps.jaccard(i)
            self._objects[i].add(index, j, float(j[i]), f, visible=i in overlaps.true_areas)
            scores[i] = (float(j[i]), f)
        return scores

    def _collect(self) -> SequenceResult:
        if not self._objects:
            raise MaskError(f"sequence {self._sequence!r}: the true masks show no object")
        objects = dict(sorted(self._objects.items()))
        shown = {i: each for i, each in objects.items() if each.visible_frames}
        wrap = self._protocol.wrap_decay
        return SequenceResult(
            sequence=self._sequence,
            frames=self._length,
            objects={i: object_scores(o.j, o.f, wrap_decay=wrap) for i, o in objects.items()},
            scored={i: each.frames for i, each in objects.items()},
            extra_ids={i: n for i, n in sorted(self._predicted_ids.items()) if i not in objects},
            swap=find_swap(
                {i: each.j_sum / each.visible_frames for i, each in shown.items()},
                {i: each.j_first for i, each in shown.items() if each.j_first is not None},
            ),
            merged=self._union.looks_merged(),
        )

    def _void(self, truth: Truth) -> BinaryMask | None:
        """Return the pixels that do not count; None for none, which saves work for each object."""
        if isinstance(truth, Mapping) or self._protocol.void_as_background:
            return None
        void: BinaryMask = truth == VOID
        return void if void.any() else None

    def _as_one_object(self, truth: Truth, size: tuple[int, ...]) -> LabelMap:
        """Return a label map of 0, 1 and void."""
        if isinstance(truth, Mapping):
            empty = np.zeros(size, dtype=np.bool_)
            union: BinaryMask = np.logical_or.reduce([empty, *truth.values()])
            return union.view(np.uint8)
        if self._void_is_object is None:
            self._void_is_object = set(np.unique(truth)) <= {0, VOID}
        one = (truth > 0).view(np.uint8)
        if not self._void_is_object:
            one[truth == VOID] = VOID
        return one


def _region(truth: Truth, object_id: int, size: tuple[int, ...]) -> BinaryMask:
    """Return the true mask of one object; one that is not listed is not there."""
    if isinstance(truth, Mapping):
        return truth.get(object_id, np.zeros(size, dtype=np.bool_))
    owned: BinaryMask = truth == object_id
    return owned


class _ObjectTrack:
    """What one object has scored so far, and how other ids would have fitted it."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.j: list[float] = []
        self.f: list[float] = []
        self.j_first: Row | None = None  # with each predicted label
        self.j_sum = np.zeros(LABELS)
        self.visible_frames = 0

    def show(self, overlaps: Overlaps, object_id: int) -> None:
        """Note the first frame that shows the object and for which there is a prediction."""
        if self.j_first is None and overlaps.predicted_ids():
            self.j_first = overlaps.jaccard(object_id)

    def add(self, frame: int, with_each: Row, j: float, f: float, *, visible: bool) -> None:
        if visible:
            self.j_sum = self.j_sum + with_each
            self.visible_frames += 1
        self.frames.append(frame)
        self.j.append(j)
        self.f.append(f)


def object_scores(
    j_frames: list[float], f_frames: list[float], *, wrap_decay: bool = False
) -> ObjectScores:
    """Return the scores of one object from its J and F of each scored frame, in time order.

    Args:
        j_frames: J of each scored frame.
        f_frames: F of each scored frame.
        wrap_decay: See :func:`vos_core.metrics.statistics`.

    Example:
        >>> object_scores([1.0, 0.5], [1.0, 1.0])["J"]
        {'mean': 0.75, 'recall': 0.5, 'decay': 0.5}
    """
    return ObjectScores(
        J=statistics(j_frames, wrap_decay=wrap_decay),
        F=statistics(f_frames, wrap_decay=wrap_decay),
        J_frames=j_frames,
        F_frames=f_frames,
    )
