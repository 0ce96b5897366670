"""Mask propagation: each frame's mask is a refinement of the one before.

MaskTrack (Perazzi et al., CVPR 2017, section 3) feeds the last mask to the network where it was;
LucidTracker (Khoreva et al., section 2) first moves it along the optical flow.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from vos_core.errors import ConfigError
from vos_core.flow import FlowEstimator, warp_backward
from vos_core.networks import FREE, average_logits
from vos_core.precision import Precision, autocast, require_precision
from vos_core.propagation.baselines import split_objects, with_objects
from vos_core.propagation.fusion import merge_logits
from vos_core.propagation.guides import box_masks, dilate_masks, prune_logits, prune_masks
from vos_core.propagation.motion import FrameMotion
from vos_core.types import FloatArray, Image

Guidance = Literal["mask", "box", "none"]
"""What a network is told of the frame before: the mask, the box around it, or nothing."""


Networks = nn.Module | Mapping[int, nn.Module]
"""One network for all objects, or one per object id."""


Coherence = int | Literal["published"]
"""What is dropped for coming from nowhere: of answers, parts farther than so many pixels from the
mask that guided them; or, of masks before they guide, parts that the mask before did not overlap
(LucidTracker)."""

FLOW_IGNORED = "masks that stayed in place, for flow there and back disagreed"
"""What :attr:`MaskPropagator.counts` can hold."""


def require_propagation(
    coherence: Coherence | None, dilation: int = 0, guidance: Guidance = "mask"
) -> None:
    """Refuse settings of :class:`MaskPropagator` that mean nothing.

    Raises:
        ConfigError: If one is unknown or negative.
    """
    known = coherence is None or coherence == "published"
    if not known and (not isinstance(coherence, int) or coherence < 0):
        raise ConfigError(
            f"coherence is {coherence!r}; give a number of pixels from 0, 'published' or null."
        )
    if dilation < 0:
        raise ConfigError(f"dilation is {dilation}; give a number of pixels from 0.")
    if guidance not in get_args(Guidance):
        raise ConfigError(f"guidance is {guidance!r}; give one of {', '.join(get_args(Guidance))}.")


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
        return FrameMotion(self._flow, image, last, device).speed.expand(3, -1, -1)


class MaskPropagator:
    """Tracks all objects of a clip; those that share a network go through it as one batch.

    Masks are fed back as probabilities, which the papers cut at one half.

    Args:
        network: ``network(image, previous_mask) -> logits``, see ``MaskRefiner``: one for all
            objects, or one per object id. Used in evaluation mode, never changed.
        flow: Moves the last masks to the new frame, but where it does not lead back; ``None``
            leaves them in place.
        warp: Whether it moves them; else it is there for the cues alone.
        dilation: Radius in pixels by which the guiding masks are grown (MaskTrack, section 3.1).
        guidance: What is shown of the last masks (MaskTrack, section 5.2: input channel).
        flip_average: Average the answers for the frame and its mirror image.
        motion: A second stream, whose answers are averaged with those of the first.
        cues: What networks see beside colours, in the order of ``CUES``.
        semantics: (H, W, 3) uint8 RGB -> (H, W) float32 in [0, 1], for the cue of that name.
        slots: Objects that a network answers for at once, if more than one.
        order: With slots, the ids of the clip's objects, those that enter late included: the n-th
            has the n-th slot. If empty, they have them as they come.
        coherence: What is dropped for coming from nowhere; ``None`` keeps all.
        precision: Arithmetic of the network.

    Raises:
        ConfigError: If a setting means nothing, a cue cannot be made, or there are more objects
            than slots; so do ``start`` and ``add_objects`` for an object without a network.
    """

    def __init__(
        self,
        network: Networks,
        flow: FlowEstimator | None = None,
        warp: bool = True,
        dilation: int = 0,
        guidance: Guidance = "mask",
        flip_average: bool = False,
        motion: MotionStream | None = None,
        cues: Sequence[str] = (),
        semantics: Callable[[Image], FloatArray] | None = None,
        slots: int = 1,
        order: Sequence[int] = (),
        coherence: Coherence | None = None,
        precision: Precision = "auto",
    ) -> None:
        require_propagation(coherence, dilation, guidance)
        require_precision(precision)
        self.object_ids: list[int] = []
        self.counts: Counter[str] = Counter()
        self._network = network
        _evaluate(network)
        if motion:
            _evaluate(motion.network)
        if ("motion" in cues and flow is None) or ("semantics" in cues and semantics is None):
            raise ConfigError(f"the cues {', '.join(cues)} need flow and semantics; name both.")
        self._flow = flow
        self._warp = warp
        self._motion = motion
        self._cues = cues
        self._semantics = semantics
        self._slots = slots
        self._given_order = list(order)
        self._order = list(order)
        _require_slots(slots, len(order))
        self._dilation = dilation
        self._guidance: Guidance = guidance
        self._flip_average = flip_average
        self._coherence = coherence
        self._precision: Precision = precision
        self._masks = torch.empty(0)
        self._masks_before: Tensor | None = None
        self._last_frame: Image | None = None

    def start(self, frame: Tensor, label_map: Tensor) -> None:
        """Forget the last clip and begin from an annotated frame.

        Args:
            frame: (3, H, W) float in [0, 1].
            label_map: (H, W) uint8.
        """
        self.object_ids = []
        self._order = list(self._given_order)
        self._masks = torch.empty((0, *label_map.shape), device=frame.device)
        self._masks_before = None
        self._last_frame = self._remembered(frame)
        self.add_objects(label_map)

    def add_objects(self, label_map: Tensor) -> None:
        """Take in objects that enter at the frame of the last call; they own their pixels.

        Of one that is there already the mask is corrected.
        """
        ids, masks = split_objects(label_map)
        if not isinstance(self._network, nn.Module) and (missing := set(ids) - {*self._network}):
            raise ConfigError(f"there is no network for object {min(missing)}; give one an id.")
        if self._slots > 1:
            self._take_places(ids)
        taken = masks.sum(dim=0).clamp(max=1)
        self._masks = self._masks * (1 - taken)
        self.object_ids, self._masks = with_objects(self.object_ids, self._masks, ids, masks)

    def _take_places(self, ids: Sequence[int]) -> None:
        """Give slots to the objects that have none yet."""
        new = [object_id for object_id in ids if object_id not in self._order]
        if new and self._given_order:
            raise ConfigError(
                f"object {new[0]} has no slot; the order names {', '.join(map(str, self._order))}."
            )
        _require_slots(self._slots, len(self._order) + len(new))
        self._order += new

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
        moved = None
        if self._flow and image is not None and last is not None:
            moved = FrameMotion(self._flow, image, last, frame.device)
        guides = self._guides(moved)
        logits = self._answer(self._network, self._seen(frame, image, moved), guides)
        if self._motion and image is not None and last is not None:
            moving = self._motion.look(image, last, frame.device)
            other = self._answer(self._motion.network, moving, guides)
            logits = average_logits([logits[:, None], other[:, None]])[:, 0]
        if isinstance(self._coherence, int):
            logits = prune_logits(logits, guides, self._coherence)
        probabilities = merge_logits(logits)
        self._masks_before, self._masks = self._masks, probabilities[1:]
        return probabilities

    def _remembered(self, frame: Tensor) -> Image | None:
        """Return a frame as flow and semantics need it, if anything does."""
        return _to_image(frame) if self._flow or self._motion or self._semantics else None

    def _seen(self, frame: Tensor, image: Image | None, moved: FrameMotion | None) -> Tensor:
        """Return the (3 + C, H, W) frame with its cues."""
        channels = [frame]
        if "motion" in self._cues:
            channels.append(moved.speed if moved else torch.zeros_like(frame[:1]))
        if "semantics" in self._cues and self._semantics and image is not None:
            channels.append(torch.from_numpy(self._semantics(image)).to(frame.device)[None])
        return torch.cat(channels)

    def _answer(self, network: Networks, seen: Tensor, guides: Tensor) -> Tensor:
        """Return (N, H, W) logits for a frame with its cues and (N, H, W) guides."""
        if not isinstance(network, nn.Module):
            answers = [
                self._refine(network[object_id], seen, guide[None, None])
                for object_id, guide in zip(self.object_ids, guides, strict=True)
            ]
            return torch.cat(answers)[:, 0]
        if self._slots == 1:
            return self._refine(network, seen, guides[:, None])[:, 0]
        masks = guides.new_full((self._slots, *guides.shape[1:]), FREE)
        masks[: len(self._order)] = 0  # theirs are taken, if they are there or not
        places = [self._order.index(object_id) for object_id in self.object_ids]
        masks[places] = guides
        return self._refine(network, seen, masks[None])[0, places]

    def _refine(self, network: nn.Module, seen: Tensor, masks: Tensor) -> Tensor:
        """Return one network's (B, S, H, W) logits for one frame and (B, S, H, W) masks."""
        images = seen.expand(len(masks), -1, -1, -1)
        if self._flip_average:
            images = torch.cat([images, images.flip(-1)])
            masks = torch.cat([masks, masks.flip(-1)])
        with autocast(seen.device, self._precision):
            logits: Tensor = network(images.to(memory_format=torch.channels_last), masks)
        logits = logits.float()
        if self._flip_average:
            straight, mirrored = logits.chunk(2)
            logits = (straight + mirrored.flip(-1)) / 2
        return logits

    def _guides(self, moved: FrameMotion | None) -> Tensor:
        """Return the last (N, H, W) masks, brought to the new frame."""
        guides = self._masks
        if self._coherence == "published" and self._masks_before is not None:
            guides = prune_masks(guides, self._masks_before)
        if moved and self._warp:
            believed = moved.leads_back(guides)
            warped = warp_backward(guides[None], moved.backward)[0]
            guides = torch.where(believed[:, None, None], warped, guides)
            if ignored := int((~believed).sum()):
                self.counts[FLOW_IGNORED] += ignored
        if self._guidance == "none":
            return torch.zeros_like(guides)
        if self._guidance == "box":
            guides = box_masks(guides)
        return dilate_masks(guides, self._dilation)


def _require_slots(slots: int, objects: int) -> None:
    if 1 < slots < objects:
        raise ConfigError(
            f"the clip has {objects} objects, but the network {slots} slots; give more slots, or 1 "
            "for a network an object."
        )


def _evaluate(network: Networks) -> None:
    for module in [network] if isinstance(network, nn.Module) else network.values():
        module.eval()


def _to_image(frame: Tensor) -> Image:
    return np.ascontiguousarray((frame * 255).round().byte().permute(1, 2, 0).cpu().numpy())
