"""How a dataset stores its masks: each format turns the files of one frame into a label map.

Formats are small immutable values, so that clips can be handed to worker processes, and integrity
checks can tell what a file of the set should look like.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import PIL.Image

from datasets_vos.images import check_complete, image_size, load_pillow
from datasets_vos.masks import read_mask, require_size
from vos_core.errors import DatasetError, MaskError
from vos_core.resize import resize_labels
from vos_core.types import VOID, LabelMap


class MaskFormat(Protocol):
    """Turns the mask files of one frame into one label map."""

    @property
    def single(self) -> bool:
        """Whether there is never more than one object."""

    def check(self, path: Path, size: tuple[int, int]) -> None:
        """Verify one file by its header and ending, without decoding it.

        Args:
            path: The mask file.
            size: (height, width) of the frame.

        Raises:
            DatasetError: If there is no such file.
            CorruptFileError: If it is cut short or damaged.
            MaskError: If its size is wrong.
        """

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Read the files of one frame.

        Args:
            paths: The frame's mask files; most formats have one.
            size: (height, width) of the frame.

        Returns:
            (H, W) uint8 of that size; 0 background, 1..254 object ids, 255 void.

        Raises:
            DatasetError: If a file is missing.
            CorruptFileError: If a file cannot be decoded.
            MaskError: If the mask is of another size, or its values mean no ids without guessing.
        """


class ImageMasks:
    """What formats share whose files are images of the frame's size."""

    single = False

    def check(self, path: Path, size: tuple[int, int]) -> None:
        """Verify one file; see :class:`MaskFormat`."""
        check_complete(path)
        require_size(image_size(path), size, path)


@dataclass(frozen=True)
class IndexedMasks(ImageMasks):
    """One file a frame whose values are object ids; :mod:`datasets_vos.masks` reads it."""

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Return the ids as stored; see :class:`MaskFormat`."""
        return _of_size(read_mask(paths[0]), size, paths[0])


@dataclass(frozen=True)
class BinaryMasks(ImageMasks):
    """One file a frame, of one object; gray values are cut above 127, ids are merged."""

    single = True

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Return 0 and 1; see :class:`MaskFormat`."""
        return _of_size(read_mask(paths[0], binary=True), size, paths[0])


@dataclass(frozen=True)
class LayeredMasks(ImageMasks):
    """One black and white file an object; the k-th file is object k, and later ones lie on top."""

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Return ids 1..len(paths); see :class:`MaskFormat`."""
        label_map = np.zeros(size, dtype=np.uint8)
        for object_id, path in enumerate(paths, start=1):
            label_map[_of_size(read_mask(path, binary=True), size, path) > 0] = object_id
        return label_map


@dataclass(frozen=True)
class ScaledMasks:
    """One lossy black and white file a frame, of one object, at the frame's size or smaller.

    Compression noise is cut above 127 before the mask is enlarged to the frame.
    """

    single = True

    def check(self, path: Path, size: tuple[int, int]) -> None:
        """Verify one file; see :class:`MaskFormat`."""
        check_complete(path)
        _require_similar(image_size(path), size, path)

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Return 0 and 1; see :class:`MaskFormat`."""
        path = paths[0]
        image = load_pillow(path)
        if image.mode not in ("L", "RGB"):
            raise MaskError(
                f"{path}: pixel mode {image.mode} is not black and white; fetch it again."
            )
        label_map = (np.asarray(image.convert("L")) > 127).astype(np.uint8)
        _require_similar((image.height, image.width), size, path)
        return resize_labels(label_map, size)


@dataclass(frozen=True)
class InstanceCodes(ImageMasks):
    """One 16-bit gray file a frame: class times 1000 plus instance, 0 background, 10000 ignored.

    Classes are 1 (car), 2 (pedestrian) and 10 (a region in which nothing is judged: void).
    """

    def check(self, path: Path, size: tuple[int, int]) -> None:
        """Verify one file; see :class:`MaskFormat`."""
        super().check(path, size)
        with PIL.Image.open(path) as image:
            _require_wide(image.mode, path)

    def read_codes(self, path: Path, size: tuple[int, int]) -> npt.NDArray[np.uint16]:
        """Return the codes of one file as stored, (H, W).

        Raises:
            DatasetError: If there is no such file.
            CorruptFileError: If it cannot be decoded.
            MaskError: If it is of another size, not 16-bit gray, or a code's class is unknown.
        """
        image = load_pillow(path)
        _require_wide(image.mode, path)
        require_size((image.height, image.width), size, path)
        stored = np.asarray(image).astype(np.uint16)
        classes = np.isin(_present(stored) // 1000, (1, 2, _IGNORED))
        if not classes.all():
            code = int(_present(stored)[~classes][0])
            raise MaskError(
                f"{path}: code {code} is of no known class (1xxx car, 2xxx pedestrian, 10000 "
                "ignored); fetch it again."
            )
        return stored

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Return ids in ascending order of the codes of this frame alone; see :class:`MaskFormat`.

        A sequence needs the codes of all its frames: :class:`datasets_vos.mots.MotsClip`.
        """
        stored = self.read_codes(paths[0], size)
        return label_instances(stored, number_instances(instance_codes(stored), paths[0]))


INDEXED = IndexedMasks()
BINARY = BinaryMasks()
LAYERED = LayeredMasks()
SCALED = ScaledMasks()
INSTANCE_CODES = InstanceCodes()

_IGNORED = 10
# Ours: halving an odd side, or rounding it to whole JPEG blocks, changes a frame's shape by less.
_SHAPE_TOLERANCE = 0.05


def instance_codes(stored: npt.NDArray[np.uint16]) -> tuple[int, ...]:
    """Return the codes of the objects in a (H, W) map, ascending, without 0 and ignored regions."""
    present = _present(stored)
    return tuple(int(code) for code in present[present // 1000 != _IGNORED])


def number_instances(codes: Iterable[int], where: Path) -> dict[int, int]:
    """Return object id -> code: ids count from 1 in ascending order of the codes.

    Args:
        codes: Codes of objects; repeated ones count once.
        where: File or folder that holds them, for the message.

    Raises:
        DatasetError: If there are more than the 254 that a label map can tell apart.
    """
    ordered = sorted(set(codes))
    if len(ordered) >= VOID:
        raise DatasetError(
            f"{where}: holds {len(ordered)} objects, but a label map can tell {VOID - 1} apart; "
            "cut the sequence into shorter ones."
        )
    return dict(enumerate(ordered, start=1))


def label_instances(stored: npt.NDArray[np.uint16], codes: Mapping[int, int]) -> LabelMap:
    """Return the label map of a (H, W) map of codes.

    Args:
        stored: Codes as on disk.
        codes: Object id -> code; objects that it lacks become background.

    Returns:
        (H, W) uint8; 0 background, object ids, 255 where nothing is judged.
    """
    ids = np.zeros(2**16, dtype=np.uint8)
    ids[list(codes.values())] = list(codes)
    ids[_IGNORED * 1000 : (_IGNORED + 1) * 1000] = VOID
    return ids[stored]


def _present(stored: npt.NDArray[np.uint16]) -> npt.NDArray[np.intp]:
    """Return the values above 0, ascending."""
    return np.flatnonzero(np.bincount(stored.ravel())[1:]) + 1


def _require_wide(mode: str, path: Path) -> None:
    # Pillow before 11 calls 16-bit gray PNGs "I".
    if mode != "I" and not mode.startswith("I;16"):
        raise MaskError(
            f"{path}: pixel mode {mode} is not 16-bit gray, so it cannot hold instance codes "
            "(class times 1000 plus instance); fetch it again."
        )


def _require_similar(size: tuple[int, int], full: tuple[int, int], path: Path) -> None:
    """Refuse a mask that is larger than its frame or of another shape."""
    scales = [part / whole for part, whole in zip(size, full, strict=True)]
    if max(scales) > 1 or max(scales) > min(scales) * (1 + _SHAPE_TOLERANCE):
        raise MaskError(
            f"{path}: the mask is {size[1]}x{size[0]} pixels but the frames are "
            f"{full[1]}x{full[0]} (width x height), which is no such picture made smaller; "
            "fetch it again."
        )


def _of_size(label_map: LabelMap, size: tuple[int, int], path: Path) -> LabelMap:
    require_size((label_map.shape[0], label_map.shape[1]), size, path)
    return label_map
