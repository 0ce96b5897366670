"""Fully connected CRF (Kraehenbuehl and Koltun, NIPS 2011) on a frame's probabilities."""

import math
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vos_core.errors import ConfigError, MaskError, require
from vos_core.postprocess.mean_field import FrameKernels, mean_field
from vos_core.precision import autocast
from vos_core.types import Image

_LEAST = 1e-5  # below this a probability says no more


@dataclass(frozen=True)
class DenseCRF:
    """Mean-field inference with Potts compatibility and symmetrically normalised kernels.

    The defaults are starting values for DAVIS in the literature on mask propagation; they are
    meant to be tuned. Both backends take the same parameters and agree on the labels of nearly all
    pixels: they differ in the smoothness kernel, which "torch" computes exactly.

    Attributes:
        iterations: Mean-field iterations.
        smooth_weight: Weight of the smoothness kernel.
        smooth_sigma: Its spatial standard deviation in pixels.
        bilateral_weight: Weight of the appearance kernel.
        bilateral_sigma_xy: Its spatial standard deviation in pixels.
        bilateral_sigma_rgb: Its colour standard deviation, colours in 0..255.
        backend: "torch" on any device, or "pydensecrf" (extra ``crf``) on the CPU.

    Raises:
        ConfigError: If a parameter is out of its range.
        DependencyNotFoundError: If the backend is pydensecrf and that is not installed.
    """

    iterations: int = 5
    smooth_weight: float = 3.0
    smooth_sigma: float = 3.0
    bilateral_weight: float = 5.0
    bilateral_sigma_xy: float = 50.0
    bilateral_sigma_rgb: float = 10.0
    backend: Literal["torch", "pydensecrf"] = "torch"

    def __post_init__(self) -> None:
        """Refuse what cannot be computed, before any work is done."""
        for name in (field.name for field in fields(self) if field.type in (int, float)):
            value = getattr(self, name)
            if not (math.isfinite(value) and (value > 0 if "sigma" in name else value >= 0)):
                least = "above 0" if "sigma" in name else "from 0"
                raise ConfigError(f"{name} of a CRF is {value}; give a number {least}.")
        if self.backend not in ("torch", "pydensecrf"):
            raise ConfigError(
                f"there is no CRF backend {self.backend!r}; give 'torch' or 'pydensecrf'."
            )
        if self.backend == "pydensecrf":
            require("pydensecrf.densecrf", "crf")

    @torch.no_grad()
    def __call__(
        self, image: Image, probabilities: Tensor, kernels: FrameKernels | None = None
    ) -> Tensor:
        """Sharpen probabilities along the image's edges.

        Args:
            image: (H, W, 3) uint8 RGB.
            probabilities: (N + 1, H, W) that sum to 1, on any device.
            kernels: Of the image, if other CRFs work on it, too; only the torch backend shares.

        Returns:
            (N + 1, H, W) float32 that sum to 1, where the probabilities are.

        Raises:
            MaskError: If the probabilities are not of the image's size.
        """
        if image.dtype != np.uint8 or image.shape != (*probabilities.shape[1:], 3):
            raise MaskError(
                f"a CRF got an image {image.shape} of {image.dtype} with probabilities "
                f"{tuple(probabilities.shape)}; give (H, W, 3) uint8 and (N + 1, H, W)."
            )
        log_probabilities = probabilities.float().clamp(_LEAST, 1).log()
        image = np.ascontiguousarray(image)
        with autocast(probabilities.device, "float32"):
            if self.backend == "pydensecrf":
                return self._by_pydensecrf(image, log_probabilities)
            colours = torch.from_numpy(image).to(probabilities.device)
            return self._by_torch(kernels or FrameKernels(colours), log_probabilities)

    def _by_torch(self, kernels: FrameKernels, log_probabilities: Tensor) -> Tensor:
        terms = []
        if self.smooth_weight:
            terms.append((self.smooth_weight, kernels.spatial(self.smooth_sigma)))
        if self.bilateral_weight:
            bilateral = kernels.bilateral(self.bilateral_sigma_xy, self.bilateral_sigma_rgb)
            terms.append((self.bilateral_weight, bilateral))
        return mean_field(log_probabilities, terms, self.iterations)

    def _by_pydensecrf(self, image: Image, log_probabilities: Tensor) -> Tensor:
        labels, height, width = log_probabilities.shape
        model = require("pydensecrf.densecrf", "crf").DenseCRF2D(width, height, labels)
        energies = log_probabilities.neg().reshape(labels, -1).contiguous()
        model.setUnaryEnergy(energies.cpu().numpy())
        model.addPairwiseGaussian(sxy=self.smooth_sigma, compat=self.smooth_weight)
        model.addPairwiseBilateral(
            sxy=self.bilateral_sigma_xy,
            srgb=self.bilateral_sigma_rgb,
            rgbim=image,
            compat=self.bilateral_weight,
        )
        answer = torch.from_numpy(np.array(model.inference(self.iterations), dtype=np.float32))
        return answer.view_as(log_probabilities).to(log_probabilities.device)


CRF_PRESETS = {
    "default": DenseCRF(),
    # a script that post-processes the masks of MP-Net on DAVIS
    "mpnet": DenseCRF(
        iterations=5,
        smooth_weight=3,
        smooth_sigma=3,
        bilateral_weight=5,
        bilateral_sigma_xy=50,
        bilateral_sigma_rgb=10,
    ),
    # the scripts released with DeepLab
    "deeplab": DenseCRF(
        iterations=10,
        smooth_weight=3,
        smooth_sigma=3,
        bilateral_weight=4,
        bilateral_sigma_xy=49,
        bilateral_sigma_rgb=5,
    ),
    # the example in pydensecrf's README
    "pydensecrf": DenseCRF(
        iterations=5,
        smooth_weight=3,
        smooth_sigma=3,
        bilateral_weight=10,
        bilateral_sigma_xy=80,
        bilateral_sigma_rgb=13,
    ),
}
"""Sets of parameters by name, as others published them or as ours."""
