"""What every refinement network does first: normalise the frame, append the mask."""

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def network_input(image: Tensor, previous_mask: Tensor) -> Tensor:
    """Stack a frame and a mask into a network's four input channels.

    The mask is brought to [-1, 1], about the spread of the normalised colours.

    Args:
        image: (B, 3, H, W) float RGB in [0, 1].
        previous_mask: (B, 1, H, W) float in [0, 1].

    Returns:
        (B, 4, H, W) float.
    """
    mean = image.new_tensor(IMAGENET_MEAN)[:, None, None]
    std = image.new_tensor(IMAGENET_STD)[:, None, None]
    return torch.cat([(image - mean) / std, 2 * previous_mask - 1], dim=1)
