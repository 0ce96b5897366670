"""RAFT (Teed and Deng, ECCV 2020, arXiv:2003.12039), as torchvision implements it.

The network is torchvision's, and so are the published weights, trained on FlyingChairs and
FlyingThings3D (small), with Sintel, KITTI and HD1K besides (large). Without weights there is no
estimator: a network of random weights would find flow everywhere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.errors import ConfigError
from vos_core.flow.estimators import check_pair
from vos_core.types import FloatArray, Image
from vos_core.weights import digest, fit_weights, published_weights

RAFTSize = Literal["small", "large"]

_STRIDE = 8  # of the features that are compared (section 3.1)
_MIN_SIDE = 128  # below, the coarsest of the four levels of the correlation has no two pixels


class RAFTFlow:
    """Recurrent all-pairs field transforms.

    Args:
        size: "large" has 5.3 M parameters, "small" 1.0 M.
        weights: File of a torchvision ``state_dict``; ``None`` has torchvision download the
            published ones into its cache.
        updates: Refinements of the field. torchvision evaluates with 12; the authors with 32 on
            Sintel and 24 on KITTI.
        device: Where the network runs. At 854x480 it needs about 0.5 GB for the correlations.

    Raises:
        CheckpointError: If the weights cannot be had or are of another network.
        ConfigError: If there are no updates.
    """

    def __init__(
        self,
        size: RAFTSize = "large",
        weights: str | Path | None = None,
        updates: int = 12,
        device: torch.device | str = "cpu",
    ) -> None:
        if updates < 1:
            raise ConfigError(f"RAFT needs 1 update at least, got {updates}.")
        address = _published(size)
        state = published_weights(weights, address, alternative="dis_fast")
        self._network = _with_weights(size, state, str(weights or address)).to(device)
        self._updates = updates
        self._device = device
        self.description = f"RAFT {size}, weights {digest(state)}, {updates} updates"

    @torch.inference_mode()
    def __call__(self, source: Image, target: Image) -> FloatArray:
        """Estimate the flow from ``source`` to ``target``."""
        check_pair(source, target)
        height, width = source.shape[:2]
        # the network works at an eighth of the size, and its last update is the best
        flow = self._network(
            self._prepare(source), self._prepare(target), num_flow_updates=self._updates
        )[-1]
        return np.ascontiguousarray(flow[0, :, :height, :width].permute(1, 2, 0).cpu().numpy())

    def _prepare(self, frame: Image) -> Tensor:
        """Return a frame as (1, 3, h, w) in [-1, 1], its last row and column repeated to fit."""
        image = torch.from_numpy(np.ascontiguousarray(frame)).to(self._device)
        image = image.permute(2, 0, 1)[None].float() / 127.5 - 1
        bottom, right = (_fitting(side) - side for side in frame.shape[:2])
        return F.pad(image, (0, right, 0, bottom), mode="replicate")


def _fitting(side: int) -> int:
    """Return the next length that the network takes."""
    return max(_MIN_SIDE, -(-side // _STRIDE) * _STRIDE)


def _published(size: RAFTSize) -> str:
    """Return the address of torchvision's default weights."""
    from torchvision.models.optical_flow import Raft_Large_Weights, Raft_Small_Weights

    weights = {"small": Raft_Small_Weights, "large": Raft_Large_Weights}[size]
    return str(weights.DEFAULT.url)


def _with_weights(size: RAFTSize, state: Mapping[str, Tensor], origin: str) -> nn.Module:
    """Return the network with the given weights."""
    from torchvision.models.optical_flow import raft_large, raft_small

    with torch.device("meta"):  # the weights are about to come, so draw none
        network: nn.Module = {"small": raft_small, "large": raft_large}[size](weights=None)
    fit_weights(network, state, f"raft_{size}", origin)
    return network
