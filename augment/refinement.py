"""Training samples of mask refinement, drawn from annotated frames.

Two sources: lucid dreams of the frame (LucidTracker), or the frame itself with flips, rotations
and deformed masks (MaskTrack). Both give one object of one frame: a picture, a rough mask, the
true mask.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from augment.deformation import MaskDeformation, deform_mask
from augment.geometry import affine_matrix, inverse_affine, sampling_map, warp, warp_labels
from augment.lucid import LucidDreamer, LucidScene
from vos_core.errors import MaskError
from vos_core.types import VOID, BinaryMask, Image, LabelMap, RefinementSample

AnnotatedFrame = tuple[Image, LabelMap]

# Ours: where objects are seen in a third of the frames, chance never leaves out so many in a row.
_MAX_EMPTY = 100


class RefinementSampler(Protocol):
    """Draws training samples; everything random comes from the generator."""

    def __call__(self, rng: np.random.Generator) -> RefinementSample:
        """Draw one sample."""

    def only(self, object_id: int) -> "RefinementSampler":
        """Return a sampler that asks for this object alone, in the frames that show it."""


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

    def __call__(self, rng: np.random.Generator) -> RefinementSample:
        """Draw a dream of a random frame and ask for a random one of its objects."""
        scene = self.scenes[int(rng.integers(len(self.scenes)))]
        dream = self.dreamer(scene, rng)
        ids = [cut_out.object_id for cut_out in scene.cut_outs]
        object_id = rng.choice(ids) if self._only is None else self._only
        rough = deform_mask(dream.previous_label_map == object_id, self.deformation, rng)
        return _to_sample(dream.image, rough, dream.label_map == object_id)

    def only(self, object_id: int) -> "LucidSampler":
        """Return a sampler that asks for this object alone, in the scenes that hold it."""
        scenes = [
            scene
            for scene in self.scenes
            if object_id in [cut_out.object_id for cut_out in scene.cut_outs]
        ]
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
        positions = sampling_map((height, width), inverse_affine(matrix), step=64)
        # the picture is mirrored beyond its border, objects included: no truth is known there
        labels = warp_labels(label_map, positions, outside=VOID)
        mask = labels == object_id
        rough = deform_mask(mask, self.deformation, rng)
        return _to_sample(warp(image, positions), rough, mask, void=labels == VOID)

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
        """Return a sampler that asks for this object alone, in the frames that show it."""
        frames = [pair for pair in self.frames if (pair[1] == object_id).any()]
        return StillSampler(frames, self.deformation, self.angle, self.scale, object_id)


def _require_frames(frames: Sequence[object], only: int | None) -> None:
    if not frames:
        wanted = "an object" if only is None else f"object {only}"
        raise MaskError(f"No annotated frame shows {wanted}, so there is nothing to learn from.")


def _to_sample(
    image: Image, rough: BinaryMask, mask: BinaryMask, void: BinaryMask | None = None
) -> RefinementSample:
    target = mask.astype(np.int64)
    if void is not None:
        target[void] = VOID
    return {
        "image": torch.from_numpy(image).permute(2, 0, 1).float() / 255,
        "previous_mask": torch.from_numpy(rough).float()[None],
        "target": torch.from_numpy(target),
    }


def sample_batches(
    sampler: RefinementSampler, batch_size: int, rng: np.random.Generator, device: torch.device
) -> Iterator[RefinementSample]:
    """Yield batches without end; every entry gains a leading dimension ``batch_size``."""
    while True:
        samples = [sampler(rng) for _ in range(batch_size)]
        yield {
            "image": torch.stack([s["image"] for s in samples]).to(device),
            "previous_mask": torch.stack([s["previous_mask"] for s in samples]).to(device),
            "target": torch.stack([s["target"] for s in samples]).to(device),
        }
