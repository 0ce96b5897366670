"""Contour accuracy F (Perazzi et al., CVPR 2016): how well two contours lie on each other.

The numbers equal those of davis2017-evaluation: a boundary pixel is matched if a boundary pixel of
the other mask lies within a disk whose radius is 0.8 % of the image diagonal.
"""

import math

import cv2
import numpy as np

from vos_core.metrics.masks import binary_pair
from vos_core.types import BinaryMask

TOLERANCE = 0.008  # of the image diagonal


def tolerance_radius(height: int, width: int, tolerance: float = TOLERANCE) -> int:
    """Return how far apart matched contours may lie, in whole pixels.

    Example:
        >>> tolerance_radius(480, 854)
        8
    """
    return math.ceil(tolerance * math.hypot(height, width))


def boundary_map(mask: BinaryMask) -> BinaryMask:
    """Mark the pixels that differ from their right, lower or lower-right neighbour.

    The last row is compared with its right neighbours only, the last column with the lower ones
    only, so an object's edge along the image border is not a boundary.

    Args:
        mask: (H, W) bool.

    Example:
        >>> mask = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
        >>> boundary_map(mask).astype(int)
        array([[1, 1, 0],
               [1, 1, 0],
               [0, 0, 0]])
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

    Example:
        >>> truth = np.zeros((480, 854), dtype=bool)
        >>> truth[100:200, 300:400] = True
        >>> moved = np.roll(truth, 6, axis=1)  # no farther than the radius of 8 pixels
        >>> contour_accuracy(moved, truth), contour_accuracy(~truth, truth)
        (1.0, 1.0)
        >>> round(contour_accuracy(np.roll(truth, 9, axis=1), truth), 3)
        0.54
    """
    predicted, true = binary_pair(prediction, truth, void)
    height, width = true.shape
    radius = tolerance_radius(height, width, tolerance)
    window = _occupied_window(predicted, true)
    ours, theirs = (_as_bits(boundary_map(mask[window]), radius) for mask in (predicted, true))
    n_predicted, n_true = ours.bit_count(), theirs.bit_count()
    if n_predicted == 0 or n_true == 0:
        return float(n_predicted == n_true)

    row = window[1].stop - window[1].start + radius
    precision = (ours & _within_reach(theirs, row, radius)).bit_count() / n_predicted
    recall = (theirs & _within_reach(ours, row, radius)).bit_count() / n_true
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def _occupied_window(*masks: BinaryMask) -> tuple[slice, slice]:
    """Return the part of the image that holds every boundary pixel of masks of one size.

    It is their common bounding box plus one pixel on each side that the image has: boundaries
    reach one pixel up and left of an object, and the row below and the column right of it show
    whether it ends there or is cut off by the border. Nothing outside can match, so no wider rim
    is needed.
    """
    height, width = masks[0].shape
    boxes = [cv2.boundingRect(mask.view(np.uint8)) for mask in masks]
    top, left = min(y for _, y, _, _ in boxes), min(x for x, _, _, _ in boxes)
    bottom, right = max(y + h for _, y, _, h in boxes), max(x + w for x, _, w, _ in boxes)
    rows = slice(max(top - 1, 0), min(bottom + 1, height))
    columns = slice(max(left - 1, 0), min(right + 1, width))
    return rows, columns


# A mask as one long integer: its pixels are moved, joined and counted thirty at a time, which is
# several times faster than to dilate an image of bytes.
def _as_bits(mask: BinaryMask, margin: int) -> int:
    """Return an integer with one bit a pixel, row after row, each followed by ``margin`` zeros."""
    height, width = mask.shape
    wide = np.zeros((height, width + margin), dtype=np.bool_)
    wide[:, :width] = mask
    return int.from_bytes(np.packbits(wide, bitorder="little").tobytes(), "little")


def _within_reach(bits: int, row: int, radius: int) -> int:
    """Dilate a mask of :func:`_as_bits` by a disk: all pixels at most ``radius`` from one of it.

    Pixels that leave a row on either side lie in a margin, so this must be ``radius`` bits wide;
    it is not empty afterwards.

    Args:
        bits: The mask.
        row: Bits of a row, with its margin.
        radius: Of the disk, in pixels.
    """
    reach, widened, extent = 0, bits, 0
    for y in range(radius, -1, -1):
        half_width = math.isqrt(radius**2 - y**2)  # of the disk's row at height y; it grows
        for _ in range(half_width - extent):
            widened |= widened << 1 | widened >> 1
        extent = half_width
        reach |= widened << y * row | widened >> y * row
    return reach
