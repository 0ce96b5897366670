"""Exact optical flow and occlusion between the two frames of a dream.

Between the frames each layer, the plate and every object, moves by a backward map of its own. So
the backward flow of a pixel is that of the layer which it belongs to, exactly; its forward flow is
the inverse of that map, to a thousandth of a pixel. What belongs to whom is known in both frames,
and with it what comes into sight and what goes out of it, at the border of the frame as well as
behind another object. (Khoreva et al., arXiv:1703.09554, section 4; the released code has forward
flow of first order only, x and y exchanged on objects, and no occlusion.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from augment.geometry import (
    STEP,
    BackwardMap,
    PointMap,
    Points,
    pixel_grid,
    sampling_map,
    warp_labels,
)
from augment.shapes import bounding_box
from vos_core.types import VOID, BinaryMask, FloatArray, LabelMap

PLATE = 0
"""The plate's id among the layers, as background has in a label map."""


@dataclass(frozen=True, eq=False)
class DreamFlow:
    """How the pixels of a dreamt frame and of the frame before it belong together.

    Flow is (H, W, 2) float32 in pixels, x first, defined everywhere; where a pixel is not visible
    in the other frame it leads to the place where it is hidden, or out of the frame.

    Attributes:
        backward: On the dreamt frame, into the frame before.
        forward: On the frame before, into the dreamt frame.
        newly_visible: (H, W) bool, pixels of the dreamt frame that the frame before does not show.
        disappearing: (H, W) bool, pixels of the frame before that the dreamt frame does not show.
    """

    backward: FloatArray
    forward: FloatArray
    newly_visible: BinaryMask
    disappearing: BinaryMask


def dream_flow(
    label_map: LabelMap,
    previous_label_map: LabelMap,
    motions: Mapping[int, BackwardMap[Points]],
    steps: Mapping[int, int] | None = None,
) -> DreamFlow:
    """Return the exact flow of a dream.

    Args:
        label_map: (H, W) uint8, what is visible in the dreamt frame; void belongs to the plate.
        previous_label_map: (H, W) uint8, what is visible in the frame before.
        motions: Id -> backward map from the dreamt frame to the frame before, of every object and
            of the plate (``PLATE``).
        steps: Id -> distance of the nodes of its sampling grid in pixels, where it is not ``STEP``.
    """
    forward_motions = {i: motion.inverse for i, motion in motions.items()}
    now, before = (
        np.where(each == VOID, np.uint8(PLATE), each) for each in (label_map, previous_label_map)
    )
    backward, newly_visible = _follow(now, before, motions, steps or {})
    forward, disappearing = _follow(before, now, forward_motions, steps or {})
    return DreamFlow(backward, forward, newly_visible, disappearing)


def _follow(
    here: LabelMap, there: LabelMap, maps: Mapping[int, PointMap], steps: Mapping[int, int]
) -> tuple[FloatArray, BinaryMask]:
    """Return the flow of each pixel, and which of them the other frame does not show."""
    size = (here.shape[0], here.shape[1])
    positions = sampling_map(size, maps[PLATE], step=64)
    for layer in np.flatnonzero(np.bincount(here.ravel(), minlength=VOID)[1:]) + 1:
        owned = here == layer
        x, y, width, height = bounding_box(owned)
        window = np.s_[y : y + height, x : x + width]
        step = steps.get(int(layer), STEP)
        reached = sampling_map((height, width), maps[int(layer)], step, corner=(x, y))
        cv2.copyTo(reached, owned[window].view(np.uint8), positions[window])
    hidden: BinaryMask = warp_labels(there, positions, outside=VOID) != here
    flow: FloatArray = positions - _pixel_centres(size)
    return flow, hidden


@lru_cache(maxsize=4)
def _pixel_centres(size: tuple[int, int]) -> FloatArray:
    centres = pixel_grid(size).astype(np.float32)
    centres.flags.writeable = False
    return centres
