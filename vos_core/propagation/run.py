"""One clip from its annotations to a label map per frame, in constant memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vos_core.errors import ConfigError, MaskError
from vos_core.resize import resize_annotation, resize_image
from vos_core.types import VOID, Annotation, Image, LabelMap

Refinement = Callable[[Image, Tensor], Tensor]
"""(H, W, 3) uint8 and (N + 1, H, W) probabilities in, better probabilities out."""


class Propagator(Protocol):
    """Carries masks from frame to frame; holds the state of one clip at a time."""

    object_ids: list[int]
    """Ids of the tracked objects, in the order of the probability channels 1..N."""

    counts: Counter[str]
    """What happened how often since the propagator was made, said in plain words."""

    def start(self, frame: Tensor, label_map: Tensor) -> None:
        """Begin a clip at an annotated frame: (3, H, W) in [0, 1] and (H, W) uint8."""

    def add_objects(self, label_map: Tensor) -> None:
        """Add the objects of a (H, W) label map at the frame of the last call."""

    def step(self, frame: Tensor) -> Tensor:
        """Return (N + 1, H, W) probabilities for the next (3, H, W) frame."""


def run_sequence(
    propagator: Propagator,
    frames: Iterable[Image],
    annotations: Sequence[Annotation],
    size: tuple[int, int] | None = None,
    device: torch.device | None = None,
    refine: Refinement | None = None,
) -> Iterator[LabelMap]:
    """Propagate annotations through a clip, one label map per frame.

    Works frame by frame: memory does not grow with the clip. An annotated frame answers with its
    annotation for the objects it introduces; frames before the first annotation are empty.

    Args:
        propagator: The method.
        frames: (H, W, 3) uint8 frames in order, read as they are needed.
        annotations: Ordered by frame, not empty.
        size: (height, width) at which the method works; ``None`` is the native size.
        device: Where the method works; the CPU by default.
        refine: Post-processing of the answers, e.g. ``DenseCRF()``; not fed back to the method.

    Yields:
        (H, W) uint8 label map at native size, with the ids of the annotations.

    Raises:
        MaskError: If there is no annotation, or one is unusable: of a frame that there is not, of
            another size, out of order, or without an object that it names.
        ConfigError: If a frame is no picture of bytes.
    """
    pending = _checked(annotations)
    started = False
    index = -1
    for index, image in enumerate(frames):
        native = image.shape[:2]
        small = resize_image(image, size)
        frame = to_tensor(small, device)
        answer = np.zeros(native, dtype=np.uint8)
        if started:
            probabilities = propagator.step(frame)
            if refine:
                probabilities = refine(small, probabilities)
            answer = _to_label_map(probabilities, propagator.object_ids, native)
        while pending and pending[0].frame == index:
            annotation = pending.pop(0)
            _require_size(annotation, native)
            introduced = np.isin(annotation.label_map, annotation.object_ids)
            labels = torch.from_numpy(resize_annotation(annotation, size)).to(frame.device)
            if started:
                propagator.add_objects(labels)
            else:
                propagator.start(frame, labels)
                started = True
            answer[introduced] = annotation.label_map[introduced]
        yield answer
    if pending:
        raise MaskError(
            f"frame {pending[0].frame} is annotated, but the clip has {index + 1} frames."
        )


def _checked(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Return annotations that can be followed.

    Raises:
        MaskError: If there is none, or one is out of order or lacks an object that it names.
    """
    if not annotations:
        raise MaskError("there is no annotation to begin from; give one of at least one frame.")
    if any(later.frame < earlier.frame for earlier, later in pairwise(annotations)):
        raise MaskError(
            f"frames {[each.frame for each in annotations]} are annotated; give them in order."
        )
    for each in annotations:
        shown = {int(i) for i in np.unique(each.label_map)} - {0, VOID}
        if missing := set(each.object_ids) - shown:
            raise MaskError(
                f"frame {each.frame}: object {min(missing)} is not in its mask, which shows "
                f"{sorted(shown) or 'none'}; ids are from 1 to {VOID - 1}."
            )
    return list(annotations)


def _require_size(annotation: Annotation, size: tuple[int, ...]) -> None:
    if annotation.label_map.shape != size:
        raise MaskError(
            f"frame {annotation.frame}: the mask has size {annotation.label_map.shape}, the frame "
            f"{size}; give one of the same size."
        )


def to_tensor(image: Image, device: torch.device | None = None) -> Tensor:
    """Turn a (H, W, 3) uint8 frame into a (3, H, W) float32 tensor in [0, 1].

    Raises:
        ConfigError: If it is something else.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ConfigError(
            f"a frame is {image.dtype} of shape {image.shape}; give (H, W, 3) uint8 RGB."
        )
    tensor = torch.from_numpy(np.ascontiguousarray(image)).to(device)
    return tensor.permute(2, 0, 1).float() / 255


def _to_label_map(probabilities: Tensor, ids: Sequence[int], size: tuple[int, int]) -> LabelMap:
    """Upsample (N + 1, h, w) probabilities to ``size``, then decide (never the other way)."""
    if probabilities.shape[-2:] != size:
        probabilities = F.interpolate(probabilities[None], size, mode="bilinear")[0]
    channels = probabilities.argmax(dim=0).to(torch.uint8).cpu().numpy()
    return np.asarray(np.array([0, *ids], dtype=np.uint8)[channels])
