"""Encoders of timm with further input channels, for masks and cues."""

from collections.abc import Sequence

import timm
import torch
from torch import Tensor, nn

from vos_core.errors import ConfigError, nearest
from vos_core.networks.pretrained import try_pretrained


def build_encoder(
    name: str,
    pretrained: bool,
    stages: Sequence[int],
    output_stride: int | None = None,
    inputs: int = 4,
) -> nn.Module:
    """Build a timm encoder that returns the maps of some of its stages.

    The filters of all input channels but the first three start at zero, so a pretrained encoder
    first answers as it would to the image alone.

    Args:
        name: Any timm model that supports ``features_only``.
        pretrained: Start from ImageNet weights (timm's cache or the network) if they can be had.
        stages: Which stages, counted from the shallowest; -1 is the last.
        output_stride: Strides beyond this become dilations; None keeps them.
        inputs: Input channels, at least 4: RGB, cues, masks.

    Raises:
        ConfigError: If timm has no such model, cannot dilate it, or it has fewer stages or takes
            frames of one size only.
    """
    if not timm.is_model(name):
        raise ConfigError(f"timm has no model {name!r}.{nearest(name, timm.list_models())}")
    dilated = {} if output_stride is None else {"output_stride": output_stride}

    def build(weights: bool) -> nn.Module:
        encoder: nn.Module = timm.create_model(
            name,
            pretrained=weights,
            features_only=True,
            in_chans=inputs,
            out_indices=tuple(stages),
            **dilated,
        )
        return encoder

    try:
        encoder = try_pretrained(name, lambda: build(weights=True)) if pretrained else None
        loaded = encoder is not None
        encoder = encoder or build(weights=False)
    except IndexError as err:
        raise ConfigError(
            f"{name!r} has no stage {max(stages)}; choose a smaller depth or another encoder."
        ) from err
    except (TypeError, AssertionError, NotImplementedError) as err:
        if not dilated:
            raise
        raise ConfigError(
            f"timm cannot dilate {name!r} to a stride of {output_stride}; choose another encoder, "
            "such as 'resnet18'."
        ) from err
    _silence_further_channels(encoder, inputs, rescale=loaded)
    _require_any_size(name, encoder, inputs)
    return encoder


def feature_maps(encoder: nn.Module, x: Tensor) -> list[Tensor]:
    """Return an encoder's maps, shallow to deep, channels first (swin puts them last)."""
    maps: list[Tensor] = encoder(x)
    if getattr(encoder, "output_fmt", None) == "NHWC":
        maps = [features.permute(0, 3, 1, 2) for features in maps]
    return maps


def _require_any_size(name: str, encoder: nn.Module, inputs: int) -> None:
    try:
        with torch.no_grad():
            encoder.eval()(torch.zeros(1, inputs, 64, 96))
    except (AssertionError, RuntimeError, ValueError) as err:
        raise ConfigError(
            f"{name!r} cannot look at frames of 64x96 pixels ({err}); choose an encoder that takes "
            "any size, such as 'resnet18'."
        ) from err
    encoder.train()


def _silence_further_channels(encoder: nn.Module, inputs: int, rescale: bool) -> None:
    """Zero the filters of all input channels but the first three.

    timm fills further channels with copies of the first three and shrinks all by 3 / ``inputs``;
    ``rescale`` undoes the shrinking so that the RGB response is the pretrained one.
    """
    convolutions = (m for m in encoder.modules() if isinstance(m, nn.Conv2d))
    first = next(each for each in convolutions if each.in_channels == inputs)
    with torch.no_grad():
        if rescale:
            first.weight *= inputs / 3
        first.weight[:, 3:] = 0
