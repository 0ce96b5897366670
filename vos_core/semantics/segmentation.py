"""DeepLabv3 (Chen et al., 2017, arXiv:1706.05587), as torchvision implements it.

The networks are torchvision's, and so are the published weights, trained on the images of COCO
that show the 20 classes of Pascal VOC; LucidTracker used PSPNet, trained on Pascal VOC 2012.
Without weights there is no estimator: a network of random weights would see classes everywhere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.errors import ConfigError
from vos_core.semantics.estimators import check_frame
from vos_core.types import FloatArray, Image
from vos_core.weights import digest, fit_weights, published_weights

SegmentationName = Literal[
    "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50", "deeplabv3_resnet101"
]

_TRAINING_HEAD = "aux_classifier."


class SegmentationSemantics:
    """The largest probability of a foreground class; class 0 is the background.

    Args:
        name: torchvision's name of the network.
        weights: File of a torchvision ``state_dict``; ``None`` has torchvision download the
            published ones into its cache.
        device: Where the network runs.
        short_side: Pixels to which frames are resized, their shape kept; 520 is torchvision's,
            and 65 times the 8 px of the ResNets' grid. Small frames are enlarged, for classes are
            known at the size they were learnt at.

    Raises:
        CheckpointError: If the weights cannot be had or are of another network.
        ConfigError: If the short side has no pixel.
    """

    def __init__(
        self,
        name: SegmentationName = "deeplabv3_resnet101",
        weights: str | Path | None = None,
        device: torch.device | str = "cpu",
        short_side: int = 520,
    ) -> None:
        if short_side < 1:
            raise ConfigError(f"The short side of frames must be 1 px at least, got {short_side}.")
        address = _published(name)
        state = published_weights(weights, address, alternative="objectness")
        self._network = _with_weights(name, state, str(weights or address)).to(device)
        self._mean, self._std = (each.to(device) for each in _imagenet())
        self._device = device
        self._short_side = short_side
        self.description = f"{name}, weights {digest(state)}, short side {short_side} px"

    @torch.inference_mode()
    def __call__(self, image: Image) -> FloatArray:
        """Estimate where ``image`` shows something."""
        check_frame(image)
        # float, because a task may have switched to lower precision around this
        scores = self._network(self._prepare(image))["out"].float()
        likely = scores.softmax(dim=1)[:, 1:].amax(dim=1, keepdim=True)
        fitted = F.interpolate(likely, image.shape[:2], mode="bilinear", antialias=True)
        return np.ascontiguousarray(fitted[0, 0].clamp(0, 1).cpu().numpy())

    def _prepare(self, image: Image) -> Tensor:
        """Return a frame as (1, 3, h, w), resized and normalised as in training."""
        height, width = image.shape[:2]
        short = min(height, width)
        size = [self._short_side * side // short for side in (height, width)]
        frame = torch.from_numpy(np.ascontiguousarray(image)).to(self._device)
        frame = frame.permute(2, 0, 1)[None].float() / 255
        frame = F.interpolate(frame, size, mode="bilinear", antialias=True)
        return (frame - self._mean) / self._std


def _imagenet() -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the colours, (3, 1, 1) each."""
    # here, because the other networks bring torchvision along
    from vos_core.networks.normalise import IMAGENET_MEAN, IMAGENET_STD

    return torch.tensor(IMAGENET_MEAN)[:, None, None], torch.tensor(IMAGENET_STD)[:, None, None]


def _published(name: SegmentationName) -> str:
    """Return the address of torchvision's default weights."""
    from torchvision.models import get_model_weights

    return str(get_model_weights(name).DEFAULT.url)


def _with_weights(name: SegmentationName, state: Mapping[str, Tensor], origin: str) -> nn.Module:
    """Return the network with the given weights, less what only training needs."""
    from torchvision.models import get_model

    with torch.device("meta"):  # the weights are about to come, so draw none
        network: nn.Module = get_model(name, weights=None, weights_backbone=None, aux_loss=False)
    needed = {key: each for key, each in state.items() if not key.startswith(_TRAINING_HEAD)}
    fit_weights(network, needed, name, origin)
    return network
