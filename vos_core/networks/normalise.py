"""What every refinement network does first and last.

First it normalises the frame and appends what else it is told: cues, which are pictures of one
channel beside the colours, and the masks of the frame before, one for each of its slots. A slot is
the place of one object; a network of several slots answers for all objects at once (LucidTracker,
Khoreva et al., DAVIS 2017 challenge). Last it silences the slots that no object has.
"""

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


FREE = -1.0
"""What the mask of a slot holds everywhere if no object has it."""

_SILENT = -100.0  # a probability of 0, and finite


def network_input(image: Tensor, previous_mask: Tensor) -> Tensor:
    """Stack a frame, its cues and masks into a network's input channels.

    Cues and masks are brought to [-1, 1], about the spread of the normalised colours.

    Args:
        image: (B, 3 + C, H, W) float in [0, 1], RGB and C cues.
        previous_mask: (B, S, H, W) float in [0, 1], the mask of each slot; ``FREE`` in those of
            no object.

    Returns:
        (B, 3 + C + S, H, W) float.
    """
    # channel by channel, for the numbers of a tensor would have to be sent, and a GPU waited for
    colours = [
        (image[:, k : k + 1] - mean) / std
        for k, (mean, std) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
    ]
    told = torch.cat([image[:, 3:], previous_mask.clamp(min=0)], dim=1)
    return torch.cat([*colours, 2 * told - 1], dim=1)


def silence_free_slots(logits: Tensor, previous_mask: Tensor) -> Tensor:
    """Make the (B, S, H, W) answers of slots that no object has background everywhere."""
    if logits.shape[1] == 1:  # of one object there is always one
        return logits
    return logits.masked_fill(previous_mask.amax(dim=(2, 3), keepdim=True) < 0, _SILENT)
