"""Optical-flow estimators that need no weights, and what all estimators have in common."""

from typing import Literal, Protocol

import cv2
import numpy as np

from vos_core.errors import DatasetError
from vos_core.types import FloatArray, Image

# OpenCV crashes the process on long frames narrower than this (their pyramid gets thinner than
# a patch); measured with every preset
_MIN_SIDE = 32


class FlowEstimator(Protocol):
    """Anything that finds where the pixels of one frame went in another."""

    @property
    def description(self) -> str:
        """What the fields depend on besides the frames: method, settings, version, weights."""

    def __call__(self, source: Image, target: Image) -> FloatArray:
        """Estimate the flow between two frames.

        Args:
            source: (H, W, 3) uint8 RGB, the frame on whose grid the flow lives.
            target: (H, W, 3) uint8 RGB, the frame it points into.

        Returns:
            (H, W, 2) float32 in pixels, x first.

        Raises:
            DatasetError: If the frames differ in size.
        """


class DISFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016), as OpenCV implements it.

    Args:
        preset: Speed against accuracy; "fast" takes about 2 ms at 432x240.
    """

    def __init__(self, preset: Literal["ultrafast", "fast", "medium"] = "fast") -> None:
        flag = getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset.upper()}")
        self._estimator = cv2.DISOpticalFlow.create(flag)
        self.description = f"DIS {preset}, OpenCV {cv2.__version__}"

    def __call__(self, source: Image, target: Image) -> FloatArray:
        """Estimate the flow from ``source`` to ``target``."""
        check_pair(source, target)
        height, width = source.shape[:2]
        bottom, right = max(_MIN_SIDE - height, 0), max(_MIN_SIDE - width, 0)
        grays = [
            cv2.copyMakeBorder(
                cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), 0, bottom, 0, right, cv2.BORDER_REPLICATE
            )
            for frame in (source, target)
        ]
        flow = self._estimator.calc(grays[0], grays[1], None)
        return np.asarray(flow[:height, :width], dtype=np.float32)


class FarnebackFlow:
    """Polynomial expansion (Farnebäck, SCIA 2003), as OpenCV implements it.

    The defaults are those of OpenCV's ``FarnebackOpticalFlow``.

    Args:
        pyramid_scale: Size of each level of the pyramid relative to the one below.
        levels: Of the pyramid.
        window: Side in pixels of the window over which motion is averaged; larger is smoother.
        iterations: On each level.
        neighbourhood: Side in pixels of what a polynomial is fitted to; OpenCV's manual gives 5
            or 7.
        sigma: Standard deviation in pixels of the weights of that fit; OpenCV's manual gives 1.1
            for 5 pixels, 1.5 for 7.
    """

    def __init__(
        self,
        pyramid_scale: float = 0.5,
        levels: int = 5,
        window: int = 13,
        iterations: int = 10,
        neighbourhood: int = 5,
        sigma: float = 1.1,
    ) -> None:
        self._estimator = cv2.FarnebackOpticalFlow.create(
            numLevels=levels,
            pyrScale=pyramid_scale,
            fastPyramids=False,
            winSize=window,
            numIters=iterations,
            polyN=neighbourhood,
            polySigma=sigma,
            flags=0,
        )
        self.description = (
            f"Farneback, scale {pyramid_scale}, {levels} levels, window {window}, {iterations} "
            f"iterations, neighbourhood {neighbourhood}, sigma {sigma}, OpenCV {cv2.__version__}"
        )

    def __call__(self, source: Image, target: Image) -> FloatArray:
        """Estimate the flow from ``source`` to ``target``."""
        check_pair(source, target)
        grays = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (source, target)]
        return np.asarray(self._estimator.calc(grays[0], grays[1], None), dtype=np.float32)


def check_pair(source: Image, target: Image) -> None:
    """Refuse frames of different size.

    Raises:
        DatasetError: If they differ.
    """
    if source.shape != target.shape:
        raise DatasetError(
            f"optical flow needs two frames of one size, got {source.shape} and {target.shape}; "
            "give clips whose frames have one size, or set --data.size."
        )
