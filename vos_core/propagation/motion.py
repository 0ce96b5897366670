"""What optical flow says of two frames, worked out once for all that ask."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from vos_core.errors import ConfigError
from vos_core.flow import FlowEstimator, is_consistent, magnitude_image, warp_with_cover
from vos_core.types import Image

# Ours. Moving the true masks of 584 pairs of frames along DIS flow raised their Jaccard index by
# 0.08 to 0.2 on average, but lowered it where less than this share of the object leads back.
_LEAST_RELIABLE = 0.1

# Ours: nothing that is worth following crosses half the frame from one frame to the next.
_MOST_OF_FRAME = 0.5

_NOWHERE = 1e6  # pixels


class FrameMotion:
    """The flow between a frame and the one before, estimated when it is asked for.

    Args:
        flow: The estimator.
        image: (H, W, 3) uint8 RGB, the frame.
        last: (H, W, 3) uint8 RGB, the frame before.
        device: Where its tensors are wanted.
    """

    def __init__(
        self, flow: FlowEstimator, image: Image, last: Image, device: torch.device
    ) -> None:
        self._flow = flow
        self._image = image
        self._last = last
        self._device = device

    @cached_property
    def backward(self) -> Tensor:
        """(1, 2, H, W) flow from the frame to the one before, in pixels."""
        return self._between(self._image, self._last)

    @cached_property
    def forward(self) -> Tensor:
        """(1, 2, H, W) flow from the frame before to this one, in pixels."""
        return self._between(self._last, self._image)

    @cached_property
    def speed(self) -> Tensor:
        """(1, H, W) in [0, 1], see :func:`vos_core.flow.magnitude_image`."""
        return magnitude_image(self.backward, self.forward)[0]

    def leads_back(self, masks: Tensor) -> Tensor:
        """Say for each object whether flow there and back agree on enough of it to be believed.

        Args:
            masks: (N, H, W) in [0, 1], on the frame before.

        Returns:
            (N,) bool.
        """
        back = self.backward
        # where flow leads out of the frame nothing can be found that contradicts it, but its length
        _, inside = warp_with_cover(back[:, :1], self.forward)
        far = self.forward.norm(dim=1) > _MOST_OF_FRAME * max(masks.shape[1:])
        told = (masks > 0.5) & ((inside[0] > 0.5) | far)
        agreed = told & is_consistent(self.forward, back)
        believed: Tensor = agreed.sum(dim=(1, 2)) >= _LEAST_RELIABLE * told.sum(dim=(1, 2))
        return believed

    def _between(self, source: Image, target: Image) -> Tensor:
        field = np.asarray(self._flow(source, target), dtype=np.float32)
        if field.shape != (*source.shape[:2], 2):
            raise ConfigError(
                f"flow of shape {field.shape} for frames of {source.shape[:2]}; the estimator must "
                "answer with (H, W, 2)."
            )
        # what is not a number is too far to be believed
        field = np.nan_to_num(field, nan=_NOWHERE, posinf=_NOWHERE, neginf=-_NOWHERE)
        return torch.from_numpy(field).to(self._device).permute(2, 0, 1)[None]
