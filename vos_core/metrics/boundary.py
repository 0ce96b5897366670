"""Contour accuracy F (Perazzi et al., CVPR 2016): how well two contours lie on each other.

The numbers equal those of davis2017-evaluation: a boundary pixel is matched if a boundary pixel of
the other mask lies within a disk whose radius is 0.8 % of the image diagonal.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from vos_core.metrics.masks import binary_pair
from vos_core.morphology import disc
from vos_core.types import BinaryMask

TOLERANCE = 0.008  # of the image diagonal


def tolerance_radius(height: int, width: int, tolerance: float = TOLERANCE) -> int:
    """Return how far apart matched contours may lie, in whole pixels (480x854: 8)."""
    return math.ceil(tolerance * math.hypot(height, width))


def boundary_map(mask: BinaryMask) -> BinaryMask:
    """Mark the pixels that differ from their right, lower or lower-right neighbour.

    The last row is compared with its right neighbours only, the last column with the lower ones
    only, so an object's edge along the image border is not a boundary.

    Args:
        mask: (H, W) bool.
    """
    boundary = np.zeros_like(mask)
    boundary[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    boundary[:-1] |= mask[:-1] ^ mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return boundary


def contour_accuracy(
    prediction: BinaryMask,
    truth: BinaryMask,
    void: BinaryMask | None = None,
    tolerance: float = TOLERANCE,
) -> float:
    """Return the F-measure of the contours' precision and recall, in [0, 1].

    It is 1 where neither mask has a boundary and 0 where only one has. Void pixels become
    background in both masks before their boundaries are drawn.

    Args:
        prediction: (H, W) bool.
        truth: (H, W) bool.
        void: (H, W) bool, pixels that do not count; None for none.
        tolerance: Radius within which contours match, as a fraction of the image diagonal.

    Raises:
        MaskError: If the sizes differ.
    """
    predicted, true = binary_pair(prediction, truth, void)
    height, width = true.shape
    window = _occupied_window(predicted | true)
    predicted_boundary = boundary_map(predicted[window]).view(np.uint8)
    true_boundary = boundary_map(true[window]).view(np.uint8)
    n_predicted = cv2.countNonZero(predicted_boundary)
    n_true = cv2.countNonZero(true_boundary)
    if n_predicted == 0 or n_true == 0:
        return float(n_predicted == n_true)

    element = disc(tolerance_radius(height, width, tolerance))
    precision = _matched(predicted_boundary, cv2.dilate(true_boundary, element)) / n_predicted
    recall = _matched(true_boundary, cv2.dilate(predicted_boundary, element)) / n_true
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def _occupied_window(mask: BinaryMask) -> tuple[slice, slice]:
    """Return the part of the image that holds every boundary pixel.

    It is the bounding box plus one pixel on each side that the image has: boundaries reach one
    pixel up and left of the object, and the row below and the column right of it show whether it
    ends there or is cut off by the border. Nothing outside can match, so no wider rim is needed.
    """
    height, width = mask.shape
    x, y, box_width, box_height = cv2.boundingRect(mask.view(np.uint8))
    rows = slice(max(y - 1, 0), min(y + box_height + 1, height))
    columns = slice(max(x - 1, 0), min(x + box_width + 1, width))
    return rows, columns


def _matched(boundary: npt.NDArray[np.uint8], reach: npt.NDArray[np.uint8]) -> int:
    """Count the boundary pixels within reach of the other boundary."""
    return int(np.count_nonzero(boundary & reach))
