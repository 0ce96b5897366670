"""Losses of mask refinement."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vos_core.types import VOID


def refinement_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean binary cross-entropy over the pixels that are not void.

    Args:
        logits: (B, 1, H, W) float.
        target: (B, H, W) int64; 0 background, 1 object, 255 void.

    Returns:
        Scalar; 0 if every pixel is void.
    """
    valid = target != VOID
    losses = F.binary_cross_entropy_with_logits(
        logits[:, 0], (target == 1).to(logits.dtype), reduction="none"
    )
    return torch.where(valid, losses, 0).sum() / valid.sum().clamp(min=1)
