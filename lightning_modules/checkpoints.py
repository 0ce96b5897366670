"""Reading checkpoints that ``fit`` wrote, and refusing others in one sentence."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vos_core.errors import CheckpointError
from vos_core.networks import build_network
from vos_core.weights import misfit

_NETWORK_SETTINGS = (
    *("network", "network_options", "inputs", "slots"),
    *("encoder", "depth", "width"),  # of LucidTask before it had network_options
)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return a Lightning checkpoint; nothing in it is run.

    Raises:
        CheckpointError: If there is none, or it is damaged or something else.
    """
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        _ = checkpoint["state_dict"]
    except FileNotFoundError as err:
        raise CheckpointError(f"There is no checkpoint {path}; check the path.") from err
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, LookupError, TypeError) as err:
        raise CheckpointError(
            f"{path} is no Lightning checkpoint, or is damaged; give one that fit wrote."
        ) from err
    return checkpoint


def require_fit(
    path: str | Path, checkpoint: Mapping[str, Any], ours: Mapping[str, Tensor]
) -> None:
    """Refuse a checkpoint whose tensors are not those of a network.

    Args:
        path: Of the checkpoint, for the message.
        checkpoint: Its content.
        ours: Name -> tensor that is needed.

    Raises:
        CheckpointError: If they differ; the message names layers and the settings it was trained
            with.
    """
    if wrong := misfit(ours, checkpoint["state_dict"]):
        settings = checkpoint.get("hyper_parameters", {})
        told = {key: settings[key] for key in _NETWORK_SETTINGS if key in settings}
        raise CheckpointError(
            f"{path} belongs to another network; {wrong}. It was trained with "
            f"{told or 'unknown settings'}; give the same under --model."
        )


def require_same_training(
    path: str | Path, checkpoint: Mapping[str, Any], ours: Mapping[str, object]
) -> None:
    """Refuse to go on with a training of other settings: its schedule and samples would not fit.

    Args:
        path: Of the checkpoint, for the message.
        checkpoint: Its content.
        ours: What :func:`lightning_modules.tasks.training_settings` says.

    Raises:
        CheckpointError: If a setting differs, or the checkpoint does not tell.
    """
    theirs = checkpoint.get("training")
    if theirs is None:
        raise CheckpointError(f"{path} tells of no training; --ckpt_path takes its weights.")
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            raise CheckpointError(
                f"{path} is of a training with {name} {theirs.get(name)}, not {ours.get(name)}; "
                "give the same, or take its weights alone by --ckpt_path."
            )


def load_refiner(path: str | Path, guidance: str) -> nn.Module:
    """Build the network of a MaskTrack checkpoint, with its weights, for evaluation.

    Args:
        path: The checkpoint.
        guidance: What the network must have been trained with.

    Raises:
        CheckpointError: If the checkpoint cannot be read, or is of another task or guidance.
    """
    checkpoint = read_checkpoint(path)
    settings = checkpoint.get("hyper_parameters", {})
    if "network" not in settings:
        raise CheckpointError(
            f"{path} does not say which network it is of; give a checkpoint of MaskTrackTask."
        )
    if settings.get("guidance") != guidance:
        raise CheckpointError(
            f"{path} was trained with guidance {settings.get('guidance')!r}; give one that was "
            f"trained with --model.guidance {guidance}."
        )
    options = settings.get("network_options") or {}
    network = build_network(settings["network"], pretrained=False, **options)
    prefix = "network."
    weights = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    require_fit(path, {**checkpoint, "state_dict": weights}, network.state_dict())
    network.load_state_dict(weights)
    return network.eval()
