"""Mean-field inference in a fully connected CRF.

Kraehenbuehl and Koltun: "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials"
(NIPS 2011), algorithm 1: every pixel is told how much of each label there is near it, by Gaussian
filters, and believes in the labels of its own kind the more. The label compatibility is Potts'.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vos_core.postprocess.lattice import PermutohedralLattice

Kernel = Callable[[Tensor], Tensor]
"""Filters (C, H, W) float32 channels: a matrix between pixels, with positive diagonal."""

_REACH = 4  # standard deviations; what lies beyond is 6e-5 of a Gaussian
_BLOCK = 32


def mean_field(
    log_probabilities: Tensor, kernels: Sequence[tuple[float, Kernel]], iterations: int
) -> Tensor:
    """Return the pixels' marginal distributions.

    Only differences to the first label are filtered: what all labels of a pixel receive alike
    changes nothing, so two labels cost one filtered channel.

    Args:
        log_probabilities: (N + 1, H, W) float32, finite: what is thought of each pixel alone.
        kernels: Weight and kernel of each pairwise term, the kernels normalised.
        iterations: Rounds of messages.

    Returns:
        (N + 1, H, W) float32 that sum to 1.
    """
    beliefs = log_probabilities.softmax(dim=0)
    if len(beliefs) == 1:
        return beliefs
    for _ in range(iterations):
        difference = beliefs[1:] - beliefs[:1]
        support = log_probabilities.clone()
        for weight, kernel in kernels:
            support[1:].add_(kernel(difference), alpha=weight)
        beliefs = support.softmax(dim=0)
    return beliefs


def normalised(kernel: Kernel, like: Tensor) -> Kernel:
    """Scale a kernel symmetrically by what it makes of a constant.

    With D the sums of its rows, K becomes D^(-1/2) K D^(-1/2): pixels with many similar ones, such
    as a sky's, do not drown their unary term.

    Args:
        kernel: The kernel.
        like: (C, H, W) of the size and device of what will be filtered.
    """
    scale = kernel(torch.ones_like(like[:1])).rsqrt_()
    return lambda values: kernel(values * scale).mul_(scale)


class FrameKernels:
    """The normalised kernels of one frame, each made when it is first asked for, and kept.

    To make a bilateral kernel costs twice what five iterations with it do, so CRFs of several
    settings on one frame share them.

    Args:
        image: (H, W, 3) uint8 RGB, on the device of what will be filtered.
    """

    def __init__(self, image: Tensor) -> None:
        like = torch.empty(1, *image.shape[:2], device=image.device)
        self.spatial = cache(lambda sigma: normalised(spatial_kernel(sigma), like))
        self.bilateral = cache(
            lambda sigma_xy, sigma_rgb: normalised(
                bilateral_kernel(image, sigma_xy, sigma_rgb), like
            )
        )


def spatial_kernel(sigma: float) -> Kernel:
    """Return exp(-|p_i - p_j|² / 2 sigma²) of positions p in pixels, by separable convolution."""
    return lambda values: _along_rows(_along_rows(values, sigma).mT, sigma).mT


def bilateral_kernel(image: Tensor, sigma_xy: float, sigma_rgb: float) -> Kernel:
    """Return exp(-|p_i - p_j|² / 2 sigma_xy² - |c_i - c_j|² / 2 sigma_rgb²), on a lattice.

    Args:
        image: (H, W, 3) uint8, the colours c in 0..255.
        sigma_xy: Standard deviation of positions p in pixels.
        sigma_rgb: Standard deviation of colours.
    """
    height, width = image.shape[:2]
    features = torch.empty(5, height, width, device=image.device)
    features[0] = torch.arange(width, device=image.device) / sigma_xy
    features[1] = (torch.arange(height, device=image.device) / sigma_xy)[:, None]
    features[2:] = image.permute(2, 0, 1) / sigma_rgb
    lattice = PermutohedralLattice(features.flatten(1))
    return lambda values: lattice.filter(values.flatten(1)).view_as(values)


def _along_rows(values: Tensor, sigma: float) -> Tensor:
    """Convolve the last dimension of (C, H, W) with a Gaussian; there is nothing beyond the ends.

    A product of overlapping blocks with a banded matrix, several times as fast as a convolution of
    one channel and, on GPUs, not in reduced precision by default.
    """
    width = values.shape[-1]
    radius = min(math.ceil(_REACH * sigma), width - 1)
    block = max(_BLOCK, radius)
    to = torch.arange(block, device=values.device)
    offsets = torch.arange(-radius, block + radius, device=values.device)[:, None] - to
    band = torch.exp(-0.5 * (offsets / sigma) ** 2) * (offsets.abs() <= radius)
    padded = F.pad(values, (radius, radius + -width % block))
    blocks = padded.unfold(-1, len(band), block)
    smooth = blocks.reshape(-1, len(band)) @ band
    return smooth.view(*values.shape[:-1], -1)[..., :width]
