"""What every dataset offers: a sequence of named clips that can be checked before use."""

import difflib
import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, overload

import numpy as np

from datasets_vos.images import natural_key
from vos_core.errors import ConfigError, DatasetError
from vos_core.types import VOID, Annotation, Clip, LabelMap


class DiskClip(Clip, Protocol):
    """A clip that lies on disk."""

    @property
    def required_names(self) -> Sequence[str]:
        """Names of the frames that a submission to the benchmark must hold, in order."""

    @property
    def truth_frames(self) -> Sequence[int]:
        """Indices of the frames that have ground truth, ascending; no mask is read."""

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
        """Open one clip, or a list of them.

        Raises:
            IndexError: If there is none of this number.
            TypeError: If a name is given; that is what :meth:`clip` is for.
        """
        if isinstance(index, str):
            raise TypeError(f"clips have numbers here; open one by its name with clip({index!r}).")
        if isinstance(index, slice):
            return [self._open(name) for name in self.names[index]]
        return self._open(self.names[index])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message that points from a misspelt name to the nearest one.

    Capitals do not count. Where nothing is near, the first eight known names are listed.
    """
    options = list(known)
    folded = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    if near:
        return f"; the nearest is {folded[near[0]]!r}"
    shown = ", ".join(options[:8]) + (", ..." if len(options) > 8 else "")
    return f"; there are: {shown or 'none'}"


def list_folders(folder: Path) -> list[str]:
    """List the names of the folders in one that exists, in numeric-aware order.

    Hidden ones are passed over; what is inside is not looked at.

    Raises:
        DatasetError: If a name is not UTF-8, because results and tables are stored under it.
    """
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if not e.name.startswith(".") and e.is_dir()]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as err:
            raise DatasetError(
                f"{folder}: the folder name {os.fsencode(name)!r} is not UTF-8; rename it."
            ) from err
    return sorted(names, key=natural_key)


def read_lines(path: Path) -> list[str]:
    """Read the lines of a list that comes with a dataset, such as a split.

    Raises:
        DatasetError: If it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as err:
        raise DatasetError(
            f"{path}: byte {err.start} is not UTF-8; restore the list from the archive."
        ) from err


def choose_sequences(known: Iterable[str], chosen: Iterable[str], where: Path) -> list[str]:
    """Return the chosen names in their order, each once.

    Args:
        known: The names to choose from.
        chosen: The wanted ones.
        where: File or folder that holds the known names, for the message.

    Raises:
        ConfigError: If ``chosen`` is one name instead of several.
        DatasetError: If a chosen name is unknown; the message names the nearest.
    """
    if isinstance(chosen, str):
        raise ConfigError(f"sequences is the text {chosen!r}; give a list of names.")
    options = dict.fromkeys(known)
    for name in chosen:
        if name not in options:
            raise DatasetError(f"{where}: no sequence {name!r}{did_you_mean(name, options)}.")
    return list(dict.fromkeys(chosen))


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
