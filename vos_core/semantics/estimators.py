"""What all estimators of semantics have in common.

An input of LucidTracker (Khoreva et al., DAVIS 2017 challenge, section 2): the answer of a
semantic segmentation network, scaled to the range of the colours. The paper leaves open how labels
become one channel; here it is how likely a pixel shows any class at all.
"""

from typing import Protocol

import numpy as np

from vos_core.errors import DatasetError
from vos_core.types import FloatArray, Image


class SemanticsEstimator(Protocol):
    """Anything that finds where a frame shows a thing rather than its background."""

    @property
    def description(self) -> str:
        """What the maps depend on besides the frame: method, settings, version, weights."""

    def __call__(self, image: Image) -> FloatArray:
        """Estimate where a frame shows something.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) float32 in [0, 1].

        Raises:
            DatasetError: If it is no such frame.
        """


def check_frame(image: Image) -> None:
    """Refuse what is no colour frame.

    Raises:
        DatasetError: If the shape or the type is another.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise DatasetError(
            f"semantics need a frame of (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}; "
            "give clips whose frames are colour images."
        )
