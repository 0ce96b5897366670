"""Training samples of mask refinement, drawn from annotated frames.

Two sources: lucid dreams of the frame (LucidTracker), or the frame itself with flips, rotations
and deformed masks (MaskTrack). Both give one object of one frame: a picture, a rough mask, the
true mask.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import NamedTuple, cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from augment.deformation import Deformation, MaskDeformation, deform_mask
from augment.device import deform_masks
from augment.geometry import BackwardMap, affine_matrix, sampling_map, warp, warp_labels
from augment.lucid import DreamPlan, LucidDreamer, LucidScene
from augment.lucid.batched import BatchPainter
from vos_core.errors import ConfigError, MaskError
from vos_core.types import VOID, BinaryMask, Image, LabelMap, RefinementSample

AnnotatedFrame = tuple[Image, LabelMap]

# Ours: where objects are seen in a third of the frames, chance never leaves out so many in a row.
_MAX_EMPTY = 100
# Ours: a GPU paints ten dreams in as many steps, and nearly the time, as a hundred.
_JOINED = 64


class DrawnSample(NamedTuple):
    """What is random about a sample of a dream.

    Attributes:
        scene: Index of the scene.
        plan: The dream.
        object_id: The object that is asked for.
        deformation: Makes the mask of the frame before rough.
    """

    scene: int
    plan: DreamPlan
    object_id: int
    deformation: Deformation


Drawn = Tensor | DrawnSample
"""A packed sample, see :func:`unpacked`, or only the plan of one."""

Gathered = Tensor | list[DrawnSample]
"""Packed samples, stacked, or plans."""


class RefinementSampler(ABC):
    """Draws training samples; everything random comes from the generator."""

    def __call__(self, rng: np.random.Generator) -> RefinementSample:
        """Draw one sample, on the CPU."""
        return unpacked(cast("Tensor", self.draw(rng, torch.device("cpu"))))

    @abstractmethod
    def draw(self, rng: np.random.Generator, device: torch.device) -> Drawn:
        """Draw a sample, for the CPU a packed one, else as much as is best done there."""

    def join(self, gathered: Gathered, device: torch.device) -> RefinementSample:
        """Make a batch, on a device, of samples that were drawn for it.

        Raises:
            ConfigError: If plans are not for this sampler, or not for this device.
        """
        if not isinstance(gathered, Tensor):
            raise ConfigError("these plans are of another sampler; let the one that drew them.")
        return unpacked(gathered.to(device))

    @abstractmethod
    def only(self, object_id: int) -> "RefinementSampler":
        """Return a sampler that asks for this object alone, in the frames that show it.

        Raises:
            MaskError: If none does.
        """


class LucidSampler(RefinementSampler):
    """Samples from lucid dreams.

    Args:
        scenes: The annotated frames, taken apart.
        dreamer: Draws dreams.
        deformation: Makes the mask of a dream's earlier frame rough.
        only: The object to ask for; a random one each time if None.

    Raises:
        MaskError: If there is no scene.
    """

    def __init__(
        self,
        scenes: Sequence[LucidScene],
        dreamer: LucidDreamer,
        deformation: MaskDeformation,
        only: int | None = None,
    ) -> None:
        _require_frames(scenes, only)
        self._only = only
        self.scenes = scenes
        self.dreamer = dreamer
        self.deformation = deformation
        self._painter: BatchPainter | None = None

    def draw(self, rng: np.random.Generator, device: torch.device) -> Drawn:
        """Draw a dream of a random frame and ask for a random one of its objects.

        Returns:
            A packed sample for the CPU, a plan for other devices, which paint faster.
        """
        plan = self.plan(rng)
        return self._paint(plan) if device.type == "cpu" else plan

    def join(self, gathered: Gathered, device: torch.device) -> RefinementSample:
        """Unpack samples, or paint plans together.

        Raises:
            ConfigError: If seams are to be solved for, which is done on the CPU only.
        """
        if isinstance(gathered, Tensor):
            return super().join(gathered, device)
        return self.paint_on(gathered, device)

    def plan(self, rng: np.random.Generator) -> DrawnSample:
        """Draw all that is random about a sample, without painting it."""
        index = int(rng.integers(len(self.scenes)))
        scene = self.scenes[index]
        object_id = int(rng.choice(scene.object_ids)) if self._only is None else self._only
        plan = self.dreamer.draw(scene, rng)
        asked = plan.find(object_id)
        # a dream that leaves the object out has no mask to deform
        shape = asked.shape if asked else scene.cut_outs[0].shape
        return DrawnSample(index, plan, object_id, self.deformation.draw(shape, rng))

    def _paint(self, drawn: DrawnSample) -> Tensor:
        dream = self.dreamer.render(self.scenes[drawn.scene], drawn.plan)
        rough = drawn.deformation.apply(dream.previous_label_map == drawn.object_id)
        return _packed(dream.image, rough, dream.label_map, drawn.object_id)

    def paint_on(self, drawn: Sequence[DrawnSample], device: torch.device) -> RefinementSample:
        """Paint samples together on a device.

        Raises:
            ConfigError: If seams are to be solved for, which is done on the CPU only.
        """
        if self.dreamer.seam != "feather":
            raise ConfigError(f"seam {self.dreamer.seam!r} is for the CPU only; choose 'feather'.")
        if self._painter is None or self._painter.device != device:
            self._painter = BatchPainter(self.scenes, device)
        dreams = self._painter([(each.scene, each.plan) for each in drawn])
        ids = torch.tensor([each.object_id for each in drawn], device=device)[:, None, None]
        before = dreams.previous_label_map == ids
        rough = deform_masks(before, [each.deformation for each in drawn])
        return {
            "image": dreams.image,
            "previous_mask": rough.float()[:, None],
            "target": torch.where(dreams.label_map == VOID, VOID, dreams.label_map == ids).long(),
        }

    def only(self, object_id: int) -> "LucidSampler":
        """Return a sampler that asks for this object alone, in the scenes that hold it.

        Raises:
            MaskError: If none does.
        """
        scenes = [scene for scene in self.scenes if object_id in scene.object_ids]
        return LucidSampler(scenes, self.dreamer, self.deformation, object_id)


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
        _require_frames(frames, only)
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
        return _packed(warp(image, positions), rough, labels, object_id)

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


def _require_frames(frames: Sequence[object], only: int | None) -> None:
    if not frames:
        wanted = "an object" if only is None else f"object {only}"
        raise MaskError(f"No annotated frame shows {wanted}, so there is nothing to learn from.")


def _packed(image: Image, rough: BinaryMask, labels: LabelMap, object_id: int) -> Tensor:
    """Return a sample in the fewest bytes: (H, W, 5) uint8 of RGB, rough mask and target."""
    target = np.where(labels == VOID, VOID, labels == object_id).astype(np.uint8)
    return torch.from_numpy(cv2.merge((image, rough.view(np.uint8), target)))


def unpacked(packed: Tensor) -> RefinementSample:
    """Unpack a sample or a batch of (..., H, W, 5) uint8."""
    return {
        "image": packed[..., :3].movedim(-1, -3).float() / 255,
        "previous_mask": packed[..., 3].float().unsqueeze(-3),
        "target": packed[..., 4].long(),
    }


def gather(drawn: list[Drawn]) -> Gathered:
    """Stack packed samples into one tensor; leave plans in a list."""
    packed = [each for each in drawn if isinstance(each, Tensor)]
    return torch.stack(packed) if packed else cast("list[DrawnSample]", drawn)


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
        collate_fn=gather,
        worker_init_fn=no_threads,
        generator=torch.Generator(),  # which leaves torch's own random numbers alone
    )
    for drawn in loader:
        joined = sampler.join(drawn, device)
        for first in range(0, together * batch_size, batch_size):
            part = slice(first, first + batch_size)
            yield {
                "image": joined["image"][part],
                "previous_mask": joined["previous_mask"][part],
                "target": joined["target"][part],
            }


def no_threads(worker: int) -> None:
    """Keep OpenCV from using threads: of those of the parent, a forked worker has none left."""
    # 0, because any other number waits for the parent's threads to end
    cv2.setNumThreads(0)
