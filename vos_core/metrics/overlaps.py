"""How many pixels the objects of two label maps share: every pair's J from one pass."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vos_core.types import VOID, BinaryMask, LabelMap

LABELS = 256
Row = npt.NDArray[np.float64]
"""(256,) one number for each predicted label."""


@dataclass(frozen=True)
class Overlaps:
    """Pixel counts of one frame, without the pixels that do not count.

    Attributes:
        shared: True id -> pixels that it shares with each predicted label.
        true_areas: True id -> its pixels; ids without any are left out.
        predicted_areas: Pixels of each predicted label.
    """

    shared: Mapping[int, Row]
    true_areas: Mapping[int, float]
    predicted_areas: Row

    def predicted_ids(self) -> list[int]:
        """Return the labels, but for background, that are predicted somewhere."""
        return [int(i) for i in np.flatnonzero(self.predicted_areas) if i > 0]

    def jaccard(self, object_id: int) -> Row:
        """Return J of one true object with each predicted label, as if that were its id."""
        shared = self.shared.get(object_id, np.zeros(LABELS))
        union = self.true_areas.get(object_id, 0) + self.predicted_areas - shared
        row: Row = np.divide(shared, union, out=np.ones(LABELS), where=union > 0)
        return row


def count_overlaps(
    prediction: LabelMap, truth: LabelMap | Mapping[int, BinaryMask], *, ignore_void: bool
) -> Overlaps:
    """Count the pixels that true objects share with predicted ones.

    Args:
        prediction: (H, W) uint8 label map.
        truth: (H, W) uint8 label map, in which 255 is no object; or the (H, W) bool mask of each
            object.
        ignore_void: Leave out the pixels whose true label is 255.

    Example:
        >>> prediction = np.array([[0, 1, 1, 1]], dtype=np.uint8)
        >>> truth = np.array([[0, 7, 7, 255]], dtype=np.uint8)
        >>> overlaps = count_overlaps(prediction, truth, ignore_void=True)
        >>> overlaps.true_areas
        {7: 2.0}
        >>> overlaps.jaccard(7)[[0, 1]]
        array([0., 1.])
    """
    if isinstance(truth, Mapping):
        shared = {i: np.bincount(prediction[true], minlength=LABELS) for i, true in truth.items()}
        areas = np.bincount(prediction.ravel(), minlength=LABELS)
        rows = {i: row.astype(np.float64) for i, row in shared.items()}
        return _of_objects(rows, areas.astype(np.float64))
    # exact up to 2**24 pixels a label, as OpenCV returns float32
    table = cv2.calcHist([truth, prediction], [0, 1], None, [LABELS] * 2, [0, LABELS] * 2)
    if ignore_void:
        table[VOID] = 0
    rows = {int(i): table[i].astype(np.float64) for i in np.flatnonzero(table.any(axis=1))}
    predicted_areas = np.sum(list(rows.values()), axis=0, dtype=np.float64) + np.zeros(LABELS)
    return _of_objects({i: row for i, row in rows.items() if i not in (0, VOID)}, predicted_areas)


def _of_objects(shared: Mapping[int, Row], predicted_areas: Row) -> Overlaps:
    areas = {i: float(row.sum()) for i, row in shared.items()}
    return Overlaps(shared, {i: area for i, area in areas.items() if area}, predicted_areas)
