"""Flow estimators by name; names are explicit strings, never derived from class names."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from vos_core.errors import ConfigError, nearest
from vos_core.flow.estimators import DISFlow, FarnebackFlow, FlowEstimator
from vos_core.flow.raft import RAFTFlow

_WITHOUT_WEIGHTS: dict[str, Callable[[], FlowEstimator]] = {
    "dis_ultrafast": partial(DISFlow, "ultrafast"),
    "dis_fast": partial(DISFlow, "fast"),
    "dis_medium": partial(DISFlow, "medium"),
    "farneback": FarnebackFlow,
}
_WITH_WEIGHTS: dict[str, Callable[..., FlowEstimator]] = {
    "raft_small": partial(RAFTFlow, "small"),
    "raft_large": partial(RAFTFlow, "large"),
}


def list_flows(weights: bool | None = None) -> list[str]:
    """Return the names of the estimators in alphabetical order.

    Args:
        weights: Only those that need weights, or only those that do not; ``None`` is all.
    """
    chosen = {None: _WITHOUT_WEIGHTS | _WITH_WEIGHTS, False: _WITHOUT_WEIGHTS, True: _WITH_WEIGHTS}
    return sorted(chosen[weights])


def build_flow(
    name: str = "dis_fast",
    weights: str | Path | None = None,
    device: torch.device | str = "cpu",
) -> FlowEstimator:
    """Build an estimator.

    Args:
        name: One of :func:`list_flows`.
        weights: Of RAFT: a file; ``None`` downloads the published ones.
        device: Where RAFT runs; the others run on the CPU.

    Raises:
        ConfigError: If the name is unknown, or there are weights for one that takes none.
        CheckpointError: If weights are needed and cannot be had or do not fit.
    """
    if name in _WITHOUT_WEIGHTS:
        if weights is not None:
            raise ConfigError(
                f"The flow estimator {name!r} takes no weights; leave them out, or choose one of "
                f"{', '.join(list_flows(weights=True))}."
            )
        return _WITHOUT_WEIGHTS[name]()
    if name not in _WITH_WEIGHTS:
        known = list_flows()
        raise ConfigError(
            f"Unknown flow estimator {name!r}; there are {', '.join(known)}.{nearest(name, known)}"
        )
    return _WITH_WEIGHTS[name](weights=weights, device=device)
