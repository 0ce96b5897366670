"""DeepLabv2-VGG16 with a mask channel, the network of MaskTrack and LucidTracker.

DeepLabv2 (Chen et al., arXiv:1606.00915, "LargeFOV-ASPP" VGG-16 variant): the last two poolings
keep the resolution, conv5 is dilated by 2, and fc6-fc7-fc8 become an atrous pyramid. MaskTrack
(Perazzi et al., CVPR 2017, section 3.1) adds the previous mask as a fourth input channel. Written
from the papers.

Differs: RGB normalised as ImageNet weights of torchvision expect instead of Caffe's BGR means, so
the mask channel holds -1 and 1; the answer is one logit, foreground minus background score.
"""

from collections.abc import Mapping

import torch
import torchvision
from torch import Tensor, nn

from vos_core.networks.atrous import AtrousPyramid, pad_to_cells, upsample_scores
from vos_core.networks.normalise import network_input, silence_free_slots
from vos_core.networks.pretrained import try_pretrained
from vos_core.networks.registry import register_network

# channels of each convolution; between blocks a 3x3 max-pooling of the given stride
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_POOL_STRIDES = (2, 2, 2, 1, 1)


def _backbone(inputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, (block, stride) in enumerate(zip(_BLOCKS, _POOL_STRIDES, strict=True), start=1):
        dilation = 2 if number == 5 else 1
        for outputs in block:
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation))
            layers.append(nn.ReLU(inplace=True))
            inputs = outputs
        layers.append(nn.MaxPool2d(3, stride=stride, padding=1))
    return nn.Sequential(*layers)


@register_network("deeplabv2_vgg16")
class DeepLabV2VGG16(nn.Module):
    """Image and rough mask in, logit of "this pixel belongs to the object" out.

    Args:
        pretrained: Start from torchvision's ImageNet weights of VGG-16 (its cache or the network)
            if they can be had.
        cues: Channels beside RGB, see :mod:`vos_core.networks.normalise`.
        slots: Objects it answers for at once.
    """

    can_be_recorded = True

    def __init__(self, pretrained: bool = False, cues: int = 0, slots: int = 1) -> None:
        super().__init__()
        self.backbone = _backbone(3 + cues + slots)
        self.pyramid = AtrousPyramid(512, slots=slots)
        self._initialise()
        if pretrained:
            weights = try_pretrained("VGG-16", _imagenet_weights)
            if weights:
                self._load_imagenet(weights)

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        """Refine a mask.

        Args:
            image: (B, 3 + cues, H, W) float in [0, 1].
            previous_mask: (B, slots, H, W) float in [0, 1].

        Returns:
            (B, slots, H, W) logits, upsampled bilinearly from stride 8.
        """
        x = pad_to_cells(network_input(image, previous_mask))
        scores = self.pyramid(self.backbone(x))
        logits = upsample_scores(scores, x.shape[-2:], image.shape[-2:])
        return silence_free_slots(logits, previous_mask)

    @property
    def encoder(self) -> nn.Module:
        """What makes the features, for adapters that leave it as it is."""
        return self.backbone

    @property
    def last_layers(self) -> list[nn.Module]:
        """The layers that give the answer, for learning rates of their own."""
        return self.pyramid.last_layers

    def _initialise(self) -> None:
        for layer in self.backbone:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        first = self.backbone.get_submodule("0")
        with torch.no_grad():
            first.get_parameter("weight")[:, 3:] = 0  # MaskTrack, section 4: zero works as well

    def _load_imagenet(self, weights: Mapping[str, Tensor]) -> None:
        sources = [
            weights[f"features.{i}.{part}"] for i in _vgg16_convolutions() for part in _PARTS
        ]
        targets = [
            getattr(layer, part)
            for layer in self.backbone
            if isinstance(layer, nn.Conv2d)
            for part in _PARTS
        ]
        with torch.no_grad():
            targets[0][:, :3].copy_(sources[0])
            for target, source in zip(targets[1:], sources[1:], strict=True):
                target.copy_(source)


_PARTS = ("weight", "bias")


def _imagenet_weights() -> Mapping[str, Tensor]:
    weights: Mapping[str, Tensor] = torchvision.models.VGG16_Weights.IMAGENET1K_V1.get_state_dict(
        check_hash=True
    )
    return weights


def _vgg16_convolutions() -> list[int]:
    """Indices of the convolutions in torchvision's ``vgg16().features`` (pools take one place)."""
    indices, position = [], 0
    for block in _BLOCKS:
        for _ in block:
            indices.append(position)
            position += 2
        position += 1
    return indices
