"""Exact optical flow and occlusion between the two frames of a dream.

Between the frames each layer, the plate and every object, moves by an affine map of its own; all
that is random about its shape and place comes before. So the flow of a pixel is that of the layer
which it belongs to, in closed form, and forward and backward flow are inverse to each other. What
belongs to whom is known in both frames, and with it what comes into sight and what goes out of it,
at the border of the frame as well as behind another object. (Khoreva et al., arXiv:1703.09554,
section 4; the released code has flow of first order only and no occlusion.)
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from augment.geometry import Matrix, warp_labels
from vos_core.types import VOID, BinaryMask, FloatArray, LabelMap

PLATE = 0
"""The plate's id among the layers, as background has in a label map."""


@dataclass(frozen=True)
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
    label_map: LabelMap, previous_label_map: LabelMap, motions: Mapping[int, Matrix]
) -> DreamFlow:
    """Return the exact flow of a dream.

    Args:
        label_map: (H, W) uint8, what is visible in the dreamt frame.
        previous_label_map: (H, W) uint8, what is visible in the frame before.
        motions: Id -> (3, 3) affine matrix from the frame before to the dreamt frame, of every
            object and of the plate (``PLATE``).
    """
    inverses = {i: np.linalg.inv(m).astype(np.float64) for i, m in motions.items()}
    backward, newly_visible = _follow(label_map, previous_label_map, inverses)
    forward, disappearing = _follow(previous_label_map, label_map, motions)
    return DreamFlow(backward, forward, newly_visible, disappearing)


def _follow(
    here: LabelMap, there: LabelMap, maps: Mapping[int, Matrix]
) -> tuple[FloatArray, BinaryMask]:
    """Return the flow of each pixel, and which of them the other frame does not show."""
    height, width = here.shape
    ys = np.arange(height, dtype=np.float32)[:, None]
    xs = np.arange(width, dtype=np.float32)[None, :]
    flow = np.empty((height, width, 2), dtype=np.float32)
    for layer in np.flatnonzero(np.bincount(here.ravel(), minlength=VOID)):
        owned = here == layer
        x, y, box_width, box_height = cv2.boundingRect(owned.view(np.uint8))
        window = np.s_[y : y + box_height, x : x + box_width]
        rows, columns = ys[window[0]], xs[:, window[1]]
        (a, b, x0), (c, d, y0) = maps[int(layer)][:2].astype(np.float32)
        moved = np.dstack([(a - 1) * columns + b * rows + x0, c * columns + (d - 1) * rows + y0])
        np.copyto(flow[window], moved, where=owned[window][..., None])
    positions = flow + np.dstack(np.broadcast_arrays(xs, ys))
    hidden: BinaryMask = warp_labels(there, positions, outside=VOID) != here
    return flow, hidden
