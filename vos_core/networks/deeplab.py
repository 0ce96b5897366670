"""DeepLabv2 with a mask channel on any timm encoder: MaskTrack's network with another backbone.

As ``deeplab_vgg``, after Chen et al. (arXiv:1606.00915) and Perazzi et al. (CVPR 2017): strides of
the encoder beyond 8 become dilations, and the atrous pyramid scores its last stage.
"""

from typing import Any

import torch
from torch import Tensor, nn

from vos_core.errors import ConfigError
from vos_core.networks.atrous import STRIDE, AtrousPyramid, pad_to_cells, upsample_scores
from vos_core.networks.normalise import network_input, silence_free_slots
from vos_core.networks.registry import register_network
from vos_core.networks.timm_encoder import build_encoder, feature_maps


@register_network("deeplabv2")
class DeepLabV2(nn.Module):
    """Image and rough mask in, logit of "this pixel belongs to the object" out.

    Args:
        encoder: Any timm model that supports ``features_only`` and an output stride of 8.
        pretrained: Start from ImageNet weights (timm's cache or the network) if they can be had.
        width: Channels within the branches of the pyramid.
        cues: Channels beside RGB, see :mod:`vos_core.networks.normalise`.
        slots: Objects it answers for at once.
    """

    can_be_recorded = True

    def __init__(
        self,
        encoder: str = "resnet18",
        pretrained: bool = False,
        width: int = 256,
        cues: int = 0,
        slots: int = 1,
    ) -> None:
        super().__init__()
        inputs = 3 + cues + slots
        self.encoder = build_encoder(
            encoder, pretrained, stages=(-1,), output_stride=STRIDE, inputs=inputs
        )
        info: Any = self.encoder.feature_info
        self._require_centred_cells(encoder, inputs)
        self.pyramid = AtrousPyramid(info.channels()[-1], width, slots)

    def _require_centred_cells(self, name: str, inputs: int) -> None:
        """Refuse encoders whose cells are patches, for they lie elsewhere than is assumed."""
        self.encoder.eval()
        with torch.no_grad():
            cells = feature_maps(self.encoder, torch.zeros(1, inputs, 65, 65))[-1].shape[-2:]
        self.encoder.train()
        if tuple(cells) != (9, 9):
            raise ConfigError(
                f"the features of {name!r} are not centred on every {STRIDE}th pixel, as DeepLab's "
                "are; choose another encoder, such as 'resnet18'."
            )

    def forward(self, image: Tensor, previous_mask: Tensor) -> Tensor:
        """Refine a mask.

        Args:
            image: (B, 3 + cues, H, W) float in [0, 1].
            previous_mask: (B, slots, H, W) float in [0, 1].

        Returns:
            (B, slots, H, W) logits, upsampled bilinearly from stride 8.
        """
        x = pad_to_cells(network_input(image, previous_mask))
        scores = self.pyramid(feature_maps(self.encoder, x)[-1])
        logits = upsample_scores(scores, x.shape[-2:], image.shape[-2:])
        return silence_free_slots(logits, previous_mask)

    @property
    def last_layers(self) -> list[nn.Module]:
        """The layers that give the answer, for learning rates of their own."""
        return self.pyramid.last_layers
