"""Objectness without weights: the minimum barrier distance (Zhang et al., ICCV 2015).

A path crosses a barrier as high as the difference between its largest and its smallest value; the
distance of a pixel is the lowest barrier on any path to the border of the frame. Background is
connected to the border by paths without barriers, an object inside the frame is not.
"""

import cv2
import numpy as np

from vos_core.semantics.estimators import check_frame
from vos_core.types import FloatArray, Image

_LONG_SIDE = 160
"""Of the frame that is searched; twice as many pixels a side find no better and take three times
as long."""

_ROUNDS = 2
"""Of sweeps in all four directions; a third changes next to nothing."""

_FAINT = 20.0
"""Distance that is white even where none is larger, so that noise stays dark; photographs reach 40
and more."""


class BarrierObjectness:
    """What stands out from the border of the frame, which takes about 8 ms.

    Distances in the three channels of CIELAB are added, as in the paper, and the largest is white.
    Things that touch the border are found in part or not at all.
    """

    def __init__(self) -> None:
        self.description = (
            "objectness is a stand-in for a segmentation network that needs no weights: it knows "
            "no classes and marks what stands out from the frame's border (minimum barrier "
            f"distance, {_LONG_SIDE} px, {_ROUNDS} rounds, OpenCV {cv2.__version__})"
        )

    def __call__(self, image: Image) -> FloatArray:
        """Estimate where ``image`` shows something."""
        check_frame(image)
        height, width = image.shape[:2]
        distance = _barrier_distance(_small_lab(image)).sum(axis=0)
        saliency = distance / max(float(distance.max()), _FAINT)
        resized = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, dtype=np.float32).clip(0, 1)


def _small_lab(image: Image) -> FloatArray:
    """Return a frame in CIELAB as (3, h, w), small and a little smoothed against noise."""
    height, width = image.shape[:2]
    scale = min(1.0, _LONG_SIDE / max(height, width))
    size = max(1, round(scale * width)), max(1, round(scale * height))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), (3, 3), 0)
    return np.ascontiguousarray(lab.transpose(2, 0, 1))


def _barrier_distance(values: FloatArray) -> FloatArray:
    """Return the (C, h, w) distance of each pixel of each channel to the border.

    Algorithm 1 of the paper, but a line at a time: each of the four directions is its own sweep.
    """
    largest, smallest = values.copy(), values.copy()
    distance = np.zeros_like(values)
    distance[:, 1:-1, 1:-1] = np.inf
    for _ in range(_ROUNDS):
        for axis in (1, 2):
            state = [np.moveaxis(each, axis, 0) for each in (values, largest, smallest, distance)]
            _sweep(*state)
            _sweep(*(each[::-1] for each in state))
    return distance


def _sweep(
    values: FloatArray, largest: FloatArray, smallest: FloatArray, distance: FloatArray
) -> None:
    """Continue the paths of each line, the first axis, in the next one where that is shorter."""
    for line in range(1, len(values)):
        high = np.maximum(largest[line - 1], values[line])
        low = np.minimum(smallest[line - 1], values[line])
        barrier = high - low
        shorter = barrier < distance[line]
        np.copyto(largest[line], high, where=shorter)
        np.copyto(smallest[line], low, where=shorter)
        np.copyto(distance[line], barrier, where=shorter)
