"""What every dataset offers: a sequence of named clips that can be checked before use."""

import difflib
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol, overload

import numpy as np

from vos_core.errors import DatasetError
from vos_core.types import VOID, Annotation, Clip, LabelMap


class DiskClip(Clip, Protocol):
    """A clip that lies on disk."""

    def check(self) -> None:
        """Verify the files without decoding frames; raise a ``VOSError`` naming what is wrong."""


class VOSDataset(Sequence[DiskClip]):
    """Clips by position or by name.

    A clip is opened afresh on each access and caches what it scans, so hold on to it.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the clips, in order; each is unique and usable as a folder name."""

    @abstractmethod
    def _open(self, name: str) -> DiskClip:
        """Open the clip of a name known to exist."""

    def clip(self, name: str) -> DiskClip:
        """Open one clip by name.

        Raises:
            DatasetError: If there is no such clip; the message names the nearest.
        """
        if name not in self.names:
            raise DatasetError(
                f"no sequence {name!r} in this dataset{did_you_mean(name, self.names)}."
            )
        return self._open(name)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> DiskClip: ...
    @overload
    def __getitem__(self, index: slice) -> list[DiskClip]: ...
    def __getitem__(self, index: int | slice) -> DiskClip | list[DiskClip]:
        """Open one clip, or a list of them."""
        if isinstance(index, slice):
            return [self._open(name) for name in self.names[index]]
        return self._open(self.names[index])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message that points from a misspelt name to the nearest one.

    Where nothing is near, the first eight known names are listed.
    """
    options = list(known)
    near = difflib.get_close_matches(name, options, n=1)
    if near:
        return f"; the nearest is {near[0]!r}"
    shown = ", ".join(options[:8]) + (", ..." if len(options) > 8 else "")
    return f"; there are: {shown or 'none'}"


def introduce(frame: int, label_map: LabelMap, ids: Iterable[int]) -> Annotation:
    """Make the annotation of one frame in which only the given objects are kept.

    Args:
        frame: Index of the frame.
        label_map: (H, W) uint8; other objects and void become background.
        ids: The objects to keep.
    """
    keep = np.zeros(VOID + 1, dtype=np.uint8)
    object_ids = tuple(ids)
    keep[list(object_ids)] = object_ids
    return Annotation(frame, keep[label_map], object_ids)
