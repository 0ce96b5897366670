"""Mask propagation: each frame's mask is a refinement of the one before.

MaskTrack (Perazzi et al., CVPR 2017, section 3) feeds the last mask to the network where it was;
LucidTracker (Khoreva et al., section 2) first moves it along the optical flow.
"""

from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vos_core.flow import FlowEstimator, magnitude_image, warp_backward
from vos_core.postprocess import prune_components
from vos_core.precision import Precision, autocast
from vos_core.propagation.baselines import split_objects
from vos_core.propagation.fusion import merge_logits
from vos_core.types import Image

Guidance = Literal["mask", "box", "none"]
"""What a network is told of the frame before: the mask, the box around it, or nothing."""


Networks = nn.Module | Mapping[int, nn.Module]
"""One network for all objects, or one per object id."""


class MotionStream:
    """The second stream of MaskTrack (section 3.3): the network looks at motion, not at colours.

    Its picture is the magnitude of the optical flow, see :func:`vos_core.flow.magnitude_image`.

    Args:
        network: As of the first stream; the paper takes the same.
        flow: Asked for the flow from each frame to the last, and back.
    """

    def __init__(self, network: Networks, flow: FlowEstimator) -> None:
        self.network = network
        self._flow = flow

    def look(self, image: Image, last: Image, device: torch.device) -> Tensor:
        """Return the (3, H, W) picture in [0, 1] of the motion between two (H, W, 3) frames."""
        fields = (self._flow(image, last), self._flow(last, image))
        backward, forward = (torch.from_numpy(each).to(device).permute(2, 0, 1) for each in fields)
        return magnitude_image(backward[None], forward[None])[0].expand(3, -1, -1)


class MaskPropagator:
    """Tracks all objects of a clip; those that share a network go through it as one batch.

    Masks are fed back as probabilities, which the papers cut at one half.

    Args:
        network: ``network(image, previous_mask) -> logits``, see ``MaskRefiner``: one for all
            objects, or one per object id. Used in evaluation mode, never changed.
        flow: Moves the last masks to the new frame; ``None`` leaves them in place.
        dilation: Radius in pixels by which the guiding masks are grown (MaskTrack, section 3.1).
        guidance: What is shown of the last masks (MaskTrack, section 5.2: input channel).
        flip_average: Average the answers for the frame and its mirror image.
        motion: A second stream, whose answers are averaged with those of the first.
        coherence: Drop parts of an answer that are farther than this many pixels from the mask
            that guided it; ``None`` keeps all.
        precision: Arithmetic of the network.
    """

    def __init__(
        self,
        network: Networks,
        flow: FlowEstimator | None = None,
        dilation: int = 0,
        guidance: Guidance = "mask",
        flip_average: bool = False,
        motion: MotionStream | None = None,
        coherence: int | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.object_ids: list[int] = []
        self._network = network
        _evaluate(network)
        if motion:
            _evaluate(motion.network)
        self._flow = flow
        self._motion = motion
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
        self._last_frame = self._remembered(frame)
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
        image, last = self._remembered(frame), self._last_frame
        self._last_frame = image
        if not self.object_ids:
            return frame.new_ones((1, *frame.shape[-2:]))
        guides = self._guides(image, last)
        logits = self._answer(self._network, frame, guides)
        if self._motion and image is not None and last is not None:
            moving = self._motion.look(image, last, frame.device)
            other = self._answer(self._motion.network, moving, guides)
            logits = average_scores(logits, other)
        if self._coherence is not None:
            logits = prune_logits(logits, guides, self._coherence)
        probabilities = merge_logits(logits)
        self._masks = probabilities[1:]
        return probabilities

    def _remembered(self, frame: Tensor) -> Image | None:
        """Return a frame as flow needs it, if anything does."""
        return _to_image(frame) if self._flow or self._motion else None

    def _answer(self, network: Networks, frame: Tensor, guides: Tensor) -> Tensor:
        """Return (N, H, W) logits for a frame and (N, H, W) guides."""
        if isinstance(network, nn.Module):
            return self._refine(network, frame, guides)
        answers = [
            self._refine(network[object_id], frame, guide[None])
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

    def _guides(self, image: Image | None, last: Image | None) -> Tensor:
        """Return the last (N, H, W) masks, brought to the new frame."""
        guides = self._masks
        if self._flow and image is not None and last is not None:
            flow = torch.from_numpy(self._flow(image, last)).to(guides.device)
            guides = warp_backward(guides[None], flow.permute(2, 0, 1)[None])[0]
        if self._guidance == "none":
            return torch.zeros_like(guides)
        if self._guidance == "box":
            guides = box_masks(guides)
        return dilate_masks(guides, self._dilation)


def average_scores(one: Tensor, other: Tensor) -> Tensor:
    """Return the logits of the mean probability of two answers."""
    return ((one.sigmoid() + other.sigmoid()) / 2).logit(eps=1e-6)


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


def _evaluate(network: Networks) -> None:
    for module in [network] if isinstance(network, nn.Module) else network.values():
        module.eval()


def _to_image(frame: Tensor) -> Image:
    return np.ascontiguousarray((frame * 255).round().byte().permute(1, 2, 0).cpu().numpy())
