"""Adapted networks kept on disk, so that what comes after adaptation can be varied by itself.

Adaptation takes a minute a clip where propagation takes seconds, so a table of flow, temporal
coherence and CRF adapts once. ``<cache>/<clip>-<key>.pt`` holds the networks of a clip and the
seconds their adaptation took. The key is a digest of all it depends on, the code included: what is
found there is what adapting once more would give, or nothing is found.
"""

import copy
import hashlib
import json
import pickle
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from vos_core.errors import ConfigError
from vos_core.files import whole_file
from vos_core.propagation.mask_propagation import Networks
from vos_core.types import Image, LabelMap

_FOR_ALL = 0  # the object id of a network that answers for all


class AdaptedCache:
    """Keeps the networks that were adapted to clips.

    Args:
        folder: Where; made where it is missing. Several processes may share it.

    Raises:
        ConfigError: If it cannot be made.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise ConfigError(
                f"{folder}: adapted networks cannot be kept there ({err.strerror}); give another "
                "folder."
            ) from err

    def load(self, clip: str, key: str, network: nn.Module) -> tuple[Networks, float] | None:
        """Return the networks of a clip and the seconds they took, or None if they are not there.

        Args:
            clip: Its name.
            key: What :func:`adaptation_key` says.
            network: As they were before; it stays as it is.
        """
        path = self._path(clip, key)
        try:
            kept = torch.load(path, map_location="cpu", weights_only=True)
            networks = {key: _with_weights(network, each) for key, each in kept["networks"].items()}
            seconds = float(kept["seconds"])
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, LookupError) as err:
            told = f"{path}: is damaged ({type(err).__name__}); {clip} is adapted to again."
            warnings.warn(told, stacklevel=2)
            return None
        return networks.get(_FOR_ALL, networks), seconds

    def store(self, clip: str, key: str, networks: Networks, seconds: float) -> None:
        """Keep the networks of a clip; a folder that takes none is warned of."""
        each = {_FOR_ALL: networks} if isinstance(networks, nn.Module) else networks
        kept = {
            "networks": {object_id: network.state_dict() for object_id, network in each.items()},
            "seconds": seconds,
        }
        try:
            with whole_file(self._path(clip, key)) as temporary:
                torch.save(kept, temporary)
        except (OSError, RuntimeError) as err:  # as torch says that the disk is full
            warnings.warn(
                f"{self._folder}: the networks adapted to {clip} cannot be kept there ({err}).",
                stacklevel=2,
            )

    def _path(self, clip: str, key: str) -> Path:
        return self._folder / f"{clip}-{key}.pt"


def adaptation_key(
    settings: Mapping[str, object],
    network: nn.Module,
    frames: Sequence[tuple[Image, LabelMap]],
    code: Iterable[Path],
) -> str:
    """Return a digest of all that adapted networks depend on.

    The device and the versions of libraries that draw samples and compute are added.

    Args:
        settings: Of the adaptation, seeds included, as plain values.
        network: What it starts from.
        frames: (H, W, 3) annotated frames and their (H, W) label maps, as the network is given.
        code: The Python files that do it.
    """
    device = next(network.parameters()).device.type
    versions = [torch.__version__, np.__version__, cv2.__version__, version("timm")]
    digest = hashlib.sha256(f"{versions} {device} {type(network).__name__}".encode())
    digest.update(json.dumps(settings, sort_keys=True, default=repr).encode())
    for path in sorted(code):
        digest.update(path.read_bytes())
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(_bytes(tensor))
    for image, label_map in frames:
        digest.update(f"{image.shape} {label_map.shape}".encode())
        digest.update(image.tobytes())
        digest.update(label_map.tobytes())
    return digest.hexdigest()[:32]


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _with_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    adapted = copy.deepcopy(network)
    adapted.load_state_dict(weights)
    return adapted.eval()
