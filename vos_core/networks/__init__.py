"""One paper, one file of plain ``nn.Module``: tensors in, logits out, no per-video state."""

from vos_core.networks.deeplab import DeepLabV2
from vos_core.networks.deeplab_vgg import DeepLabV2VGG16
from vos_core.networks.mask_refiner import MaskRefiner
from vos_core.networks.registry import build_network, list_networks, register_network

__all__ = [
    "DeepLabV2",
    "DeepLabV2VGG16",
    "MaskRefiner",
    "build_network",
    "list_networks",
    "register_network",
]
