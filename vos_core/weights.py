"""Weights that somebody published: had from a file or their address, fitted to a network."""

import hashlib
import http.client
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vos_core.errors import CheckpointError

_NAMED = 3  # tensors named in a message


def published_weights(
    path: str | Path | None, address: str, alternative: str
) -> Mapping[str, Tensor]:
    """Return published weights, on the CPU.

    Args:
        path: File of a ``state_dict``; ``None`` downloads it, unless torchvision's cache has it.
        address: Where it is published; the file's name ends with the start of its digest.
        alternative: What needs no weights, for the message.

    Returns:
        Name -> tensor.

    Raises:
        CheckpointError: If the file is missing, damaged or something else, or the download fails.
    """
    return _download(address, alternative) if path is None else _read(Path(path), address)


def fit_weights(network: nn.Module, state: Mapping[str, Tensor], name: str, origin: str) -> None:
    """Give a network its weights for good: in float32, to be evaluated and never trained.

    Args:
        network: May be on the meta device; it takes over the tensors.
        state: Name -> tensor.
        name: What torchvision calls the network, for the message.
        origin: Where the weights are from, for the message.

    Raises:
        CheckpointError: If they are of another network.
    """
    if wrong := misfit(network.state_dict(), state):
        raise CheckpointError(
            f"{origin} does not fit {name}; {wrong}. Give weights of torchvision's {name}."
        )
    network.load_state_dict(state, assign=True)
    network.float().eval().requires_grad_(False)


def digest(state: Mapping[str, Tensor]) -> str:
    """Return what tells these weights from others, however their file is written."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode())
        found.update(state[name].double().numpy().tobytes())
    return found.hexdigest()[:16]


def misfit(ours: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    """Say how weights differ from those that a network needs.

    Args:
        ours: Name -> tensor of the network.
        given: Name -> tensor to be loaded.

    Returns:
        Such as "3 tensors differ: a.weight is (8, 4), not (8, 3); b.bias is missing; ...", or None
        where they fit.
    """
    wrong = [
        f"{name} is missing"
        if name not in given
        else f"{name} is {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in ours.items()
        if name not in given or given[name].shape != tensor.shape
    ]
    wrong += [f"{name} is unknown" for name in given if name not in ours]
    if not wrong:
        return None
    shown = "; ".join(wrong[:_NAMED]) + "; ..." * (len(wrong) > _NAMED)
    return f"{len(wrong)} tensors differ: {shown}"


def _download(address: str, alternative: str) -> Mapping[str, Tensor]:
    try:
        # check_hash compares with the digest in the file's name
        state: Mapping[str, Tensor] = torch.hub.load_state_dict_from_url(
            address, map_location="cpu", check_hash=True, weights_only=True
        )
    except (OSError, http.client.HTTPException) as err:
        reason = str(err) or type(err).__name__
        raise CheckpointError(
            f"The weights {address} cannot be downloaded ({reason}); bring the file here by other "
            "means and give its path (--model.flow_weights, --model.semantics_weights), or choose "
            f"{alternative}, which needs none."
        ) from err
    except (RuntimeError, EOFError, pickle.UnpicklingError) as err:
        raise CheckpointError(
            f"What was downloaded from {address} is damaged; remove it from "
            f"{Path(torch.hub.get_dir()) / 'checkpoints'} and try again."
        ) from err
    return state


def _read(path: Path, address: str) -> Mapping[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as err:
        raise CheckpointError(
            f"There is no file {path} of weights; download {address} and give its path, or give no "
            "weights to have that done."
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
