"""Dreams as a dataset for torch: dream k is the same in every epoch, order and worker."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from augment.lucid.dreamer import LucidDreamer
from augment.lucid.scene import LucidScene
from vos_core.errors import ConfigError
from vos_core.propagation.run import to_tensor


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers of one of many dreams of a seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


class DreamSample(TypedDict):
    """One dream; what the dreamer does not make is left out."""

    image: Tensor  # (3, H, W) float32 RGB in [0, 1]
    labels: Tensor  # (H, W) uint8 ids; 0 background
    previous_labels: Tensor  # (H, W) uint8, of the frame before
    previous_image: NotRequired[Tensor]  # (3, H, W) float32
    backward_flow: NotRequired[Tensor]  # (2, H, W) float32 in pixels, to the frame before
    forward_flow: NotRequired[Tensor]  # (2, H, W) float32, from the frame before
    newly_visible: NotRequired[Tensor]  # (H, W) bool, not seen in the frame before
    disappearing: NotRequired[Tensor]  # (H, W) bool, of the frame before, not seen any more


class LucidDreams(Dataset[DreamSample]):
    """A given number of dreams, the scenes taking turns.

    Args:
        scenes: What to dream of; of one size, if dreams are to be stacked into batches.
        dreamer: Draws and paints them.
        count: How many dreams there are.
        seed: Dream k depends on this and on k alone.

    Raises:
        ConfigError: If there is no scene, or count or seed are negative.
    """

    def __init__(
        self, scenes: Sequence[LucidScene], dreamer: LucidDreamer, count: int, seed: int = 0
    ) -> None:
        if not scenes:
            raise ConfigError("there is no scene to dream of; give at least one.")
        if min(seed, count) < 0:
            raise ConfigError(f"count is {count} and the seed {seed}; give 0 or more.")
        self.scenes = scenes
        self.dreamer = dreamer
        self.count = count
        self.seed = seed

    def __len__(self) -> int:
        """Return the number of dreams."""
        return self.count

    def __getitem__(self, index: int) -> DreamSample:
        """Paint a dream; negative indices count from the end.

        Raises:
            IndexError: If there is none of this index.
        """
        if not -self.count <= index < self.count:
            raise IndexError(f"there are {self.count} dreams, but {index} was asked for.")
        index %= self.count
        scene = self.scenes[index % len(self.scenes)]
        dream = self.dreamer(scene, generator(self.seed, index))
        sample: DreamSample = {
            "image": to_tensor(dream.image),
            "labels": torch.from_numpy(dream.label_map),
            "previous_labels": torch.from_numpy(dream.previous_label_map),
        }
        if dream.previous_image is not None:
            sample["previous_image"] = to_tensor(dream.previous_image)
        if dream.flow is not None:
            sample["backward_flow"] = torch.from_numpy(dream.flow.backward).permute(2, 0, 1)
            sample["forward_flow"] = torch.from_numpy(dream.flow.forward).permute(2, 0, 1)
            sample["newly_visible"] = torch.from_numpy(dream.flow.newly_visible)
            sample["disappearing"] = torch.from_numpy(dream.flow.disappearing)
        return sample
