"""Training samples of mask refinement, drawn from annotated frames.

Two sources: lucid dreams of the frame (LucidTracker), or the frame itself with flips, rotations
and deformed masks (MaskTrack). Both give one object of one frame: a picture, a rough mask, the
true mask.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch

from augment.deformation import Deformation, MaskDeformation, deform_mask
from augment.device import deform_masks
from augment.geometry import BackwardMap, affine_matrix, sampling_map, warp, warp_labels
from augment.lucid import DreamPlan, LucidDreamer, LucidScene
from augment.lucid.batched import BatchPainter
from vos_core.errors import ConfigError, MaskError
from vos_core.propagation.run import to_tensor
from vos_core.types import VOID, BinaryMask, Image, LabelMap, RefinementSample

AnnotatedFrame = tuple[Image, LabelMap]

# Ours: where objects are seen in a third of the frames, chance never leaves out so many in a row.
_MAX_EMPTY = 100


class RefinementSampler(Protocol):
    """Draws training samples; everything random comes from the generator."""

    def __call__(self, rng: np.random.Generator) -> RefinementSample:
        """Draw one sample."""

    def batch(self, count: int, rng: np.random.Generator, device: torch.device) -> RefinementSample:
        """Draw ``count`` samples, stacked, on a device; the same whatever the device."""

    def only(self, object_id: int) -> "RefinementSampler":
        """Return a sampler that asks for this object alone, in the frames that show it."""


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


class LucidSampler:
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

    def __call__(self, rng: np.random.Generator) -> RefinementSample:
        """Draw a dream of a random frame and ask for a random one of its objects."""
        return self._paint(self.draw(rng))

    def batch(self, count: int, rng: np.random.Generator, device: torch.device) -> RefinementSample:
        """Draw ``count`` samples; anywhere but on the CPU they are painted together there.

        Raises:
            ConfigError: If seams are to be solved for, which is done on the CPU only.
        """
        drawn = [self.draw(rng) for _ in range(count)]
        if device.type == "cpu":
            return _stack([self._paint(each) for each in drawn], device)
        return self.paint_on(drawn, device)

    def draw(self, rng: np.random.Generator) -> "DrawnSample":
        """Draw all that is random about a sample, without painting it."""
        index = int(rng.integers(len(self.scenes)))
        scene = self.scenes[index]
        object_id = int(rng.choice(scene.object_ids)) if self._only is None else self._only
        plan = self.dreamer.draw(scene, rng)
        asked = plan.find(object_id)
        # a dream that leaves the object out has no mask to deform
        shape = asked.shape if asked else scene.cut_outs[0].shape
        return DrawnSample(index, plan, object_id, self.deformation.draw(shape, rng))

    def _paint(self, drawn: "DrawnSample") -> RefinementSample:
        dream = self.dreamer.render(self.scenes[drawn.scene], drawn.plan)
        rough = drawn.deformation.apply(dream.previous_label_map == drawn.object_id)
        return _to_sample(dream.image, rough, dream.label_map, drawn.object_id)

    def paint_on(self, drawn: Sequence["DrawnSample"], device: torch.device) -> RefinementSample:
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


class StillSampler:
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

    def __call__(self, rng: np.random.Generator) -> RefinementSample:
        """Flip, rotate and zoom a random frame and deform the mask of a random object.

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
        return _to_sample(warp(image, positions), rough, labels, object_id)

    def batch(self, count: int, rng: np.random.Generator, device: torch.device) -> RefinementSample:
        """Draw ``count`` samples."""
        return _stack([self(rng) for _ in range(count)], device)

    def _draw(self, rng: np.random.Generator) -> tuple[Image, LabelMap, int]:
        """Draw a frame that holds an object, and one of its objects."""
        for _ in range(_MAX_EMPTY):
            image, label_map = self.frames[int(rng.integers(len(self.frames)))]
            if self._only is not None:
                return image, label_map, self._only
            ids = np.setdiff1d(label_map, [0, VOID])
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


def _to_sample(
    image: Image, rough: BinaryMask, labels: LabelMap, object_id: int
) -> RefinementSample:
    target = np.where(labels == VOID, VOID, labels == object_id).astype(np.int64)
    return {
        "image": to_tensor(image),
        "previous_mask": torch.from_numpy(rough).float()[None],
        "target": torch.from_numpy(target),
    }


def _stack(samples: Sequence[RefinementSample], device: torch.device) -> RefinementSample:
    return {
        "image": torch.stack([s["image"] for s in samples]).to(device),
        "previous_mask": torch.stack([s["previous_mask"] for s in samples]).to(device),
        "target": torch.stack([s["target"] for s in samples]).to(device),
    }


def sample_batches(
    sampler: RefinementSampler, batch_size: int, rng: np.random.Generator, device: torch.device
) -> Iterator[RefinementSample]:
    """Yield batches without end; every entry gains a leading dimension ``batch_size``."""
    while True:
        yield sampler.batch(batch_size, rng, device)
