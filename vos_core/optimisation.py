"""The optimiser of both stages: AdamW whose learning rate rises and falls once."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR


def one_cycle(
    parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, steps: int
) -> tuple[torch.optim.AdamW, OneCycleLR]:
    """Return AdamW and its schedule: up for a tenth of the steps, then down to zero.

    Args:
        parameters: What is trained.
        lr: Peak learning rate.
        weight_decay: Of AdamW.
        steps: Length of the cycle; a very short one is cut off before it has come down.
    """
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
    # a tenth of 10 steps is a warm-up of length 0, by which OneCycleLR divides
    return optimizer, OneCycleLR(optimizer, lr, total_steps=max(steps, 11), pct_start=0.1)
