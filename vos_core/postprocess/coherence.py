"""Temporal coherence: parts of a mask that come from nowhere are not believed.

After LucidTracker (Khoreva et al., DAVIS 2017 challenge, "Temporal coherency"), which removes the
connected components of the last mask that do not overlap the mask before it. What a mask is held
against is for the caller to say: in :mod:`vos_core.propagation.guides`, the mask before it, as
published, or the mask that guided it, so that a false part is gone before it is answered.
"""

import cv2
import numpy as np

from vos_core.morphology import disc
from vos_core.types import BinaryMask


def prune_components(
    mask: BinaryMask, guide: BinaryMask, reach: int = 0, *, keep_largest: bool = False
) -> BinaryMask:
    """Remove the 8-connected components of a mask that are out of reach of its guide.

    Args:
        mask: (H, W) bool.
        guide: (H, W) bool, where the object was expected.
        reach: Distance in pixels from the guide at which a component still counts as touching.
        keep_largest: Never remove the largest component.

    Returns:
        (H, W) bool. Where no component touches the guide (the object jumped, or was hidden), all
        of them stay.
    """
    count, labels, parts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2 or not guide.any():
        return mask
    near = cv2.dilate(guide.astype(np.uint8), disc(reach)) > 0
    kept = np.zeros(count, dtype=bool)
    kept[labels[mask & near]] = True
    if not kept.any():
        return mask
    if keep_largest:
        kept[1 + parts[1:, cv2.CC_STAT_AREA].argmax()] = True
    return np.asarray(kept[labels], dtype=bool)
