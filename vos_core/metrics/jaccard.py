"""Region similarity J (Perazzi et al., CVPR 2016): how well two regions overlap."""

import numpy as np

from vos_core.metrics.masks import binary_pair
from vos_core.types import BinaryMask


def jaccard(prediction: BinaryMask, truth: BinaryMask, void: BinaryMask | None = None) -> float:
    """Return intersection over union of two masks, in [0, 1]; 1 where both are empty.

    Args:
        prediction: (H, W) bool.
        truth: (H, W) bool.
        void: (H, W) bool, pixels that are removed from both masks; None for none.

    Raises:
        MaskError: If the sizes differ.

    Example:
        >>> prediction, truth = np.array([[1, 1, 0]]), np.array([[0, 1, 1]])
        >>> round(jaccard(prediction, truth), 3)
        0.333
        >>> jaccard(prediction, truth, void=np.array([[1, 0, 0]]))
        0.5
    """
    predicted, true = binary_pair(prediction, truth, void)
    union = np.count_nonzero(predicted | true)
    return float(np.count_nonzero(predicted & true) / union) if union else 1.0
