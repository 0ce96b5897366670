"""Masks that guide a network, from those of the frame before; answers held against them."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vos_core.postprocess import prune_components
from vos_core.types import BinaryMask, FloatArray


def dilate_masks(masks: Tensor, radius: int) -> Tensor:
    """Grow (N, H, W) soft masks by a disc of ``radius`` pixels (a grey-level dilation)."""
    if radius < 1:
        return masks
    grown = masks
    for dy in range(-radius, radius + 1):
        reach = int((radius**2 - dy**2) ** 0.5)
        row = F.max_pool2d(masks[None], (1, 2 * reach + 1), stride=1, padding=(0, reach))[0]
        shifted = F.pad(row, (0, 0, radius, radius))[:, radius + dy : radius + dy + masks.shape[-2]]
        grown = torch.maximum(grown, shifted)
    return grown


def box_masks(masks: Tensor) -> Tensor:
    """Fill the bounding box of the largest component of each (N, H, W) soft mask.

    The other components are left out, for a false one far away would make the next box huge.
    """
    boxes = np.zeros(masks.shape, dtype=np.float32)
    for box, mask in zip(boxes, (masks > 0.5).byte().cpu().numpy(), strict=True):
        _, _, parts, _ = cv2.connectedComponentsWithStats(mask)
        if len(parts) > 1:
            x, y, width, height, _ = max(parts[1:], key=lambda part: part[cv2.CC_STAT_AREA])
            box[y : y + height, x : x + width] = 1
    return torch.from_numpy(boxes).to(masks)


def prune_logits(logits: Tensor, guides: Tensor, reach: int) -> Tensor:
    """Make the parts of (N, H, W) answers background that do not touch their (N, H, W) guides."""
    removed = _far_parts(logits > 0, guides > 0.5, reach)
    return logits.masked_fill(removed, -20.0)


def prune_masks(masks: Tensor, before: Tensor) -> Tensor:
    """Empty the parts of (N, H, W) soft masks that do not overlap those of the frame before.

    LucidTracker's temporal coherency (Khoreva et al., DAVIS 2017 challenge). Ours: the largest part
    of a mask always stays, and objects that were not there before keep all of theirs.
    """
    known = len(before)
    removed = _far_parts(masks[:known] > 0.5, before > 0.5, reach=0, keep_largest=True)
    return torch.cat([masks[:known].masked_fill(removed, 0.0), masks[known:]])


def _far_parts(found: Tensor, guides: Tensor, reach: int, *, keep_largest: bool = False) -> Tensor:
    """Return where, as (N, H, W) bool, parts of masks are out of reach of their guides.

    Soft masks go on beyond what is found of them: each pixel goes with the part nearest to it.
    """
    far = np.zeros(found.shape, dtype=bool)
    for places, mask, guide in zip(far, found.cpu().numpy(), guides.cpu().numpy(), strict=True):
        kept = prune_components(mask, guide, reach, keep_largest=keep_largest)
        if (removed := mask & ~kept).any():
            places[:] = _distance_to(removed) < _distance_to(kept)
    return torch.from_numpy(far).to(found.device)


def _distance_to(mask: BinaryMask) -> FloatArray:
    """Return the (H, W) distance of each pixel to a mask that is not empty."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3))
