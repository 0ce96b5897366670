"""Which frames a training sample is made of, and reading them.

The drawing of indices knows nothing of files: all randomness comes from a generator, and indices
count the frames that have ground truth. In a set that is annotated in every fifth frame (YouTube-
VOS) a gap of 1 is therefore five frames of video.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from augment.pseudo_clips import ClipMotion, pseudo_clip
from datasets_vos.base import DiskClip
from datasets_vos.masks import object_ids
from datasets_vos.stills import StillImage
from vos_core.errors import ConfigError, DatasetError, MaskError
from vos_core.resize import resize_labels
from vos_core.types import VOID, Image, LabelMap

Order = Literal["window", "reference"]

# Ours: where objects are seen in a third of the frames, chance never leaves out so many in a row.
_MAX_EMPTY = 100


def sample_window(
    length: int, frames: int, *, max_gap: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw frames in time order; a pair is a window of two.

    Each gap is uniform in 1..``max_gap``, or up to the largest that fits ``frames`` frames into
    the clip whatever is drawn; then the start is uniform among those that fit.

    Args:
        length: Frames to choose from.
        frames: How many to choose.
        max_gap: Largest step from one to the next; 1 means neighbours.
        rng: Source of randomness.

    Returns:
        ``frames`` strictly increasing indices in 0..``length`` - 1.

    Raises:
        ConfigError: If ``frames`` or ``max_gap`` is less than 1.
        DatasetError: If the clip is too short.
    """
    if min(frames, max_gap) < 1:
        raise ConfigError(f"a window of {frames} frames with gaps up to {max_gap} is none.")
    _require_length(length, frames)
    if frames > 1:
        max_gap = min(max_gap, (length - 1) // (frames - 1))
    steps = np.cumsum(rng.integers(1, max_gap + 1, frames - 1))
    span = int(steps[-1]) if frames > 1 else 0
    start = int(rng.integers(length - span))
    return (start, *(start + int(step) for step in steps))


def growing_gap(epoch: int, *, first: int, step: int, every: int, last: int) -> int:
    """Return the largest gap of an epoch: training begins with small motions.

    STM (Oh et al., ICCV 2019) skips up to 0 frames at first and up to 25 in the end, 5 more every
    20 epochs; a gap is one more than a skip, so that is first=1, step=5, every=20, last=26.

    Args:
        epoch: Number of the epoch, from 0.
        first: Gap of the first epochs.
        step: How much it grows at a time.
        every: Epochs from one growth to the next.
        last: Where growth ends.
    """
    return min(last, first + step * (epoch // every))


def sample_reference_and_validation(
    length: int, validation: int, *, rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw a reference frame and validation frames of the same clip, as FRTM is trained.

    The target model is fitted to the reference, the rest of the network learns from the others
    (Robinson et al., CVPR 2020, section 3.5). All sets of frames are equally likely, and so is
    each of their members as the reference.

    Args:
        length: Frames to choose from.
        validation: How many validation frames.
        rng: Source of randomness.

    Returns:
        The reference's index, then those of the validation frames, ascending; all differ.

    Raises:
        ConfigError: If ``validation`` is less than 1.
        DatasetError: If the clip is too short.
    """
    if validation < 1:
        raise ConfigError(f"{validation} validation frames cannot validate; take at least 1.")
    _require_length(length, validation + 1)
    reference, *others = (int(i) for i in rng.choice(length, validation + 1, replace=False))
    return (reference, *sorted(others))


def choose_objects(
    label_maps: Sequence[LabelMap], max_objects: int, *, rng: np.random.Generator
) -> tuple[list[LabelMap], int]:
    """Keep at most some of the objects that the first label map shows, as 1..N.

    XMem (Cheng and Schwing, ECCV 2022) trains on at most 3 objects a clip.

    Args:
        label_maps: (H, W) uint8 each.
        max_objects: How many to keep at most, chosen at random.
        rng: Source of randomness.

    Returns:
        New label maps, in which other objects are background and void stays, and N.
    """
    visible = object_ids(label_maps[0])
    count = min(max_objects, len(visible))
    table = np.zeros(VOID + 1, dtype=np.uint8)
    table[VOID] = VOID
    if count:
        chosen = np.sort(rng.choice(visible, count, replace=False))
        table[chosen] = np.arange(1, count + 1)
    return [table[label_map] for label_map in label_maps], count


def read_still(still: StillImage, size: tuple[int, int] | None) -> tuple[Image, LabelMap]:
    """Read a still image and its objects at ``size`` (height, width) or its native size.

    An image without an object is warned of.
    """
    label_map = resize_labels(still.instances(), size)
    if not object_ids(label_map):
        # Python shows equal warnings once
        warnings.warn(
            f"{still.mask_paths[0]}: shows no object at the size {list(label_map.shape)}; "
            "such images are passed over.",
            stacklevel=2,
        )
    return still.image(size), label_map


def read_truth(clip: DiskClip, index: int, size: tuple[int, int] | None) -> tuple[Image, LabelMap]:
    """Read a frame and its ground truth at ``size`` (height, width) or the native size.

    Raises:
        DatasetError: If the frame has no ground truth.
    """
    truth = clip.ground_truth(index)
    if truth is None:
        name = clip.frame_names[index]
        raise DatasetError(f"clip {clip.name!r}: frame {name} has no ground truth to learn from.")
    return clip.frame(index, size), resize_labels(truth, size)


class ClipFrames(NamedTuple):
    """Frames that belong together; the first is the reference."""

    images: npt.NDArray[np.uint8]  # (T, H, W, 3)
    label_maps: npt.NDArray[np.uint8]  # (T, H, W); 0 background, 1..objects, 255 void
    objects: int


@dataclass(frozen=True)
class ClipSampler:
    """Draws a few frames of a random clip, or makes a pseudo-clip of a random still image.

    Attributes:
        items: Clips and still images, each as likely as the others; clips have at least
            ``frames`` frames with ground truth, and only those are used.
        size: (height, width) to read at.
        frames: Frames of a sample.
        order: "window" for :func:`sample_window`, "reference" for
            :func:`sample_reference_and_validation`.
        max_objects: Objects of a sample, at most.
        motion: How still images move.
    """

    items: Sequence[DiskClip | StillImage]
    size: tuple[int, int]
    frames: int
    order: Order = "window"
    max_objects: int = 3
    motion: ClipMotion = field(default_factory=ClipMotion)

    def __call__(self, max_gap: int, rng: np.random.Generator) -> ClipFrames:
        """Draw a sample; one whose reference shows no object is drawn again.

        Args:
            max_gap: Of windows.
            rng: Source of randomness.

        Raises:
            MaskError: If no object is seen in many draws.
            VOSError: If a file is missing or unusable; the message names it.
        """
        for _ in range(_MAX_EMPTY):
            item = self.items[int(rng.integers(len(self.items)))]
            if isinstance(item, StillImage):
                images, label_maps = pseudo_clip(
                    *read_still(item, self.size), frames=self.frames, rng=rng, motion=self.motion
                )
            else:
                images, label_maps = self._read(item, max_gap, rng)
            label_maps, objects = choose_objects(label_maps, self.max_objects, rng=rng)
            if objects:
                return ClipFrames(np.stack(images), np.stack(label_maps), objects)
        raise MaskError(
            f"{_MAX_EMPTY} training samples in a row show no object in their first frame; look at "
            "the masks, or choose a larger size."
        )

    def _read(
        self, clip: DiskClip, max_gap: int, rng: np.random.Generator
    ) -> tuple[list[Image], list[LabelMap]]:
        known = clip.truth_frames
        if self.order == "window":
            chosen = sample_window(len(known), self.frames, max_gap=max_gap, rng=rng)
        else:
            chosen = sample_reference_and_validation(len(known), self.frames - 1, rng=rng)
        pairs = [read_truth(clip, known[i], self.size) for i in chosen]
        return [image for image, _ in pairs], [label_map for _, label_map in pairs]


def _require_length(length: int, frames: int) -> None:
    if length < frames:
        raise DatasetError(
            f"a clip with {length} frames of ground truth is too short to draw {frames}; leave it "
            "out or draw fewer."
        )
