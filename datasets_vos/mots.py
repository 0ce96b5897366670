"""KITTI-MOTS and MOTS20, multi-object tracking and segmentation (Voigtlaender et al., CVPR 2019).

Layout under the root; the numbers of KITTI's frames begin at 0, those of MOTS20 at 1::

    train/images/<sequence>/000000.png        KITTI-MOTS; MOTS20 has .jpg
    train/instances/<sequence>/000000.png     16-bit gray: class times 1000 plus instance
    test/images/<sequence>/000000.png         without instances

Class 1 is a car, 2 a pedestrian, and the code 10000 a region in which nothing is judged, which is
void here. ``instances_txt`` says the same as ``instances`` and is not read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from datasets_vos.base import VOSDataset, choose_sequences, did_you_mean, introduce, list_folders
from datasets_vos.clips import ImageClip
from datasets_vos.decoding import read_ahead
from datasets_vos.mask_formats import (
    INSTANCE_CODES,
    instance_codes,
    label_instances,
    number_instances,
)
from vos_core.errors import DatasetError, MaskError
from vos_core.types import Annotation, LabelMap

CLASSES = {1: "car", 2: "pedestrian"}


@dataclass(frozen=True)
class _Split:
    """A folder, and the sequences in it; None is all of them."""

    folder: str
    sequences: tuple[str, ...] | None = None


@dataclass(frozen=True)
class _Layout:
    """How one of the two sets is laid out."""

    title: str
    first_number: int
    splits: Mapping[str, _Split]


def _numbers(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:04d}" for number in numbers)


# The lists of KITTI-MOTS are those of the authors' mots_tools (train.seqmap, val.seqmap).
_LAYOUTS = {
    "kitti": _Layout(
        "KITTI-MOTS",
        0,
        {
            "train": _Split("train", _numbers(0, 1, 3, 4, 5, 9, 11, 12, 15, 17, 19, 20)),
            "val": _Split("train", _numbers(2, 6, 7, 8, 10, 13, 14, 16, 18)),
            "test": _Split("test"),
        },
    ),
    "mots20": _Layout("MOTS20", 1, {"train": _Split("train"), "test": _Split("test")}),
}


class MotsClip(ImageClip):
    """A sequence whose objects are numbered from 1 in ascending order of their codes.

    The numbers need the codes of all frames: the first access to a mask decodes every mask once, a
    few at a time, and notes where objects enter.
    """

    late_start = True

    def __init__(
        self,
        name: str,
        frames: Path,
        masks: Path,
        layout: _Layout,
        entries: dict[str, dict[int, int]],
    ) -> None:
        """Describe a clip; nothing is opened yet.

        Args:
            name: Sequence name.
            frames: Folder of its frames.
            masks: Folder of its instances; absent where they are withheld.
            layout: Of which set it is.
            entries: Sequence -> code -> index of the frame in which it enters. A sequence that is
                not in it is added when its masks are read.
        """
        super().__init__(name, frames, masks, format=INSTANCE_CODES)
        self._instances = masks
        self._layout = layout
        self._known = entries

    @cached_property
    def codes(self) -> Mapping[int, int]:
        """Object id -> code as stored, ascending; empty where there are no instances.

        Raises:
            DatasetError: If there are more than 254 objects.
            CorruptFileError: If a mask cannot be decoded.
            MaskError: If a mask is of another size, not 16-bit gray, or holds an unknown class.
        """
        return number_instances(self._entries, self._instances)

    @property
    def classes(self) -> dict[int, int]:
        """Object id -> class: 1 car, 2 pedestrian."""
        return {object_id: code // 1000 for object_id, code in self.codes.items()}

    @property
    def categories(self) -> dict[int, str]:
        """Object id -> name of its class."""
        return {object_id: CLASSES[number] for object_id, number in self.classes.items()}

    def read_labels(self, index: int) -> LabelMap:
        """Read the mask of a frame that has one, (H, W) uint8; ids are those of :attr:`codes`.

        Raises:
            DatasetError: If the sequence has more than 254 objects.
            CorruptFileError: If a file cannot be decoded.
            MaskError: If a mask is unusable.
        """
        stored = INSTANCE_CODES.read_codes(self.mask_paths[index][0], self.size)
        return label_instances(stored, self.codes)

    def check(self) -> None:
        """Verify the frames by headers and endings and their numbers; every mask is decoded.

        Raises:
            DatasetError: If frames are missing or of different sizes, or there are more than 254
                objects.
            MaskError: If there is no mask with an object, or a mask is unusable.
            CorruptFileError: If a file is cut short or damaged.
        """
        numbers = range(
            self._layout.first_number, self._layout.first_number + len(self.frame_names)
        )
        for name, number in zip(self.frame_names, numbers, strict=True):
            if name != f"{number:06d}":
                raise DatasetError(
                    f"{self.where}: expected frame {number:06d} but found {name}; "
                    f"{self._layout.title} numbers its frames from "
                    f"{self._layout.first_number:06d} without gaps. Unpack the dataset again."
                )
        super().check()

    @property
    def _entries(self) -> dict[int, int]:
        """Code -> index of the frame in which it enters, from one reading of all masks."""
        if self.name not in self._known:
            self._known[self.name] = self._read_entries()
        return self._known[self.name]

    def _read_entries(self) -> dict[int, int]:
        entries: dict[int, int] = {}
        paths = self.mask_paths
        read = partial(INSTANCE_CODES.read_codes, size=self.size)
        stored = read_ahead(read, (files[0] for files in paths.values()))
        for index, codes in zip(paths, map(instance_codes, stored), strict=True):
            for code in codes:
                entries.setdefault(code, index)
        return entries

    def _search(self) -> Iterator[Annotation]:
        if not self.mask_paths:
            raise MaskError(
                f"{self._instances}: no such folder, as in the test split, whose instances are "
                "withheld; choose another split or unpack the instances."
            )
        for index in sorted(set(self._entries.values())):
            ids = [i for i, code in self.codes.items() if self._entries[code] == index]
            yield introduce(index, self.read_labels(index), ids)


class Mots(VOSDataset):
    """KITTI-MOTS or MOTS20; clips are :class:`MotsClip`.

    What is learnt from reading all masks of a sequence is kept here for clips opened later.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        layout: Literal["kitti", "mots20"],
        split: str | None = None,
        sequences: Sequence[str] | None = None,
    ) -> None:
        """Find the sequences; no image is opened yet.

        A full opening needs every sequence of a split. With ``sequences`` only these must be there,
        so a part of the dataset can be used.

        Args:
            root: The folder that holds ``train`` and ``test``.
            layout: Which of the two sets this is.
            split: ``train``, ``val`` (KITTI-MOTS, lies in the folder ``train``) or ``test``; None
                takes every sequence of the folder ``train``. (The names in ``test`` are not unique
                beside those in ``train``.)
            sequences: Restrict to these names, in this order.

        Raises:
            DatasetError: If the split, a folder or a sequence is missing, or a name is not UTF-8.
        """
        self._layout = _LAYOUTS[layout]
        splits = self._layout.splits
        if split is not None and split not in splits:
            raise DatasetError(
                f"{self._layout.title} has no split {split!r}{did_you_mean(split, splits)}."
            )
        chosen = _Split("train") if split is None else splits[split]
        self._folder = Path(root) / chosen.folder
        frames = self._folder / "images"
        if not frames.is_dir():
            raise DatasetError(
                f"{frames}: no such folder; point root at the unpacked {self._layout.title} "
                "folder, which holds train/images."
            )
        found = list_folders(frames)
        names = list(found if chosen.sequences is None else chosen.sequences)
        if sequences is not None:
            names = choose_sequences(names, sequences, frames)
        missing = [name for name in names if name not in found]
        if missing:
            raise DatasetError(
                f"{frames}: lacks {', '.join(missing)} of split {split!r}; unpack them, or choose "
                "sequences that are there."
            )
        if not names:
            raise DatasetError(f"{frames}: holds no sequence folder; unpack the data there.")
        self._names = tuple(names)
        self._entries: dict[str, dict[int, int]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Sequence names, ascending, or in the order asked for."""
        return self._names

    def _open(self, name: str) -> MotsClip:
        frames, masks = self._folder / "images" / name, self._folder / "instances" / name
        return MotsClip(name, frames, masks, self._layout, self._entries)
