"""The head of DeepLabv2: an atrous spatial pyramid on features of stride 8.

Chen et al., arXiv:1606.00915, the large variant ("ASPP-L"): parallel branches with dilations 6, 12,
18, 24, each of three convolutions (VGG's fc6, fc7, fc8), whose scores are summed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 8
"""Pixels from one cell of the features to the next."""

_DILATIONS = (6, 12, 18, 24)


class AtrousPyramid(nn.Module):
    """Features in, scores of background and of each object out.

    Args:
        channels: Of the features.
        width: Channels within each branch.
        slots: Objects.
    """

    def __init__(self, channels: int, width: int = 1024, slots: int = 1) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _branch(channels, width, dilation, slots + 1) for dilation in _DILATIONS
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module in self.last_layers:
                    nn.init.normal_(module.weight, std=0.01)
                else:
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, slots + 1, h, w) scores of (B, C, h, w) features."""
        return torch.stack([branch(features) for branch in self.branches]).sum(dim=0)

    @property
    def last_layers(self) -> list[nn.Module]:
        """The layers that give the scores, for learning rates of their own."""
        return [branch.get_submodule("6") for branch in self.branches]


def _branch(channels: int, width: int, dilation: int, scores: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.5),
        nn.Conv2d(width, width, 1),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.5),
        nn.Conv2d(width, scores, 1),
    )


def pad_to_cells(x: Tensor) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) maps until they are of 8 k + 1 pixels.

    Cell i of stride 8 is centred on pixel 8 i; so the outermost cells lie on the corners.
    """
    height, width = x.shape[-2:]
    return F.pad(x, (0, (1 - width) % STRIDE, 0, (1 - height) % STRIDE), mode="replicate")


def upsample_scores(scores: Tensor, padded: Sequence[int], size: Sequence[int]) -> Tensor:
    """Bring the scores of cells to pixels.

    Args:
        scores: (B, S + 1, h, w), of background and of each object.
        padded: (height, width) of the padded input.
        size: (height, width) of the input before.

    Returns:
        (B, S, height, width) logits, the scores of objects minus that of background.
    """
    scores = F.interpolate(scores, tuple(padded), mode="bilinear", align_corners=True)
    scores = scores[..., : size[0], : size[1]]
    return scores[:, 1:] - scores[:, :1]
