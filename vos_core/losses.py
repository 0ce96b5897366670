"""Losses of mask refinement."""

import torch
from torch import Tensor
from torch.nn import functional as F

from vos_core.types import VOID


def refinement_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy over the pixels that are not void.

    Args:
        logits: (K * B, S, H, W) float, the scores of S objects over that of background, of K
            networks one after the other. Their losses are added, so each learns as if alone.
        target: (B, H, W) int64; 0 background, 1..S the object, 255 void.

    Returns:
        Scalar; 0 if every pixel is void.
    """
    networks = len(logits) // len(target)
    target = target.repeat(networks, 1, 1)
    valid = target != VOID
    if logits.shape[1] == 1:
        losses = F.binary_cross_entropy_with_logits(
            logits[:, 0], (target == 1).to(logits.dtype), reduction="none"
        )
    else:
        scores = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
        losses = F.cross_entropy(scores, target.masked_fill(~valid, 0), reduction="none")
    return networks * torch.where(valid, losses, 0).sum() / valid.sum().clamp(min=1)


def object_masks(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Take answers for several objects apart, for scores that are of one object each.

    Args:
        logits: (K * B, S, H, W) as for :func:`refinement_loss`.
        target: (B, H, W) int64.

    Returns:
        (M, H, W) float, above 0 where an object is found, and (M, H, W) int64 with 1 where it is
        and 255 for void. Of several slots only those count whose object the target shows.
    """
    target = target.repeat(len(logits) // len(target), 1, 1)
    if logits.shape[1] == 1:
        return logits[:, 0], target
    scores = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
    slots = torch.arange(1, logits.shape[1] + 1, device=logits.device)[None, :, None, None]
    found = (scores.argmax(dim=1)[:, None] == slots).float() - 0.5
    true = torch.where(target[:, None] == VOID, VOID, (target[:, None] == slots).long())
    shown = (true == 1).flatten(2).any(dim=2)
    return found[shown], true[shown]
