"""The worst frames of a sequence, kept while its frames stream by."""

from bisect import insort
from dataclasses import dataclass

import cv2
import numpy as np

from vos_core.metrics.sequence import FrameScores
from vos_core.types import Image, LabelMap
from vos_core.visual.overlay import overlay


@dataclass(frozen=True)
class WorstFrame:
    """A frame that went badly, ready to be shown.

    Attributes:
        name: Stem of the frame's file.
        J: Region similarity in [0, 1], mean over the objects scored in this frame.
        F: Contour accuracy in [0, 1], likewise.
        prediction: (h, w, 3) uint8 thumbnail with the predicted masks painted over it.
        truth: (h, w, 3) uint8 thumbnail with the contours of the true masks.
    """

    name: str
    J: float
    F: float
    prediction: Image
    truth: Image


@dataclass(frozen=True)
class _Candidate:
    name: str
    j: float
    f: float
    frame: Image
    prediction: LabelMap
    truth: LabelMap


class WorstFrames:
    """Keep the k frames of lowest mean J; memory does not grow with the sequence."""

    def __init__(self, k: int) -> None:
        """Start empty.

        Args:
            k: How many frames to keep; 0 keeps none.
        """
        self._k = k
        self._kept: list[_Candidate] = []  # worst first; the earlier one first among equals

    def offer(
        self, name: str, frame: Image, prediction: LabelMap, truth: LabelMap, scores: FrameScores
    ) -> None:
        """Keep the frame if it belongs to the k worst so far; arrays are copied then.

        Args:
            name: Stem of the frame's file.
            frame: (H, W, 3) uint8 RGB.
            prediction: (H, W) uint8 label map.
            truth: (H, W) uint8 label map.
            scores: What ``SequenceScorer.update`` returned; frames without a score are passed over.
        """
        if not scores:
            return
        j, f = np.mean(list(scores.values()), axis=0).tolist()
        if len(self._kept) >= self._k and (self._k == 0 or j >= self._kept[-1].j):
            return
        candidate = _Candidate(name, j, f, frame.copy(), prediction.copy(), truth.copy())
        insort(self._kept, candidate, key=lambda c: c.j)
        del self._kept[self._k :]

    def thumbnails(self, width: int = 400) -> list[WorstFrame]:
        """Return the kept frames, worst first, at most ``width`` pixels wide."""
        return [_render(candidate, width) for candidate in self._kept]


def _render(candidate: _Candidate, width: int) -> WorstFrame:
    # Masks are painted after shrinking, so that contours stay crisp.
    height, full_width = candidate.truth.shape
    width = min(width, full_width)
    size = (width, max(round(height * width / full_width), 1))
    frame = cv2.resize(candidate.frame, size, interpolation=cv2.INTER_AREA)
    prediction, truth = (
        cv2.resize(m, size, interpolation=cv2.INTER_NEAREST)
        for m in (candidate.prediction, candidate.truth)
    )
    return WorstFrame(
        name=candidate.name,
        J=candidate.j,
        F=candidate.f,
        prediction=overlay(frame, prediction),
        truth=overlay(frame, truth, alpha=0),
    )
