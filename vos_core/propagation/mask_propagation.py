"""Mask propagation: each frame's mask is a refinement of the one before.

MaskTrack (Perazzi et al., CVPR 2017, section 3) feeds the last mask to the network as it is;
LucidTracker (Khoreva et al., section 2) first moves it along the optical flow.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.flow import FlowEstimator, warp_backward
from vos_core.postprocess import prune_components
from vos_core.precision import Precision, autocast
from vos_core.propagation.baselines import split_objects
from vos_core.propagation.fusion import merge_logits
from vos_core.types import Image


class MaskPropagator:
    """Tracks all objects of a clip with one refinement network, as one batch of masks.

    Args:
        network: ``network(image, previous_mask) -> logits``, see ``MaskRefiner``; used in
            evaluation mode, never changed.
        flow: Moves the last masks to the new frame; ``None`` leaves them in place.
        dilation: Radius in pixels by which the guiding masks are grown (MaskTrack, section 3.1).
        flip_average: Average the answers for the frame and its mirror image.
        coherence: Drop parts of the guiding masks that the frame before does not support.
        precision: Arithmetic of the network.
    """

    def __init__(
        self,
        network: nn.Module,
        flow: FlowEstimator | None = None,
        dilation: int = 0,
        flip_average: bool = False,
        coherence: bool = False,
        precision: Precision = "auto",
    ) -> None:
        self.object_ids: list[int] = []
        self._network = network.eval()
        self._flow = flow
        self._dilation = dilation
        self._flip_average = flip_average
        self._coherence = coherence
        self._precision: Precision = precision
        self._masks = torch.empty(0)
        self._earlier = torch.empty(0)
        self._last_frame: Image | None = None

    def start(self, frame: Tensor, label_map: Tensor) -> None:
        """Forget the last clip and begin from an annotated frame.

        Args:
            frame: (3, H, W) float in [0, 1].
            label_map: (H, W) uint8.
        """
        self.object_ids = []
        self._masks = torch.empty((0, *label_map.shape), device=frame.device)
        self._last_frame = _to_image(frame) if self._flow else None
        self.add_objects(label_map)

    def add_objects(self, label_map: Tensor) -> None:
        """Take in objects that enter at the frame of the last call; they own their pixels."""
        ids, masks = split_objects(label_map)
        taken = masks.sum(dim=0).clamp(max=1)
        self.object_ids += ids
        self._masks = torch.cat([self._masks * (1 - taken), masks])
        self._earlier = self._masks

    @torch.inference_mode()
    def step(self, frame: Tensor) -> Tensor:
        """Segment the next frame.

        Args:
            frame: (3, H, W) float in [0, 1].

        Returns:
            (N + 1, H, W) probabilities, channel 0 background.
        """
        if not self.object_ids:
            self._last_frame = _to_image(frame) if self._flow else None
            return frame.new_ones((1, *frame.shape[-2:]))
        guides = self._guides(frame)[:, None]
        images = frame.expand(len(guides), -1, -1, -1)
        if self._flip_average:
            images = torch.cat([images, images.flip(-1)])
            guides = torch.cat([guides, guides.flip(-1)])
        with autocast(frame.device, self._precision):
            logits = self._network(images.to(memory_format=torch.channels_last), guides)
        logits = logits.float()[:, 0]
        if self._flip_average:
            straight, mirrored = logits.chunk(2)
            logits = (straight + mirrored.flip(-1)) / 2
        probabilities = merge_logits(logits)
        self._earlier, self._masks = self._masks, probabilities[1:]
        return probabilities

    def _guides(self, frame: Tensor) -> Tensor:
        """Return the last (N, H, W) masks, brought to the new frame."""
        guides = prune_masks(self._masks, self._earlier) if self._coherence else self._masks
        if self._flow:
            image = _to_image(frame)
            if self._last_frame is None:
                msg = "start() must be called before step()."
                raise RuntimeError(msg)
            flow = torch.from_numpy(self._flow(image, self._last_frame)).to(frame.device)
            guides = warp_backward(guides[None], flow.permute(2, 0, 1)[None])[0]
            self._last_frame = image
        return dilate_masks(guides, self._dilation)


def prune_masks(masks: Tensor, earlier: Tensor) -> Tensor:
    """Zero the parts of (N, H, W) soft masks that do not touch the ones of a frame before."""
    kept = [
        prune_components((mask > 0.5).cpu().numpy(), (before > 0.5).cpu().numpy())
        for mask, before in zip(masks, earlier, strict=True)
    ]
    support = torch.from_numpy(np.stack(kept)).to(masks.device)
    return torch.where((masks > 0.5) & ~support, 0, masks)


def dilate_masks(masks: Tensor, radius: int) -> Tensor:
    """Grow (N, H, W) soft masks by a disc of ``radius`` pixels (a grey-level dilation)."""
    if radius < 1:
        return masks
    grown = masks
    for dy in range(-radius, radius + 1):
        reach = int((radius**2 - dy**2) ** 0.5)
        row = F.max_pool2d(masks[None], (1, 2 * reach + 1), stride=1, padding=(0, reach))[0]
        shifted = F.pad(row, (0, 0, radius, radius))[:, radius + dy : radius + dy + masks.shape[-2]]
        grown = torch.maximum(grown, shifted)
    return grown


def _to_image(frame: Tensor) -> Image:
    return np.ascontiguousarray((frame * 255).round().byte().permute(1, 2, 0).cpu().numpy())
