"""Masks from boxes: what to begin with where only boxes are given.

MaskTrack_Box (Perazzi et al., CVPR 2017, section 3.3): a second network of the same kind, trained
with boxes as its fourth channel, turns the box of the first frame into a mask, from which the
ordinary network goes on.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vos_core.clips import annotated_frames
from vos_core.precision import Precision, autocast
from vos_core.propagation.fusion import merge_logits
from vos_core.propagation.run import to_tensor
from vos_core.types import Annotation, Clip, LabelMap


@torch.inference_mode()
def masks_from_boxes(
    network: nn.Module,
    clip: Clip,
    annotations: Sequence[Annotation],
    size: tuple[int, int] | None,
    device: torch.device,
    precision: Precision = "auto",
) -> list[Annotation]:
    """Replace each object of each annotation by what is found in its bounding box.

    Args:
        network: ``network(image, box) -> (B, 1, H, W) logits``, in evaluation mode.
        clip: Only its annotated frames are read.
        annotations: Of these the boxes alone are looked at.
        size: (height, width) at which the network works; ``None`` is the native size.
        device: Where it works.
        precision: Its arithmetic.

    Returns:
        Annotations of the same frames and objects. An object of which nothing is found keeps what
        of its box is free, or a pixel of it if nothing is, with a warning.
    """
    found = []
    for annotation, (image, labels) in zip(
        annotations, annotated_frames(clip, size, annotations), strict=True
    ):
        boxes = torch.stack([_box(labels == i) for i in annotation.object_ids]).to(device)
        frame = to_tensor(image, device).expand(len(boxes), -1, -1, -1)
        with autocast(device, precision):
            logits = network(frame.to(memory_format=torch.channels_last), boxes[:, None])
        # the box is around all of the object
        probabilities = merge_logits(logits.float()[:, 0].masked_fill(boxes == 0, -20.0))
        native = annotation.label_map.shape
        upsampled = F.interpolate(probabilities[None], native, mode="bilinear")[0]
        channels = upsampled.argmax(dim=0).cpu().numpy()
        label_map = np.array([0, *annotation.object_ids], dtype=np.uint8)[channels]
        found.append(replace(annotation, label_map=_complete(label_map, annotation, clip)))
    return found


def _complete(label_map: LabelMap, annotation: Annotation, clip: Clip) -> LabelMap:
    """Fill in the boxes of objects of which nothing was found."""
    for object_id in annotation.object_ids:
        if not (label_map == object_id).any():
            warnings.warn(
                f"{clip.name}: nothing is found in the box of object {object_id} in frame "
                f"{clip.frame_names[annotation.frame]}, so all of it that is free is taken.",
                stacklevel=3,
            )
            box = _box(annotation.label_map == object_id).numpy() > 0
            free = box & (label_map == 0)
            rows, columns = np.nonzero(free if free.any() else box)
            middle = len(rows) // 2
            taken = slice(None) if free.any() else slice(middle, middle + 1)
            label_map[rows[taken], columns[taken]] = object_id
    return label_map


def _box(mask: np.ndarray) -> torch.Tensor:
    """Return a (H, W) float mask of 0 and 1 of the filled bounding box of a bool mask."""
    box = torch.zeros(mask.shape)
    ys, xs = np.nonzero(mask)
    box[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = 1
    return box
