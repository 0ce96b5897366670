"""Warping by optical flow."""

import torch
from torch import Tensor
from torch.nn import functional as F


def warp_backward(values: Tensor, flow: Tensor) -> Tensor:
    """Bring the values of one frame to the grid of another: ``out(x) = values(x + flow(x))``.

    To warp the mask of frame t-1 to frame t, give the flow from t to t-1.

    Args:
        values: (N, C, H, W) float, on the frame that the flow points into.
        flow: (N, 2, H, W) or (1, 2, H, W) float in pixels, x first.

    Returns:
        (N, C, H, W); zero where the flow points outside the frame.
    """
    height, width = values.shape[-2:]
    ys = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    xs = torch.arange(width, device=flow.device, dtype=flow.dtype)[None, :]
    # pixel centres to grid_sample's [-1, 1] with align_corners=False
    grid_x = (2 * (xs + flow[:, 0]) + 1) / width - 1
    grid_y = (2 * (ys + flow[:, 1]) + 1) / height - 1
    grid = torch.stack([grid_x, grid_y], dim=-1).expand(len(values), -1, -1, -1)
    return F.grid_sample(values, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def warp_with_cover(values: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Warp as :func:`warp_backward`, and say where that had something to go by.

    Args:
        values: (N, C, H, W) float, on the frame that the flow points into.
        flow: (N, 2, H, W) or (1, 2, H, W) float in pixels, x first.

    Returns:
        (N, C, H, W), zero outside the frame, and (N, 1, H, W) in [0, 1]: how much of each value
        lay inside. Their ratio is the mean of what lay inside.
    """
    ones = torch.ones_like(values[:, :1])
    warped = warp_backward(torch.cat([values, ones], dim=1), flow)
    return warped[:, :-1], warped[:, -1:]
