"""Mask refinement network: a timm encoder, a light U-shaped decoder, one logit per pixel.

The idea is MaskTrack's (Perazzi et al., CVPR 2017): the image and a rough mask of the object go
in together, a clean mask comes out. Differs from the paper: any timm encoder instead of
DeepLabv2-VGG16, skip connections down to full resolution, and a single logit instead of two scores.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.errors import ConfigError
from vos_core.networks.normalise import network_input, silence_free_slots
from vos_core.networks.registry import register_network
from vos_core.networks.timm_encoder import build_encoder, feature_maps


class _NarrowConv(nn.Conv2d):
    """A 3x3 convolution of fewer channels than the matrix units of a GPU take at once, eight."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if not (x.is_cuda and torch.is_autocast_enabled("cuda")):
            return super().forward(x)
        more = (0, 0, 0, 0, 0, 8 - x.shape[1])
        return F.conv2d(F.pad(x, more), F.pad(self.weight, more), padding=1)


def _conv(inputs: int, outputs: int, slope: float = 0.0) -> nn.Sequential:
    conv: nn.Module = _NarrowConv(inputs, outputs)
    if inputs >= 8:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.LeakyReLU(slope, inplace=True))


class _UpBlock(nn.Module):
    """Bring a deep map to the size of a shallower one and merge them."""

    def __init__(self, deep: int, skip: int, outputs: int, slope: float = 0.0) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(deep, outputs, 1, bias=False)
        self.merge = _conv(outputs + skip, outputs, slope)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        # autocast interpolates in float32, which the convolution has no use for
        deep = F.interpolate(self.reduce(deep), skip.shape[-2:], mode="bilinear").to(skip.dtype)
        merged: Tensor = self.merge(torch.cat([deep, skip], dim=1))
        return merged


@register_network("mask_refiner")
class MaskRefiner(nn.Module):
    """Image and rough mask in, logit of "this pixel belongs to the object" out.

    The mask enters as a fourth channel of values -1 and 1; its filters start at zero, so a
    pretrained encoder first answers as it would to the image alone; only the decoder's
    full-resolution stem, which is random, sees the mask from the start.

    Args:
        encoder: Any timm model that supports ``features_only`` and takes frames of any size.
        pretrained: Start from ImageNet weights (timm's cache or the network) if they can be had.
        depth: How many of the encoder's stages to use, from the shallowest.
        width: Channels of the decoder.
        cues: Channels beside RGB, see :mod:`vos_core.networks.normalise`.
        slots: Objects it answers for at once.

    Raises:
        ConfigError: If the encoder is unknown, has fewer stages or takes frames of one size only.
    """

    can_be_recorded = True

    def __init__(
        self,
        encoder: str = "resnet18",
        pretrained: bool = False,
        depth: int = 4,
        width: int = 32,
        cues: int = 0,
        slots: int = 1,
    ) -> None:
        super().__init__()
        if depth < 2 or width < 2:
            raise ConfigError(f"depth is {depth} and width {width}; give 2 or more of both.")
        inputs = 3 + cues + slots
        self.encoder = build_encoder(encoder, pretrained, range(depth), inputs=inputs)
        info: Any = self.encoder.feature_info
        channels: list[int] = info.channels()
        self.blocks = nn.ModuleList()
        deep = channels[-1]
        for skip in reversed(channels[:-1]):
            self.blocks.append(_UpBlock(deep, skip, width))
            deep = width
        self.stem = _conv(inputs, width // 2)
        # leaky: it happens that all channels are silent on the object, which then stays background
        # for ever, for want of a gradient
        self.full = _UpBlock(width, width // 2, width // 2, slope=0.1)
        self.head = nn.Conv2d(width // 2, slots, 1)

    @property
    def last_layers(self) -> list[nn.Module]:
        """The layers that give the answer, for learning rates of their own."""
        return [self.head]

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        """Refine a mask.

        Args:
            image: (B, 3 + cues, H, W) float in [0, 1], any H and W >= 32.
            previous_mask: (B, slots, H, W) float in [0, 1].

        Returns:
            (B, slots, H, W) logits.
        """
        x = network_input(image, previous_mask)
        *skips, deep = feature_maps(self.encoder, x)
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            deep = block(deep, skip)
        logits: Tensor = self.head(self.full(deep, self.stem(x)))
        return silence_free_slots(logits, previous_mask)
