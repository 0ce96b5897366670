"""Where a method's flow comes from, as its config says it."""

from pathlib import Path

import torch

from vos_core.errors import ConfigError
from vos_core.flow.cache import cache_flow
from vos_core.flow.estimators import FlowEstimator
from vos_core.flow.registry import build_flow
from vos_core.types import Clip


class FlowSource:
    """An estimator that is built at once, so that a mistake is found before anything is spent.

    Args:
        name: One of :func:`vos_core.flow.list_flows`.
        weights: Of RAFT: a file; ``None`` downloads the published ones.
        cache: Folder in which flow is kept; ``None`` keeps nothing.

    Raises:
        ConfigError: If there is no such estimator, it takes no weights, or the folder cannot be
            made.
        CheckpointError: If weights cannot be had or do not fit.
    """

    def __init__(
        self, name: str, weights: str | Path | None = None, cache: str | Path | None = None
    ) -> None:
        self._name = name
        self._weights = weights
        self._cache = cache
        self._device = torch.device("cpu")
        self._estimator = build_flow(name, weights)
        if cache is not None:
            try:
                Path(cache).mkdir(parents=True, exist_ok=True)
            except OSError as err:
                raise ConfigError(
                    f"{cache}: flow cannot be kept there ({err.strerror}); give another folder."
                ) from err

    def of(self, clip: Clip, size: tuple[int, int] | None, device: torch.device) -> FlowEstimator:
        """Return what estimates the flow of a clip, or reads it where it is kept.

        Args:
            clip: The clip.
            size: (height, width) of the frames that will be given; ``None`` is the native size.
            device: Where RAFT runs.

        Raises:
            ConfigError: If the folder cannot be used.
        """
        if device != self._device:
            self._device = device
            self._estimator = build_flow(self._name, self._weights, device=device)
        return cache_flow(self._estimator, self._cache, clip, size)


def flow_source(
    name: str | None, weights: str | Path | None = None, cache: str | Path | None = None
) -> FlowSource | None:
    """Return a source, or None where no estimator is named.

    Raises:
        ConfigError: If something is said of the flow, but none is asked for; or as ``FlowSource``.
    """
    if name is not None:
        return FlowSource(name, weights, cache)
    if weights is not None or cache is not None:
        raise ConfigError("flow_weights and flow_cache go with flow; name an estimator.")
    return None
