"""Scores of one sequence, gathered frame by frame in constant memory."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import cv2
import numpy as np

from vos_core.errors import MaskError
from vos_core.metrics.boundary import contour_accuracy
from vos_core.metrics.jaccard import jaccard
from vos_core.metrics.protocols import Protocol
from vos_core.metrics.statistics import Statistics, statistics
from vos_core.types import VOID, BinaryMask, LabelMap

FrameScores = Mapping[int, tuple[float, float]]  # object id -> (J, F)


class ObjectScores(TypedDict):
    """Scores of one object: statistics, and J and F of each scored frame in time order.

    ``proposal`` is there where proposals are matched: the id of the object's own, None if none is
    left for it.
    """

    J: Statistics
    F: Statistics
    J_frames: list[float]
    F_frames: list[float]
    proposal: NotRequired[int | None]


@dataclass(frozen=True)
class SequenceResult:
    """Scores of one sequence.

    Attributes:
        sequence: Its name.
        frames: Its number of frames, scored or not.
        objects: Object id -> scores, in order of the ids.
        scored: Object id -> index of each scored frame, as long as the object's ``J_frames``.
        extra_ids: Predicted id that the truth never has -> number of frames that hold it. Such
            pixels cost a score only where they displace a true object. Proposals have none: their
            ids mean nothing.
        left_out: Ids of true objects that the rules do not score.
    """

    sequence: str
    frames: int
    objects: dict[int, ObjectScores]
    scored: dict[int, list[int]]
    extra_ids: dict[int, int]
    left_out: tuple[int, ...] = ()


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

    def update(self, frame_index: int, prediction: LabelMap, truth: LabelMap | None) -> FrameScores:
        """Score the next frame and return (J, F) of each object that counts in it.

        Args:
            frame_index: Index in the sequence; frames come in order, none left out.
            prediction: (H, W) uint8 label map.
            truth: (H, W) uint8 label map, or None where a frame has none; it is not scored then.

        Raises:
            MaskError: If a frame is out of order, the sizes differ, or ids break the rules.
        """
        if frame_index != self._next_frame or frame_index >= self._length:
            raise MaskError(
                f"sequence {self._sequence!r}: got frame {frame_index}, expected frame "
                f"{self._next_frame} of {self._length}; pass every frame once, in order"
            )
        if truth is not None and prediction.shape != truth.shape:
            raise MaskError(
                f"sequence {self._sequence!r}, frame {frame_index}: the prediction has shape "
                f"{prediction.shape}, the truth {truth.shape}; write masks at the native size"
            )
        self._next_frame += 1
        return {} if truth is None else self._score_frame(frame_index, prediction, truth)

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

    @abstractmethod
    def _score_frame(self, index: int, prediction: LabelMap, truth: LabelMap) -> FrameScores:
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
    """

    def __init__(self, protocol: Protocol, sequence: str, length: int) -> None:
        """Start a sequence.

        Args:
            protocol: The rules.
            sequence: Name, for the result and for messages.
            length: Number of frames in the sequence.
        """
        super().__init__(protocol, sequence, length)
        self._void_is_object = False
        self._objects: dict[int, list[tuple[int, float, float]]] = {}  # id -> (frame, J, F)
        self._predicted_ids: Counter[int] = Counter()

    def _score_frame(self, index: int, prediction: LabelMap, truth: LabelMap) -> FrameScores:
        predicted, true, void = self._apply_protocol(index, prediction, truth)
        self._predicted_ids.update(_ids(predicted))
        known = list(self._objects)
        new = [i for i in _ids(true) if i != VOID and i not in self._objects]
        self._objects.update({i: [] for i in new})
        if self._protocol.drop_last and index == self._length - 1:
            return {}
        scored = known if self._protocol.drop_first else known + new
        scores = {i: _score(predicted == i, true == i, void) for i in sorted(scored)}
        for object_id, (j, f) in scores.items():
            self._objects[object_id].append((index, j, f))
        return scores

    def _collect(self) -> SequenceResult:
        if not self._objects:
            raise MaskError(f"sequence {self._sequence!r}: the true masks show no object")
        ordered = sorted(self._objects.items())
        return SequenceResult(
            sequence=self._sequence,
            frames=self._length,
            objects={
                i: object_scores([j for _, j, _ in frames], [f for _, _, f in frames])
                for i, frames in ordered
            },
            scored={i: [frame for frame, _, _ in frames] for i, frames in ordered},
            extra_ids={
                i: n for i, n in sorted(self._predicted_ids.items()) if i not in self._objects
            },
        )

    def _apply_protocol(
        self, frame_index: int, prediction: LabelMap, truth: LabelMap
    ) -> tuple[LabelMap, LabelMap, BinaryMask | None]:
        """Return prediction and truth as they are scored, and the pixels that do not count."""
        void = None if self._protocol.void_as_background else truth == VOID
        if not self._protocol.binary:
            return prediction, truth, void
        if frame_index == 0:
            self._void_is_object = _ids(truth) == [VOID]
        true = (truth > 0) if self._void_is_object else (truth > 0) & (truth != VOID)
        return (prediction > 0).view(np.uint8), true.view(np.uint8), void


def _ids(label_map: LabelMap) -> list[int]:
    """Return the non-zero labels in increasing order; a histogram is the fastest way."""
    histogram = cv2.calcHist([np.ascontiguousarray(label_map)], [0], None, [256], [0, 256])
    return [int(i) for i in np.flatnonzero(histogram) if i > 0]


def _score(
    prediction: BinaryMask, truth: BinaryMask, void: BinaryMask | None
) -> tuple[float, float]:
    return jaccard(prediction, truth, void), contour_accuracy(prediction, truth, void)


def object_scores(j_frames: list[float], f_frames: list[float]) -> ObjectScores:
    """Return the scores of one object from its J and F of each scored frame, in time order."""
    return ObjectScores(
        J=statistics(j_frames), F=statistics(f_frames), J_frames=j_frames, F_frames=f_frames
    )
