"""Estimators of semantics by name; names are explicit strings, never derived from class names."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from vos_core.errors import ConfigError, nearest
from vos_core.semantics.estimators import SemanticsEstimator
from vos_core.semantics.objectness import BarrierObjectness
from vos_core.semantics.segmentation import SegmentationSemantics

_WITHOUT_WEIGHTS: dict[str, Callable[[], SemanticsEstimator]] = {"objectness": BarrierObjectness}
_WITH_WEIGHTS: dict[str, Callable[..., SemanticsEstimator]] = {
    "deeplabv3_mobilenet_v3_large": partial(SegmentationSemantics, "deeplabv3_mobilenet_v3_large"),
    "deeplabv3_resnet50": partial(SegmentationSemantics, "deeplabv3_resnet50"),
    "deeplabv3_resnet101": partial(SegmentationSemantics, "deeplabv3_resnet101"),
}


def list_semantics(weights: bool | None = None) -> list[str]:
    """Return the names of the estimators in alphabetical order.

    Args:
        weights: Only those that need weights, or only those that do not, which are stand-ins;
            ``None`` is all.
    """
    chosen = {None: _WITHOUT_WEIGHTS | _WITH_WEIGHTS, False: _WITHOUT_WEIGHTS, True: _WITH_WEIGHTS}
    return sorted(chosen[weights])


def build_semantics(
    name: str, weights: str | Path | None = None, device: torch.device | str = "cpu"
) -> SemanticsEstimator:
    """Build an estimator.

    Args:
        name: One of :func:`list_semantics`.
        weights: Of a network: a file; ``None`` downloads the published ones.
        device: Where a network runs; the others run on the CPU.

    Raises:
        ConfigError: If the name is unknown, or weights are given to what takes none.
        CheckpointError: If weights are needed and cannot be had or do not fit.
    """
    if name in _WITHOUT_WEIGHTS:
        if weights is not None:
            raise ConfigError(
                f"The semantics {name!r} take no weights; leave them out, or choose one of "
                f"{', '.join(list_semantics(weights=True))}."
            )
        return _WITHOUT_WEIGHTS[name]()
    if name not in _WITH_WEIGHTS:
        known = list_semantics()
        raise ConfigError(
            f"Unknown semantics {name!r}; there are {', '.join(known)}.{nearest(name, known)}"
        )
    return _WITH_WEIGHTS[name](weights=weights, device=device)
