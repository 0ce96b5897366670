"""Mask propagation: each frame's mask is a refinement of the one before.

MaskTrack (Perazzi et al., CVPR 2017, section 3) feeds the last mask to the network as it is;
LucidTracker (Khoreva et al., section 2) first moves it along the optical flow.
"""

from collections.abc import Mapping
from typing import Literal

import cv2
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

Guidance = Literal["mask", "box", "none"]
"""What a network is told of the frame before: the mask, the box around it, or nothing."""


class MaskPropagator:
    """Tracks all objects of a clip; those that share a network go through it as one batch.

    Args:
        network: ``network(image, previous_mask) -> logits``, see ``MaskRefiner``: one for all
            objects, or one per object id. Used in evaluation mode, never changed.
        flow: Moves the last masks to the new frame; ``None`` leaves them in place.
        dilation: Radius in pixels by which the guiding masks are grown (MaskTrack, section 3.1).
        guidance: What is shown of the last masks (MaskTrack, section 5.2: input channel).
        flip_average: Average the answers for the frame and its mirror image.
        coherence: Drop parts of an answer that are farther than this many pixels from the mask
            that guided it; ``None`` keeps all.
        precision: Arithmetic of the network.
    """

    def __init__(
        self,
        network: nn.Module | Mapping[int, nn.Module],
        flow: FlowEstimator | None = None,
        dilation: int = 0,
        guidance: Guidance = "mask",
        flip_average: bool = False,
        coherence: int | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.object_ids: list[int] = []
        self._network = network
        for module in [network] if isinstance(network, nn.Module) else network.values():
            module.eval()
        self._flow = flow
        self._dilation = dilation
        self._guidance: Guidance = guidance
        self._flip_average = flip_average
        self._coherence = coherence
        self._precision: Precision = precision
        self._masks = torch.empty(0)
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
        guides = self._guides(frame)
        logits = self._answer(frame, guides)
        if self._coherence is not None:
            logits = prune_logits(logits, guides, self._coherence)
        probabilities = merge_logits(logits)
        self._masks = probabilities[1:]
        return probabilities

    def _answer(self, frame: Tensor, guides: Tensor) -> Tensor:
        """Return (N, H, W) logits for a frame and (N, H, W) guides."""
        if isinstance(self._network, nn.Module):
            return self._refine(self._network, frame, guides)
        answers = [
            self._refine(self._network[object_id], frame, guide[None])
            for object_id, guide in zip(self.object_ids, guides, strict=True)
        ]
        return torch.cat(answers)

    def _refine(self, network: nn.Module, frame: Tensor, guides: Tensor) -> Tensor:
        """Return one network's (N, H, W) logits for a frame and (N, H, W) guides."""
        masks = guides[:, None]
        images = frame.expand(len(masks), -1, -1, -1)
        if self._flip_average:
            images = torch.cat([images, images.flip(-1)])
            masks = torch.cat([masks, masks.flip(-1)])
        with autocast(frame.device, self._precision):
            logits: Tensor = network(images.to(memory_format=torch.channels_last), masks)
        logits = logits.float()[:, 0]
        if self._flip_average:
            straight, mirrored = logits.chunk(2)
            logits = (straight + mirrored.flip(-1)) / 2
        return logits

    def _guides(self, frame: Tensor) -> Tensor:
        """Return the last (N, H, W) masks, brought to the new frame."""
        guides = self._masks
        if self._flow:
            image = _to_image(frame)
            if self._last_frame is None:
                msg = "start() must be called before step()."
                raise RuntimeError(msg)
            flow = torch.from_numpy(self._flow(image, self._last_frame)).to(frame.device)
            guides = warp_backward(guides[None], flow.permute(2, 0, 1)[None])[0]
            self._last_frame = image
        if self._guidance == "none":
            return torch.zeros_like(guides)
        if self._guidance == "box":
            guides = box_masks(guides)
        return dilate_masks(guides, self._dilation)


def prune_logits(logits: Tensor, guides: Tensor, reach: int) -> Tensor:
    """Make the parts of (N, H, W) answers background that do not touch their (N, H, W) guides."""
    kept = [
        prune_components((answer > 0).cpu().numpy(), (guide > 0.5).cpu().numpy(), reach)
        for answer, guide in zip(logits, guides, strict=True)
    ]
    removed = (logits > 0) & ~torch.from_numpy(np.stack(kept)).to(logits.device)
    return logits.masked_fill(removed, -20.0)


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


def box_masks(masks: Tensor) -> Tensor:
    """Fill the bounding box of the largest component of each (N, H, W) soft mask.

    The other components are left out, for a false one far away would make the next box huge.
    """
    boxes = np.zeros(masks.shape, dtype=np.float32)
    for box, mask in zip(boxes, (masks > 0.5).byte().cpu().numpy(), strict=True):
        _, _, parts, _ = cv2.connectedComponentsWithStats(mask)
        if len(parts) > 1:
            x, y, width, height, _ = max(parts[1:], key=lambda part: part[cv2.CC_STAT_AREA])
            box[y : y + height, x : x + width] = 1
    return torch.from_numpy(boxes).to(masks)


def _to_image(frame: Tensor) -> Image:
    return np.ascontiguousarray((frame * 255).round().byte().permute(1, 2, 0).cpu().numpy())
