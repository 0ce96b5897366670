"""One paper, one file of plain ``nn.Module``: tensors in, logits out, no per-video state."""

from vos_core.networks.deeplab import DeepLabV2
from vos_core.networks.deeplab_vgg import DeepLabV2VGG16
from vos_core.networks.mask_refiner import MaskRefiner
from vos_core.networks.normalise import FREE
from vos_core.networks.registry import build_network, list_networks, register_network
from vos_core.networks.streams import (
    CUES,
    Streams,
    average_logits,
    build_streams,
    seen_channels,
    used_cues,
)

__all__ = [
    "CUES",
    "FREE",
    "DeepLabV2",
    "DeepLabV2VGG16",
    "MaskRefiner",
    "Streams",
    "average_logits",
    "build_network",
    "build_streams",
    "list_networks",
    "register_network",
    "seen_channels",
    "used_cues",
]
