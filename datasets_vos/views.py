"""One object of a clip as a binary problem of its own, as one-object methods see it."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice

import numpy as np

from datasets_vos.base import DiskClip, VOSDataset, did_you_mean
from datasets_vos.clips import ImageClip
from datasets_vos.segtrack import SegTrackClip
from vos_core.errors import DatasetError
from vos_core.types import VOID, Annotation, Image, LabelMap


class ObjectView:
    """A clip from the frame that introduces one object onwards, with that object as object 1.

    The other objects are background, void stays void. Where the dataset stores objects that overlap
    (SegTrack-v2), each is whole. The clip is read when first needed.

    Attributes:
        name: ``<clip>_<id>``.
    """

    def __init__(self, clip: DiskClip, object_id: int) -> None:
        """Describe a view; nothing is read yet.

        Args:
            clip: The whole clip.
            object_id: The object, as stored on disk.
        """
        self.name = f"{clip.name}_{object_id}"
        self._clip = clip
        self._id = object_id

    @property
    def size(self) -> tuple[int, int]:
        """Native (height, width) in pixels."""
        return self._clip.size

    @cached_property
    def frame_names(self) -> tuple[str, ...]:
        """Names of the frames from the object's first on."""
        return tuple(self._clip.frame_names[self._start :])

    @property
    def required_names(self) -> tuple[str, ...]:
        """Those of the clip's required frames that the view holds."""
        kept = set(self.frame_names)
        return tuple(name for name in self._clip.required_names if name in kept)

    @property
    def truth_frames(self) -> tuple[int, ...]:
        """Indices in the view of the frames that have ground truth, ascending."""
        start = self._start
        return tuple(index - start for index in self._clip.truth_frames if index >= start)

    @cached_property
    def annotations(self) -> tuple[Annotation, ...]:
        """The object's mask in frame 0.

        Raises:
            DatasetError: If the clip has no such object.
        """
        label_map = self._lookup[self._introduction.label_map]
        if isinstance(self._clip, SegTrackClip):
            label_map = self._whole_object(self._clip, self._start)
        return (Annotation(0, label_map, (1,)),)

    def frames(self, size: tuple[int, int] | None = None) -> Iterator[Image]:
        """Yield each frame, (H, W, 3) uint8 RGB, at ``size`` (height, width) or native.

        Raises:
            VOSError: Whatever the clip raises.
        """
        if isinstance(self._clip, ImageClip):
            return self._clip.frames(size, start=self._start)
        return islice(self._clip.frames(size), self._start, None)

    def frame(self, which: int | str, size: tuple[int, int] | None = None) -> Image:
        """Read one frame, (H, W, 3) uint8 RGB, at ``size`` (height, width) or native.

        Args:
            which: Index in the view, or name, of the frame.
            size: (height, width) to resize to; None is the native size.

        Raises:
            IndexError: If there is no frame of that index.
            DatasetError: If the view has no frame of that name.
            VOSError: Whatever the clip raises.
        """
        if isinstance(which, int):
            return self._clip.frame(self._whole_index(which), size)
        if which not in self.frame_names:
            near = did_you_mean(which, self.frame_names)
            raise DatasetError(f"{self.name}: the object has no frame {which!r}{near}.")
        return self._clip.frame(which, size)

    def ground_truth(self, index: int) -> LabelMap | None:
        """Return the truth of one frame, (H, W) uint8; 0 background, 1 the object, 255 void.

        Raises:
            IndexError: If there is no such frame.
            VOSError: Whatever the clip raises.
        """
        index = self._whole_index(index)
        truth = self._clip.ground_truth(index)
        if truth is None:
            return None
        if isinstance(self._clip, SegTrackClip):
            return self._whole_object(self._clip, index)
        return self._lookup[truth]

    def check(self) -> None:
        """Verify the whole clip, and that there is a frame after the object's first.

        Raises:
            DatasetError: If the object enters in the last frame, or the clip has no such object.
            VOSError: Whatever the clip raises.
        """
        self._clip.check()
        if len(self.frame_names) < 2:
            raise DatasetError(
                f"{self.name}: the object enters in the last frame {self.frame_names[0]}, so there "
                "is nothing to propagate to; leave it out."
            )

    @cached_property
    def _introduction(self) -> Annotation:
        for annotation in self._clip.annotations:
            if self._id in annotation.object_ids:
                return annotation
        ids = (str(i) for annotation in self._clip.annotations for i in annotation.object_ids)
        raise DatasetError(
            f"{self._clip.name}: has no object {self._id}; there are: {', '.join(ids)}."
        )

    @property
    def _start(self) -> int:
        return self._introduction.frame

    @cached_property
    def _lookup(self) -> LabelMap:
        """What each value of the clip's label maps becomes, (256,) uint8."""
        lookup = np.zeros(VOID + 1, dtype=np.uint8)
        lookup[self._id], lookup[VOID] = 1, VOID
        return lookup

    def _whole_object(self, clip: SegTrackClip, index: int) -> LabelMap:
        """Return the object as stored in a file of its own, not as its label map cuts it."""
        mask = clip.object_truth(index, self._id)
        return np.zeros(self.size, dtype=np.uint8) if mask is None else mask.view(np.uint8)

    def _whole_index(self, index: int) -> int:
        return self._start + range(len(self.frame_names))[index]


class _ObjectViews(VOSDataset):
    def __init__(self, dataset: VOSDataset) -> None:
        self._dataset = dataset

    @cached_property
    def _objects(self) -> dict[str, tuple[str, int]]:
        """View name -> clip name and object id."""
        return {
            f"{clip.name}_{object_id}": (clip.name, object_id)
            for clip in self._dataset
            for object_id in _object_ids(clip)
        }

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._objects)

    def _open(self, name: str) -> ObjectView:
        clip_name, object_id = self._objects[name]
        return ObjectView(self._dataset.clip(clip_name), object_id)


def one_object(clip: DiskClip, object_id: int) -> ObjectView:
    """Return one object of a clip as a clip of its own.

    Args:
        clip: The whole clip; its annotations are read.
        object_id: The object, as stored on disk.

    Raises:
        DatasetError: If the clip has no such object; the message names those it has.
    """
    view = ObjectView(clip, object_id)
    _ = view.annotations  # refuses an unknown object here rather than amid the work
    return view


def one_object_views(dataset: VOSDataset) -> VOSDataset:
    """Return every object of every clip as a clip of its own, ordered by clip and by id.

    Counting or naming the views looks once for the objects of all clips. Where the dataset does
    not list them (YouTube-VOS does), that reads the masks.
    """
    return _ObjectViews(dataset)


def _object_ids(clip: DiskClip) -> tuple[int, ...]:
    if isinstance(clip, ImageClip):
        return clip.object_ids
    return tuple(sorted(i for annotation in clip.annotations for i in annotation.object_ids))
