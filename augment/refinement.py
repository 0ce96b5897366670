"""Training samples of mask refinement: a picture, rough masks, the true ones.

Drawn from annotated frames, with flips, rotations and deformed masks (MaskTrack), here; or from
lucid dreams of them (LucidTracker), in :mod:`augment.lucid.sampler`.
"""

import gc
import itertools
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from augment.deformation import MaskDeformation, deform_mask
from augment.device import upload
from augment.geometry import BackwardMap, affine_matrix, sampling_map, warp, warp_labels
from augment.settings import require_generator
from vos_core.cores import usable_cores
from vos_core.errors import ConfigError, MaskError
from vos_core.networks.normalise import FREE
from vos_core.types import VOID, Image, LabelMap, RefinementSample

AnnotatedFrame = tuple[Image, LabelMap]

# Ours: where objects are seen in a third of the frames, chance never leaves out so many in a row.
_MAX_EMPTY = 100
FREE_SLOT = 2
"""What a packed mask holds where a network's holds ``FREE``."""

# Ours: a GPU paints ten dreams in as many steps, and nearly the time, as a hundred.
_JOINED = 64

_MOST_DRAWING = 8  # ours

Drawn = Tensor | tuple[object, ...]
"""A packed sample, see :func:`unpacked`, or only the plan of one."""

Gathered = Tensor | tuple[object, ...]
"""Packed samples, or plans, stacked."""


class RefinementSampler(ABC):
    """Draws training samples; everything random comes from the generator.

    Attributes:
        slots: Masks of a sample, see :mod:`vos_core.networks.normalise`.
    """

    slots = 1

    def __call__(self, rng: np.random.Generator) -> RefinementSample:
        """Draw one sample, on the CPU.

        Raises:
            ConfigError: If ``rng`` is no numpy ``Generator``.
        """
        require_generator(rng)
        return unpacked(cast("Tensor", self.draw(rng, torch.device("cpu"))), self.slots)

    @abstractmethod
    def draw(self, rng: np.random.Generator, device: torch.device) -> Drawn:
        """Draw a sample, for the CPU a packed one, else as much as is best done there."""

    def gather(self, drawn: Sequence[Drawn]) -> Gathered:
        """Stack samples, in whichever process drew them."""
        return torch.stack([cast("Tensor", each) for each in drawn])

    def join(self, gathered: Gathered, device: torch.device) -> RefinementSample:
        """Make a batch, on a device, of samples that were drawn for it.

        Raises:
            ConfigError: If plans are not for this sampler, or not for this device.
        """
        if not isinstance(gathered, Tensor):
            raise ConfigError("these plans are of another sampler; let the one that drew them.")
        return unpacked(upload(gathered.numpy(), device), self.slots)

    def all_of(self, object_ids: Sequence[int]) -> "RefinementSampler":
        """Return a sampler whose first slots are for these objects, in this order.

        Raises:
            ConfigError: If there are not so many slots.
        """
        raise ConfigError(f"{type(self).__name__} draws samples of one object only.")

    @abstractmethod
    def only(self, object_id: int) -> "RefinementSampler":
        """Return a sampler that asks for this object alone, in the frames that show it.

        Raises:
            MaskError: If none does.
        """


class StillSampler(RefinementSampler):
    """Samples from the annotated frames themselves (MaskTrack, CVPR 2017, section 3.2).

    Args:
        frames: Pairs of a (H, W, 3) frame and its (H, W) label map; one is taken for each sample,
            so that a sequence may read its frames when they are asked for.
        deformation: Makes the true mask rough.
        angle: Largest rotation of frame and mask, degrees.
        scale: Largest relative zoom of frame and mask.
        only: The object to ask for; a random one each time if None.

    Raises:
        MaskError: If there is no frame.
    """

    def __init__(
        self,
        frames: Sequence[AnnotatedFrame],
        deformation: MaskDeformation,
        angle: float = 20.0,
        scale: float = 0.1,
        only: int | None = None,
    ) -> None:
        require_frames(frames, "an object" if only is None else f"object {only}")
        self._only = only
        self.frames = frames
        self.deformation = deformation
        self.angle = angle
        self.scale = scale

    def draw(self, rng: np.random.Generator, device: torch.device) -> Tensor:
        """Flip, rotate and zoom a random frame and deform the mask of a random object.

        Returns:
            A packed sample.

        Raises:
            MaskError: If many frames in a row hold no object.
        """
        image, label_map, object_id = self._draw(rng)
        height, width = label_map.shape
        matrix = affine_matrix(
            centre=((width - 1) / 2, (height - 1) / 2),
            scale=(1 + rng.uniform(-self.scale, self.scale),) * 2,
            angle=rng.uniform(-self.angle, self.angle),
            mirror=rng.random() < 0.5,
        )
        positions = sampling_map((height, width), BackwardMap.undo(matrix), step=64)
        # the picture is mirrored beyond its border, objects included: no truth is known there
        labels = warp_labels(label_map, positions, outside=VOID)
        mask = labels == object_id
        rough = deform_mask(mask, self.deformation, rng)
        target = np.where(labels == VOID, VOID, mask).astype(np.uint8)
        return packed(warp(image, positions), rough.view(np.uint8), target)

    def _draw(self, rng: np.random.Generator) -> tuple[Image, LabelMap, int]:
        """Draw a frame that holds an object, and one of its objects."""
        for _ in range(_MAX_EMPTY):
            image, label_map = self.frames[int(rng.integers(len(self.frames)))]
            if self._only is not None:
                return image, label_map, self._only
            ids = np.flatnonzero(np.bincount(label_map.ravel(), minlength=VOID)[1:VOID]) + 1
            if len(ids):
                return image, label_map, int(rng.choice(ids))
        raise MaskError(
            f"{_MAX_EMPTY} annotated frames in a row hold no object to learn from; look at the "
            "masks, or choose a larger size."
        )

    def only(self, object_id: int) -> "StillSampler":
        """Return a sampler that asks for this object alone, in the frames that show it.

        Raises:
            MaskError: If none does.
        """
        frames = [pair for pair in self.frames if (pair[1] == object_id).any()]
        return StillSampler(frames, self.deformation, self.angle, self.scale, object_id)


def require_frames(frames: Sequence[object], wanted: str) -> None:
    """Refuse to learn from nothing.

    Raises:
        MaskError: If there is no frame.
    """
    if not frames:
        raise MaskError(f"No annotated frame shows {wanted}, so there is nothing to learn from.")


def packed(image: Image, masks: LabelMap, target: LabelMap) -> Tensor:
    """Put a sample into the fewest bytes.

    Args:
        image: (H, W, 3 + C) uint8, RGB and cues.
        masks: (H, W) or (H, W, S) uint8 of 0 and 1, and ``FREE_SLOT`` all over those of no object.
        target: (H, W) uint8; 0 background, 1..S the object, 255 void.

    Returns:
        (H, W, 3 + C + S + 1) uint8.
    """
    return torch.from_numpy(cv2.merge((image, masks, target)))


def unpacked(packed: Tensor, slots: int = 1) -> RefinementSample:
    """Unpack a sample or a batch.

    Args:
        packed: (..., H, W, C) uint8 of :func:`packed`.
        slots: Masks of each.
    """
    masks = packed[..., -1 - slots : -1].movedim(-1, -3).float()
    if slots > 1:
        masks = masks.masked_fill(masks == FREE_SLOT, FREE)
    return {
        "image": packed[..., : -1 - slots].movedim(-1, -3).float() / 255,
        "previous_mask": masks,
        "target": packed[..., -1].long(),
    }


class _Drawn(Dataset[Drawn]):
    """Sample k is drawn from (seed, k), whichever process makes it."""

    def __init__(
        self, sampler: RefinementSampler, seed: Sequence[int], device: torch.device
    ) -> None:
        self._sampler = sampler
        self._seed = seed
        self._device = device

    def __getitem__(self, index: int) -> Drawn:
        return self._sampler.draw(np.random.default_rng([*self._seed, index]), self._device)


def sample_batches(
    sampler: RefinementSampler,
    batch_size: int,
    seed: Sequence[int],
    device: torch.device,
    workers: int = 0,
) -> Generator[RefinementSample]:
    """Yield batches without end; every entry gains a leading dimension ``batch_size``.

    Args:
        sampler: Draws the samples.
        batch_size: Samples of a batch.
        seed: The batches depend on this and on the device, not on the workers.
        device: Where the batches are wanted.
        workers: Processes that draw ahead; they end when the generator is closed.
    """
    together = 1 if device.type == "cpu" else max(1, _JOINED // batch_size)
    loader = DataLoader(
        _Drawn(sampler, seed, device),
        together * batch_size,
        sampler=itertools.count(),
        num_workers=workers,
        collate_fn=sampler.gather,
        worker_init_fn=settle_worker,
        generator=torch.Generator(),  # which leaves torch's own random numbers alone
    )
    drawings = iter(loader)
    try:
        for drawn in drawings:
            joined = sampler.join(drawn, device)
            for first in range(0, together * batch_size, batch_size):
                part = slice(first, first + batch_size)
                yield {
                    "image": joined["image"][part],
                    "previous_mask": joined["previous_mask"][part],
                    "target": joined["target"][part],
                }
    finally:
        del drawings  # and so end the processes; a generator that is closed may keep its variables


def drawing_processes(asked: int | None, device: torch.device, sharers: int = 1) -> int:
    """Return how many processes should draw samples for a device.

    Args:
        asked: As many, if that is said. Else none for the CPU, which has enough to do, and some for
            a CUDA device, which would wait for samples that are drawn between its steps.
        device: Where the samples are wanted.
        sharers: Processes on this machine that each have such a device.
    """
    if asked is not None:
        return asked
    if device.type != "cuda":  # elsewhere processes may have to begin anew, which takes seconds
        return 0
    return min(_MOST_DRAWING, max(0, usable_cores() // sharers - 1))


def settle_worker(worker: int) -> None:
    """Keep a forked worker off what is its parent's."""
    # OpenCV's threads, of which it has none; 0, as any other number waits for them to end
    cv2.setNumThreads(0)
    gc.freeze()  # garbage; to destroy a CUDA graph in another process is to abort
