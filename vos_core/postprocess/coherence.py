"""Temporal coherence: parts of a mask that come from nowhere are not believed.

LucidTracker (Khoreva et al., DAVIS 2017 challenge, "Temporal coherency"): connected components of
the last mask that do not touch the mask before it are removed before the last mask guides the
next frame.
"""

import cv2
import numpy as np

from vos_core.types import BinaryMask


def prune_components(mask: BinaryMask, earlier: BinaryMask) -> BinaryMask:
    """Remove the 8-connected components of a mask that do not touch an earlier one.

    Args:
        mask: (H, W) bool.
        earlier: (H, W) bool, the same object one frame before.

    Returns:
        (H, W) bool. The largest component always stays, and where no component touches the
        earlier mask (the object jumped, or was hidden), all of them do.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    kept = np.zeros(count, dtype=bool)
    kept[labels[mask & earlier]] = True
    if not kept.any():
        return mask
    kept[1 + stats[1:, cv2.CC_STAT_AREA].argmax()] = True
    return np.asarray(kept[labels], dtype=bool)
