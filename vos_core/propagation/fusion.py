"""Several objects, one label per pixel."""

import torch
from torch import Tensor


def merge_logits(logits: Tensor) -> Tensor:
    """Let objects compete for each pixel: softmax over [0, l_1, ..., l_N].

    Each object's network says how much a pixel is foreground against background; normalising the
    odds gives this softmax (multi-object merge of the ROI-propagation paper, eq. 2). With one
    object it is the sigmoid.

    Args:
        logits: (N, H, W), foreground minus background score of each object.

    Returns:
        (N + 1, H, W) probabilities, channel 0 background; they sum to 1.
    """
    background = logits.new_zeros((1, *logits.shape[1:]))
    return torch.cat([background, logits]).softmax(dim=0)
