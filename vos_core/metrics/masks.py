"""What J and F ask of their input: two binary masks of one size, without the void pixels."""

import numpy as np
import numpy.typing as npt

from vos_core.errors import MaskError
from vos_core.types import BinaryMask


def binary_pair(
    prediction: npt.ArrayLike, truth: npt.ArrayLike, void: npt.ArrayLike | None = None
) -> tuple[BinaryMask, BinaryMask]:
    """Return both masks as contiguous (H, W) bool, with void pixels set to background in both.

    Args:
        prediction: (H, W) mask; any non-zero value is object.
        truth: (H, W) mask of the same size.
        void: (H, W) mask of pixels that do not count, or None.

    Raises:
        MaskError: If a mask is not two-dimensional or the sizes differ.

    Example:
        >>> binary_pair([[0, 255]], [[1, 1]], void=[[1, 0]])
        (array([[False,  True]]), array([[False,  True]]))
    """
    predicted = np.ascontiguousarray(prediction, dtype=np.bool_)
    true = np.ascontiguousarray(truth, dtype=np.bool_)
    if predicted.ndim != 2 or predicted.shape != true.shape:
        raise MaskError(
            f"the prediction has shape {predicted.shape}, the truth {true.shape}; "
            "both must be (H, W) of one size"
        )
    if void is None:
        return predicted, true
    counted = ~np.asarray(void, dtype=np.bool_)
    if counted.shape != true.shape:
        raise MaskError(f"the void mask has shape {counted.shape}, the masks {true.shape}")
    return predicted & counted, true & counted
