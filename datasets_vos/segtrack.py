"""SegTrack-v2 (Li et al., ICCV 2013).

Layout under the root::

    JPEGImages/<sequence>/<frame>.png                   or .bmp, .jpg
    GroundTruth/<sequence>/<frame>.png                  or .bmp; a sequence of one object
    GroundTruth/<sequence>/<k>/<frame>.png              object k of 1..N
    ImageSets/<sequence>.txt                            a header, then one frame name a line

The benchmark scores each object on its own, so masks of two objects may overlap. A label map holds
one id a pixel: there the object of the higher number lies on top, and
:meth:`SegTrackClip.object_truth` gives each object whole. Masks are black and white, cut above 127.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from datasets_vos.base import VOSDataset, choose_sequences, did_you_mean, list_folders, read_lines
from datasets_vos.clips import ImageClip, MaskFiles
from datasets_vos.images import list_images
from datasets_vos.mask_formats import LAYERED
from vos_core.errors import DatasetError, MaskError
from vos_core.types import Annotation, BinaryMask


class SegTrackClip(ImageClip):
    """A sequence; its list says which frames it has, in which order.

    Without a list every image is a frame, in numeric order, if the names differ only in the number
    at their end; else the order cannot be known and the clip is refused.
    """

    def __init__(self, name: str, frames: Path, masks: Path, list_path: Path) -> None:
        """Describe a clip; nothing is opened yet.

        Args:
            name: Sequence name.
            frames: Folder of its images.
            masks: Folder of its masks, or of one folder of masks an object.
            list_path: List of its frames, which may be absent.
        """
        super().__init__(name, frames, masks, format=LAYERED)
        self._folder = frames
        self._truth = masks
        self._list = list_path

    @cached_property
    def frame_paths(self) -> tuple[Path, ...]:
        """File of each frame, in the order of the list.

        Raises:
            DatasetError: If the folder or a listed frame is missing, or the list is unusable.
        """
        images = self._images
        if not self._list.is_file():
            return self._in_numeric_order()
        names = _read_list(self._list, images)
        missing = [name for name in names if name not in images]
        if missing:
            raise DatasetError(
                f"{self._list}: lists frame {missing[0]} ({len(missing)} in all), which is not in "
                f"{self._folder}; unpack the dataset again."
            )
        return tuple(images[name] for name in names)

    @cached_property
    def mask_paths(self) -> MaskFiles:
        """Mask files of each frame that has some: one an object, by ascending number.

        Raises:
            DatasetError: If objects are not numbered from 1, a mask belongs to no image, or a frame
                has masks of some objects only.
        """
        names = self.frame_names  # a wrong list is named before the masks that it strays from
        layers = [
            {path.stem: path for path in list_images(folder)} for folder in self._object_folders()
        ]
        for layer in layers:
            stray = [path for name, path in layer.items() if name not in self._images]
            if stray:
                raise DatasetError(
                    f"{stray[0]}: belongs to no frame ({len(stray)} such masks); compare with "
                    f"{self._folder}."
                )
        files = {}
        for index, name in enumerate(names):
            found = [name in layer for layer in layers]
            if any(found) and not all(found):
                raise DatasetError(
                    f"{self._truth / str(found.index(False) + 1)}: lacks frame {name}, of which "
                    "another object has a mask; unpack the dataset again."
                )
            if any(found):
                files[index] = tuple(layer[name] for layer in layers)
        return files

    def object_truth(self, index: int, object_id: int) -> BinaryMask | None:
        """Return the whole mask of one object, also where another lies on top of it.

        Args:
            index: Index of the frame.
            object_id: The object, from 1.

        Returns:
            (H, W) bool, or None where the frame has no mask.

        Raises:
            IndexError: If there is no such frame.
            DatasetError: If there is no such object.
            CorruptFileError: If the file cannot be decoded.
            MaskError: If the mask is unusable.
        """
        index = range(len(self.frame_paths))[index]
        if index not in self.mask_paths:
            return None
        paths = self.mask_paths[index]
        if not 1 <= object_id <= len(paths):
            raise DatasetError(
                f"{self._truth}: has no object {object_id}; they are numbered 1 to {len(paths)}."
            )
        mask: BinaryMask = LAYERED.read(paths[object_id - 1 : object_id], self.size) > 0
        return mask

    def check(self) -> None:
        """Verify all files by their headers and endings; only the first masks are decoded.

        Raises:
            DatasetError: If the list does not fit the files, or see ``ImageClip.check``.
            MaskError: If there is no mask, or those of the first frame are unusable or empty.
            CorruptFileError: If a file is cut short or damaged.
        """
        self._require_masks()
        super().check()

    def _search(self) -> Iterator[Annotation]:
        self._require_masks()
        return super()._search()

    def _require_masks(self) -> None:
        if not self.mask_paths:
            raise MaskError(
                f"{self._truth}: has no mask of a frame of {self.name!r}; unpack the dataset again."
            )

    @cached_property
    def _images(self) -> dict[str, Path]:
        """Every image of the folder by frame name, also those that are not listed."""
        return {path.stem: path for path in list_images(self._folder)}

    def _find(self, name: str) -> Path:
        if name not in self.frame_names:
            near = did_you_mean(name, self.frame_names)
            raise DatasetError(f"{self._folder}: no frame {name!r}{near}.")
        return self._images[name]

    def _in_numeric_order(self) -> tuple[Path, ...]:
        names = list(self._images)
        if len({name.rstrip("0123456789") for name in names}) > 1 or not names[0][-1].isdecimal():
            raise DatasetError(
                f"{self._list}: no such list, and the names of the images in {self._folder} do not "
                "tell their order; restore the list."
            )
        return tuple(self._images.values())

    def _object_folders(self) -> list[Path]:
        """Return the folder of each object's masks, by ascending number."""
        if not self._truth.is_dir():
            return []
        names = list_folders(self._truth)
        if not names:
            return [self._truth]
        if names != [str(number) for number in range(1, len(names) + 1)]:
            raise DatasetError(
                f"{self._truth}: holds the folders {', '.join(names[:8])}, but objects are "
                "numbered 1, 2, ...; unpack the dataset again."
            )
        return [self._truth / name for name in names]


class SegTrackV2(VOSDataset):
    """SegTrack-v2; clips are :class:`SegTrackClip`."""

    def __init__(self, root: str | Path, *, sequences: Sequence[str] | None = None) -> None:
        """Find the sequences; no list or image is opened yet.

        Args:
            root: The folder that holds ``JPEGImages``, ``GroundTruth`` and ``ImageSets``.
            sequences: Restrict to these names, in this order.

        Raises:
            DatasetError: If a folder or sequence is missing, or a name is not UTF-8.
        """
        self._root = Path(root)
        frames = self._root / "JPEGImages"
        for folder in (frames, self._root / "GroundTruth"):
            if not folder.is_dir():
                raise DatasetError(
                    f"{folder}: no such folder; point root at the unpacked SegTrackv2 folder."
                )
        names = list_folders(frames)
        if sequences is not None:
            names = choose_sequences(names, sequences, frames)
        if not names:
            raise DatasetError(f"{frames}: holds no sequence folder; unpack the data there.")
        self._names = tuple(names)

    @property
    def names(self) -> tuple[str, ...]:
        """Sequence names in numeric-aware order, or in the order asked for."""
        return self._names

    def _open(self, name: str) -> SegTrackClip:
        return SegTrackClip(
            name,
            self._root / "JPEGImages" / name,
            self._root / "GroundTruth" / name,
            self._root / "ImageSets" / f"{name}.txt",
        )


def _read_list(path: Path, images: dict[str, Path]) -> list[str]:
    """Return the frame names after the header."""
    names = [line.strip() for line in read_lines(path)]
    if names and names[0] in images:
        # taking it for the header would lose the frame whose masks are given
        raise DatasetError(
            f"{path}: the first line is the frame {names[0]} but must be a header; add one."
        )
    names = [name for name in names[1:] if name]
    if not names:
        raise DatasetError(f"{path}: lists no frame; restore the list from the archive.")
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise DatasetError(f"{path}: lists frame {twice[0]} twice; restore the list.")
    return names
