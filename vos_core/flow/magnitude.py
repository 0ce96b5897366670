"""Optical flow as an image: how fast each pixel moves, relative to most of the frame.

LucidTracker's second input (Khoreva et al., DAVIS 2017 challenge, section 2): of the flow between
two frames both ways, the median motion is removed, the magnitudes are averaged and scaled.
MaskTrack (Perazzi et al., CVPR 2017, section 3.3) gives such an image to a network for colour
images. How the two fields come together and how they are scaled is ours: neither paper says.
"""

import math

from torch import Tensor

from vos_core.flow.warp import warp_with_cover

_SLOW = 1.0
"""Speed in pixels that is white even where nothing is faster, so that noise stays dark."""

_SHARE = 0.995
"""Share of the pixels that the scale has to fit; faster ones are white too."""


def magnitude_image(backward: Tensor, forward: Tensor) -> Tensor:
    """Return how fast pixels move, in the frame that the later fields live on.

    From each field its median is subtracted, x and y separately, which removes the motion of a
    camera; the magnitude of the forward field is brought to the later frame, and averaged with
    that of the backward field. Where the backward flow leaves the frame, that one counts alone.
    White is what 99.5 % of the pixels do not exceed, or 1 px where that is slower.

    Args:
        backward: (N, 2, H, W) float in pixels, x first, from frame t to t-1.
        forward: (N, 2, H, W), from frame t-1 to t.

    Returns:
        (N, 1, H, W) in [0, 1], on the grid of frame t; repeat the channel for a network that takes
        colours.
    """
    later = _relative_speed(backward)
    earlier, cover = warp_with_cover(_relative_speed(forward), backward)
    speed = (later + earlier) / (1 + cover)
    flat = speed.flatten(1)
    # sorted by rank: torch.quantile refuses large batches and sorts all of it
    white = flat.kthvalue(math.ceil(_SHARE * flat.shape[1]), dim=1).values.clamp(min=_SLOW)
    return (speed / white[:, None, None, None]).clamp(max=1)


def _relative_speed(flow: Tensor) -> Tensor:
    """Return the (N, 1, H, W) length of (N, 2, H, W) flow relative to its median."""
    median = flow.flatten(2).median(dim=2).values[..., None, None]
    return (flow - median).square().sum(dim=1, keepdim=True).sqrt()
