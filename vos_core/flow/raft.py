"""RAFT (Teed and Deng, ECCV 2020, arXiv:2003.12039), as torchvision implements it.

The network is torchvision's, and so are the published weights, trained on FlyingChairs and
FlyingThings3D (small), with Sintel, KITTI and HD1K besides (large). Without weights there is no
estimator: a network of random weights would find flow everywhere.
"""

import hashlib
import http.client
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.errors import CheckpointError, ConfigError
from vos_core.flow.estimators import check_pair
from vos_core.types import FloatArray, Image
from vos_core.weights import misfit

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
        state = _download(address) if weights is None else _read(Path(weights), address)
        origin = address if weights is None else str(weights)
        self._network = _with_weights(size, state, origin).to(device)
        self._updates = updates
        self._device = device
        self.description = f"RAFT {size}, weights {_digest(state)}, {updates} updates"

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


def _download(address: str) -> Mapping[str, Tensor]:
    """Return published weights, from torchvision's cache where they are there already."""
    try:
        # check_hash compares with the digest in the file's name
        state: Mapping[str, Tensor] = torch.hub.load_state_dict_from_url(
            address, map_location="cpu", check_hash=True, weights_only=True
        )
    except (OSError, http.client.HTTPException) as err:
        reason = str(err) or type(err).__name__
        raise CheckpointError(
            f"The weights {address} cannot be downloaded ({reason}); bring the file here by other "
            "means and give its path as weights, or choose dis_fast, which needs none."
        ) from err
    except (RuntimeError, EOFError, pickle.UnpicklingError) as err:
        raise CheckpointError(
            f"What was downloaded from {address} is damaged; remove it from "
            f"{Path(torch.hub.get_dir()) / 'checkpoints'} and try again."
        ) from err
    return state


def _read(path: Path, address: str) -> Mapping[str, Tensor]:
    """Return the weights of a file."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise CheckpointError(
            f"There is no file {path} of RAFT weights; download {address} and give its path, or "
            "give no weights to have that done."
        ) from err
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, LookupError) as err:
        raise CheckpointError(
            f"{path} is no file of PyTorch weights, or is damaged; download {address} again."
        ) from err
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(
            f"{path} holds something other than the tensors of a network; give a file like "
            f"{address}."
        )
    return state


def _with_weights(size: RAFTSize, state: Mapping[str, Tensor], origin: str) -> nn.Module:
    """Return the network with the given weights."""
    from torchvision.models.optical_flow import raft_large, raft_small

    with torch.device("meta"):  # the weights are about to come, so draw none
        network: nn.Module = {"small": raft_small, "large": raft_large}[size](weights=None)
    if wrong := misfit(network.state_dict(), state):
        raise CheckpointError(
            f"{origin} does not fit raft_{size}; {wrong}. Give weights of torchvision's "
            f"raft_{size}."
        )
    network.load_state_dict(state, assign=True)
    return network.float().eval().requires_grad_(False)


def _digest(state: Mapping[str, Tensor]) -> str:
    """Return what tells these weights from others, however their file is written."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].double().numpy().tobytes())
    return digest.hexdigest()[:16]
