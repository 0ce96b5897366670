"""What passes between the rooms: clips, annotations, samples.

Conventions (the same everywhere):

* frames: ``(H, W, 3)`` uint8 RGB in numpy, ``(3, H, W)`` float32 in [0, 1] in torch;
* label map: ``(H, W)`` uint8; 0 background, 1..254 object ids as stored on disk, 255 void;
* flow: ``(H, W, 2)`` float32 in numpy, ``(2, H, W)`` in torch, in pixels, x (right) first; the
  field ``flow_ab`` lives on the grid of frame a and points into frame b.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypedDict

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # readers and metrics answer without the two seconds that torch takes
    from torch import Tensor

Image = npt.NDArray[np.uint8]  # (H, W, 3) RGB
LabelMap = npt.NDArray[np.uint8]  # (H, W)
BinaryMask = npt.NDArray[np.bool_]  # (H, W)
FloatArray = npt.NDArray[np.float32]

VOID = 255


@dataclass(frozen=True)
class Annotation:
    """One annotated frame.

    Attributes:
        frame: Index of the frame in its clip, from 0.
        label_map: (H, W) uint8 at the clip's native size.
        object_ids: The ids this annotation introduces (ids seen earlier are not repeated).
    """

    frame: int
    label_map: LabelMap
    object_ids: tuple[int, ...]


class Clip(Protocol):
    """A video with its annotations; frames are read lazily and never all held in memory."""

    @property
    def name(self) -> str:
        """Sequence name; unique in its dataset and usable as a folder name."""

    @property
    def size(self) -> tuple[int, int]:
        """Native (height, width) in pixels."""

    @property
    def frame_names(self) -> Sequence[str]:
        """Stem of each frame's file, in order; results are stored under these names."""

    @property
    def annotations(self) -> Sequence[Annotation]:
        """What is given to a method, ordered by frame; never empty."""

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[Image]:
        """Yield the frames in order, a few decoded ahead, at ``size`` (height, width) or native."""

    def frame(self, which: int | str, size: tuple[int, int] | None = None) -> Image:
        """Return one frame, by index or by name, without reading the others."""

    def ground_truth(self, index: int) -> LabelMap | None:
        """Return the true label map of one frame, or None where there is none."""


class RefinementSample(TypedDict):
    """One training example of mask refinement: find the object, given a rough guess.

    In a batch every entry has a leading dimension B.
    """

    image: "Tensor"  # (3 + C, H, W) float32 in [0, 1], RGB and C cues
    previous_mask: "Tensor"  # (S, H, W) float32 in [0, 1], the rough guesses; -1 in a free slot
    target: "Tensor"  # (H, W) int64; 0 background, 1..S the object, 255 void


class ClipSample(TypedDict):
    """One training example of a method that is trained on clips.

    The first frame is the reference: only objects visible there are kept, so a later frame may
    lack some of them but shows no other. In a batch every entry has a leading dimension B.
    """

    images: "Tensor"  # (T, 3, H, W) float32 RGB in [0, 1]
    labels: "Tensor"  # (T, H, W) uint8; 0 background, 1..N objects, 255 void
    objects: "Tensor"  # () int64, N, at least 1


@dataclass(frozen=True)
class ClipJob:
    """A clip to segment and how.

    Attributes:
        clip: The clip.
        size: (height, width) at which networks work; ``None`` is the native size.
        protocol: Name of the rules it is scored by; ``None`` where there is no truth to score.
        categories: Object id -> category, for rules that average over categories.
        annotations: What is given in place of the clip's own annotations, ordered by frame.
        both_ways: Each annotation has all objects that its frame shows, and every other frame is
            segmented from the nearest of them, forwards or backwards.
    """

    clip: Clip
    size: tuple[int, int] | None
    protocol: str | None
    categories: Mapping[int, str] = field(default_factory=dict)
    annotations: Sequence[Annotation] | None = None
    both_ways: bool = False

    @property
    def given(self) -> Sequence[Annotation]:
        """What a method may know of the masks."""
        return self.clip.annotations if self.annotations is None else self.annotations

    @property
    def object_ids(self) -> list[int]:
        """The ids of all that is given, in the order in which they enter."""
        return list(dict.fromkeys(i for given in self.given for i in given.object_ids))


class TunedCRF(TypedDict):
    """A dense CRF that was tuned, in plain values, and what that gained on held-out samples."""

    settings: dict[str, int | float | str]  # every parameter, as a config takes them
    J: float  # mean Jaccard index of the held-out samples
    J_without: float  # the same without a CRF


@dataclass(frozen=True)
class SegmentedClip:
    """What a method answers to a :class:`ClipJob`.

    Attributes:
        job: The question.
        variants: Label -> one label map per frame, computed as it is drawn. The first variant is
            the method's answer, the others are what it is compared with.
        seconds_adapt: Wall-clock time of the adaptation that went before.
        counts: What happened how often while the first variant was drawn, said in plain words.
        crf: What sharpens the answer, if that was tuned.
    """

    job: ClipJob
    variants: dict[str, Iterator[LabelMap]]
    seconds_adapt: float
    counts: Mapping[str, int] = field(default_factory=dict)
    crf: TunedCRF | None = None
