"""Fully connected CRF (Kraehenbuehl and Koltun, NIPS 2011) on a frame's probabilities."""

from dataclasses import dataclass

import numpy as np

from vos_core.errors import require
from vos_core.types import FloatArray, Image


@dataclass(frozen=True)
class DenseCRF:
    """Mean-field inference by pydensecrf (extra ``crf``).

    Starting values for DAVIS in the literature on mask propagation; they are meant to be tuned.

    Attributes:
        iterations: Mean-field iterations.
        smooth_weight: Weight of the smoothness kernel.
        smooth_sigma: Its spatial standard deviation in pixels.
        bilateral_weight: Weight of the appearance kernel.
        bilateral_sigma_xy: Its spatial standard deviation in pixels.
        bilateral_sigma_rgb: Its colour standard deviation, colours in 0..255.
    """

    iterations: int = 5
    smooth_weight: float = 3.0
    smooth_sigma: float = 3.0
    bilateral_weight: float = 5.0
    bilateral_sigma_xy: float = 50.0
    bilateral_sigma_rgb: float = 10.0

    def __call__(self, image: Image, probabilities: FloatArray) -> FloatArray:
        """Sharpen probabilities along the image's edges.

        Args:
            image: (H, W, 3) uint8 RGB.
            probabilities: (N + 1, H, W) float32 that sum to 1.

        Returns:
            (N + 1, H, W) float32 that sum to 1.

        Raises:
            DependencyNotFoundError: If pydensecrf is not installed.
        """
        densecrf = require("pydensecrf.densecrf", "crf")
        labels, height, width = probabilities.shape
        model = densecrf.DenseCRF2D(width, height, labels)
        unary = -np.log(np.clip(probabilities, 1e-5, 1)).reshape(labels, -1)
        model.setUnaryEnergy(np.ascontiguousarray(unary, dtype=np.float32))
        model.addPairwiseGaussian(sxy=self.smooth_sigma, compat=self.smooth_weight)
        model.addPairwiseBilateral(
            sxy=self.bilateral_sigma_xy,
            srgb=self.bilateral_sigma_rgb,
            rgbim=np.ascontiguousarray(image),
            compat=self.bilateral_weight,
        )
        answer = np.asarray(model.inference(self.iterations), dtype=np.float32)
        return answer.reshape(labels, height, width)
