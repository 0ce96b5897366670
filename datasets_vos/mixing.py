"""Training on several datasets at once: one list in which each set stands as often as asked."""

import warnings
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Generic, TypeVar, overload

import numpy as np

from datasets_vos import list_datasets, list_still_datasets, open_dataset, open_stills
from datasets_vos.base import DiskClip, VOSDataset, did_you_mean
from datasets_vos.sampling import read_still, read_truth
from datasets_vos.stills import StillDataset, StillImage
from vos_core.errors import ConfigError, DatasetError
from vos_core.types import Image, LabelMap

T = TypeVar("T")

# Ours: enough to find a wrong folder or a broken download within seconds. All of a large set is
# the business of `data verify`.
_CHECKED = 64


@dataclass(frozen=True)
class TrainSet:
    """A dataset to train on.

    Attributes:
        dataset: Its name, of videos or of still images.
        root: Its folder.
        split: Split to train on; None takes all that is found.
        repeat: How many times the set stands in the list that samples are drawn from. All entries
            of the list are equally likely: a set of 60 items that stands there eight times is
            drawn from 480 / 3471 times as often as one of 3471 items that stands there once.
    """

    dataset: str
    root: str | None = None
    split: str | None = None
    repeat: int = 1

    def __str__(self) -> str:
        """Say what is drawn from, wherever it lies."""
        return f"{self.repeat} x {self.dataset}, {self.split or 'all'}"


class _Lazy(Sequence[T], Generic[T]):
    """A sequence whose items are made when they are asked for, afresh each time."""

    @abstractmethod
    def _make(self, index: int) -> T:
        """Make one item."""

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        """Return one item, or a list of them."""
        chosen = range(len(self))[index]
        return self._make(chosen) if isinstance(chosen, int) else [self._make(i) for i in chosen]


class Mixture(_Lazy[T]):
    """Several sets as one list, in which each stands as often as asked; nothing is copied."""

    def __init__(self, sets: Sequence[Sequence[T]], repeats: Sequence[int]) -> None:
        """Put the list together.

        Args:
            sets: The sets, none of them empty.
            repeats: How many times each stands in the list, at least 1.

        Raises:
            ConfigError: If there is no set, a set is empty, or a number is less than 1.
        """
        if not sets:
            raise ConfigError("there is no dataset to train on; name at least one in train_sets.")
        if min(repeats) < 1:
            raise ConfigError(f"repeat is {min(repeats)}; leave out a set that is not wanted.")
        if not all(len(items) for items in sets):
            raise ConfigError("one of the datasets to train on is empty; leave it out.")
        self._sets = tuple(sets)
        counts = [len(items) * repeat for items, repeat in zip(sets, repeats, strict=True)]
        self._ends = list(accumulate(counts))

    def __len__(self) -> int:
        """Return the number of entries, repeated ones included."""
        return self._ends[-1]

    def _make(self, index: int) -> T:
        which = bisect_right(self._ends, index)
        items = self._sets[which]
        start = self._ends[which - 1] if which else 0
        return items[(index - start) % len(items)]


class Share(_Lazy[T]):
    """A part of a list, evenly spread over it; nothing is copied."""

    def __init__(self, items: Sequence[T], fraction: float) -> None:
        """Choose the items.

        Args:
            items: The list.
            fraction: How much of it to keep, above 0 and up to 1; one item at least.

        Raises:
            ConfigError: If the fraction is another number.
        """
        if not 0 < fraction <= 1:
            raise ConfigError(f"the fraction to train on is {fraction}; give more than 0, up to 1.")
        self._items = items
        self._count = max(1, round(fraction * len(items)))

    def __len__(self) -> int:
        """Return the number of items kept."""
        return self._count

    def _make(self, index: int) -> T:
        return self._items[index * len(self._items) // self._count]


class _LongClips(_Lazy[DiskClip]):
    """The clips of a set that have enough frames with ground truth."""

    def __init__(self, clips: VOSDataset, frames: int, where: str) -> None:
        counts = np.array([len(clip.truth_frames) for clip in clips])
        self._clips = clips
        self._chosen = np.flatnonzero(counts >= frames)
        short = np.flatnonzero(counts < frames)
        if not len(self._chosen):
            raise DatasetError(
                f"{where}: no clip has {frames} frames with ground truth; choose a training split."
            )
        if len(short):
            warnings.warn(
                f"{where}: {len(short)} of {len(counts)} clips have fewer than {frames} frames "
                f"with ground truth and are left out, the first is {clips.names[short[0]]}.",
                stacklevel=2,
            )

    def __len__(self) -> int:
        return len(self._chosen)

    def _make(self, index: int) -> DiskClip:
        return self._clips[int(self._chosen[index])]


class _ClipFrames(_Lazy[tuple[Image, LabelMap]]):
    """Every frame with ground truth of a set of clips."""

    def __init__(self, clips: VOSDataset, size: tuple[int, int] | None, where: str) -> None:
        self._clips = clips
        self._size = size
        self._ends = list(accumulate(len(clip.truth_frames) for clip in clips))
        if not self._ends or not self._ends[-1]:
            raise DatasetError(f"{where}: has no ground truth; choose a training split.")

    def __len__(self) -> int:
        return self._ends[-1]

    def _make(self, index: int) -> tuple[Image, LabelMap]:
        which = bisect_right(self._ends, index)
        clip = self._clips[which]
        from_last = index - self._ends[which]  # -1 is the clip's last
        return read_truth(clip, clip.truth_frames[from_last], self._size)


class _StillFrames(_Lazy[tuple[Image, LabelMap]]):
    """Every image of a set of stills."""

    def __init__(self, stills: StillDataset, size: tuple[int, int] | None) -> None:
        self._stills = stills
        self._size = size

    def __len__(self) -> int:
        return len(self._stills)

    def _make(self, index: int) -> tuple[Image, LabelMap]:
        return read_still(self._stills[index], self._size)


def open_clips(
    train_sets: Sequence[TrainSet], *, folder: str | Path | None = None, frames: int
) -> Mixture[DiskClip | StillImage]:
    """Open sets to train on; an item is a clip or a still image.

    Args:
        train_sets: The sets.
        folder: Where relative roots begin; None is the working directory.
        frames: Clips with fewer frames of ground truth are left out, with a warning.

    Raises:
        ConfigError: If a name is unknown or a number makes no sense.
        DatasetError: If data is missing or laid out wrongly.
        VOSError: If one of the files looked at is unusable; the message names it.
    """
    sets: list[Sequence[DiskClip | StillImage]] = []
    for train_set in train_sets:
        opened = _open(train_set, folder)
        if isinstance(opened, StillDataset):
            sets.append(opened)
        else:
            sets.append(_LongClips(opened, frames, _where(train_set)))
    return Mixture(sets, [train_set.repeat for train_set in train_sets])


def open_frames(
    train_sets: Sequence[TrainSet],
    *,
    folder: str | Path | None = None,
    size: tuple[int, int] | None,
) -> Mixture[tuple[Image, LabelMap]]:
    """Open sets to train on; an item is a frame with ground truth, or a still image.

    Items are read when asked for, (H, W, 3) picture and (H, W) label map. Some may show no object;
    of such still images a warning is given.

    Args:
        train_sets: The sets.
        folder: Where relative roots begin; None is the working directory.
        size: (height, width) to read at; None is the native size.

    Raises:
        ConfigError: If a name is unknown or a number makes no sense.
        DatasetError: If data is missing or laid out wrongly.
        VOSError: If one of the files looked at is unusable; the message names it.
    """
    sets: list[Sequence[tuple[Image, LabelMap]]] = []
    for train_set in train_sets:
        opened = _open(train_set, folder)
        if isinstance(opened, StillDataset):
            sets.append(_StillFrames(opened, size))
        else:
            sets.append(_ClipFrames(opened, size, _where(train_set)))
    return Mixture(sets, [train_set.repeat for train_set in train_sets])


def _open(train_set: TrainSet, folder: str | Path | None) -> VOSDataset | StillDataset:
    """Open a set and check some of its items, spread over all of it."""
    name, split = train_set.dataset, train_set.split
    known = sorted(list_datasets() + list_still_datasets())
    if name not in known:
        raise ConfigError(f"unknown dataset {name!r} in train_sets{did_you_mean(name, known)}.")
    root = None
    if train_set.root is not None:
        root = Path(folder or "").expanduser() / Path(train_set.root).expanduser()
    opened: VOSDataset | StillDataset
    if name in list_datasets():
        opened = open_dataset(name, root, split)
    elif root is None:
        raise ConfigError(f"dataset {name!r} in train_sets needs root, the path of its data.")
    else:
        opened = open_stills(name, root, split)
    for item in opened[:: max(1, -(-len(opened) // _CHECKED))]:
        item.check()
    return opened


def _where(train_set: TrainSet) -> str:
    split = f", split {train_set.split}" if train_set.split else ""
    return f"{train_set.dataset} at {train_set.root}{split}"
