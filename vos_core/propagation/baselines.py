"""What any method has to beat."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from vos_core.types import VOID


class FirstMaskCopier:
    """Answers every frame with the annotated masks, unmoved."""

    def __init__(self) -> None:
        self.object_ids: list[int] = []
        self.counts: Counter[str] = Counter()
        self._masks = torch.empty(0)

    def start(self, frame: Tensor, label_map: Tensor) -> None:
        """Forget everything and remember the masks of a (H, W) label map."""
        self.object_ids = []
        self._masks = torch.empty((0, *label_map.shape), device=label_map.device)
        self.add_objects(label_map)

    def add_objects(self, label_map: Tensor) -> None:
        """Remember the masks of objects that enter late; of one that is there, the new one."""
        ids, masks = split_objects(label_map)
        self.object_ids, self._masks = with_objects(self.object_ids, self._masks, ids, masks)

    def step(self, frame: Tensor) -> Tensor:
        """Return (N + 1, H, W) probabilities of 0 and 1; where masks overlap, the later wins."""
        probabilities = torch.zeros(
            (len(self._masks) + 1, *self._masks.shape[1:]), device=self._masks.device
        )
        free = torch.ones_like(probabilities[0])
        for channel in range(len(self._masks), 0, -1):
            probabilities[channel] = self._masks[channel - 1] * free
            free = free - probabilities[channel]
        probabilities[0] = free
        return probabilities


def split_objects(label_map: Tensor) -> tuple[list[int], Tensor]:
    """Split a label map into one mask per object.

    Args:
        label_map: (H, W) uint8; 0 background, 255 void.

    Returns:
        The ids in ascending order and their (N, H, W) float32 masks of 0 and 1.
    """
    ids = [int(i) for i in torch.unique(label_map) if 0 < i < VOID]
    masks = [(label_map == i).float() for i in ids]
    empty = torch.empty((0, *label_map.shape), device=label_map.device)
    return ids, torch.stack(masks) if masks else empty


def with_objects(
    ids: Sequence[int], masks: Tensor, new_ids: Sequence[int], new_masks: Tensor
) -> tuple[list[int], Tensor]:
    """Add objects to others; one that is among them already gets its new mask in its old place.

    Args:
        ids: Of the N objects.
        masks: (N, H, W).
        new_ids: Of the M to be added.
        new_masks: (M, H, W).

    Returns:
        The ids of all, and their masks.
    """
    places = {object_id: place for place, object_id in enumerate(ids)}
    known = [k for k, object_id in enumerate(new_ids) if object_id in places]
    fresh = [k for k, object_id in enumerate(new_ids) if object_id not in places]
    masks = masks.clone()
    masks[[places[new_ids[k]] for k in known]] = new_masks[known]
    return [*ids, *(new_ids[k] for k in fresh)], torch.cat([masks, new_masks[fresh]])
