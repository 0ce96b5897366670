"""Predictions of multi-object tracking and segmentation, in the formats of KITTI-MOTS and MOTS20.

A sequence is stored in one of two ways; both say the same::

    <sequence>/<frame>.png    16-bit gray: class times 1000 plus instance, 0 background
    <sequence>.txt            a line an object: frame id class height width rle

An id in a text file is the whole code (1005), and rle is a compressed COCO mask
(:func:`decode_runs`). Class 10 (ignored) may be there, as in annotations; it predicts nothing.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from datasets_vos.base import did_you_mean
from datasets_vos.images import load_pillow, natural_key
from datasets_vos.masks import require_size
from datasets_vos.mots import CLASSES
from vos_core.errors import CorruptFileError, DatasetError, MaskError
from vos_core.metrics.mots import IGNORED_CLASS, INSTANCES, Codes

_KNOWN = (*CLASSES, IGNORED_CLASS)
_NUMBERING = "1xxx is a car, 2xxx a pedestrian, 10000 ignored"
_LINE = "frame id class height width rle"
_LONGEST_NUMBER = 7  # characters; no image has 2**34 pixels


class MotsResults:
    """Finds stored predictions.

    Attributes:
        root: Their folder.
        sequences: Names of the stored sequences, in numeric-aware order.
    """

    def __init__(self, root: str | Path) -> None:
        """Find the sequences; nothing is read yet.

        Args:
            root: The folder of sequence folders or text files.

        Raises:
            DatasetError: If the folder is missing or holds no sequence, or holds one in both ways.
        """
        self.root = Path(root)
        if not self.root.is_dir():
            raise DatasetError(f"{self.root}: no such folder; check the path of the results.")
        visible = [path for path in self.root.iterdir() if not path.name.startswith(".")]
        folders = {path.name for path in visible if path.is_dir()}
        texts = {path.stem for path in visible if path.suffix == ".txt" and path.is_file()}
        if both := folders & texts:
            name = min(both, key=natural_key)
            raise DatasetError(f"{self.root}: holds both {name}/ and {name}.txt; remove one.")
        self.sequences = tuple(sorted(folders | texts, key=natural_key))
        if not self.sequences:
            raise DatasetError(
                f"{self.root}: holds no sequence; expected <sequence>/<frame>.png or "
                "<sequence>.txt in it."
            )

    def open(self, sequence: str) -> "PngFrames | TxtFrames":
        """Open one sequence; of a text file all lines are read, but no mask is decoded.

        Raises:
            DatasetError: If the sequence is missing.
            CorruptFileError: If a line is not of the format.
            MaskError: If an object is there twice in a frame, or its class is unknown or not that
                of its id.
        """
        if sequence not in self.sequences:
            raise DatasetError(
                f"{self.root}: no sequence {sequence!r}{did_you_mean(sequence, self.sequences)}."
            )
        folder = self.root / sequence
        return PngFrames(folder) if folder.is_dir() else TxtFrames(self.root / f"{sequence}.txt")


class PngFrames:
    """The predictions of one sequence, a PNG a frame."""

    def __init__(self, folder: Path) -> None:
        """List the files; none is opened."""
        self.path = folder
        self._stored = {path.stem for path in folder.glob("[!.]*.png")}

    def compare(self, frame_names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return which frames of a sequence are missing, and which stored ones it does not have."""
        missing = [name for name in frame_names if name not in self._stored]
        return missing, sorted(self._stored.difference(frame_names), key=natural_key)

    def read(self, frame_name: str, size: tuple[int, int]) -> Codes:
        """Read one prediction.

        Args:
            frame_name: Name of the frame.
            size: (height, width) of the frames.

        Returns:
            (H, W) uint16 codes: class times 1000 plus instance, 0 background.

        Raises:
            DatasetError: If the frame is missing.
            CorruptFileError: If the file cannot be decoded.
            MaskError: If it is not 16-bit gray or of another size, or a code's class is unknown.
        """
        path = self.path / f"{frame_name}.png"
        if frame_name not in self._stored:
            raise DatasetError(
                f"{path}: frame {frame_name} is missing ({len(self._stored)} frames are stored); "
                "run the method again."
            )
        image = load_pillow(path)
        # Pillow before 11 calls 16-bit gray PNGs "I"
        if image.mode != "I" and not image.mode.startswith("I;16"):
            raise MaskError(
                f"{path}: pixel mode {image.mode} is not 16-bit gray, so the codes (class times "
                "1000 plus instance) were lost; write uint16 arrays."
            )
        require_size((image.height, image.width), size, path)
        codes = np.asarray(image).astype(np.uint16)
        for code in np.flatnonzero(np.bincount(codes.ravel())[1:]) + 1:
            _require_class(int(code), int(code) // INSTANCES, str(path))
        return codes


class _Line(NamedTuple):
    """One object in one frame, not yet decoded."""

    number: int  # in the file, from 1
    frame: str
    code: int
    size: tuple[int, int]  # (height, width)
    rle: bytes


class TxtFrames:
    """The predictions of one sequence, a line an object."""

    def __init__(self, path: Path) -> None:
        """Read all lines; see :meth:`MotsResults.open`."""
        self.path = path
        self._frames: dict[str, list[_Line]] = {}
        for line in self._parse():
            others = self._frames.setdefault(line.frame, [])
            if any(line.code == other.code for other in others):
                raise MaskError(
                    f"{self._where(line)}: frame {line.frame} has object {line.code} twice; give "
                    "each object one mask a frame."
                )
            others.append(line)

    def compare(self, frame_names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return no missing frames, as one without lines is empty, and those that are not there."""
        known = {_number(name) for name in frame_names}
        return [], sorted(self._frames.keys() - known, key=natural_key)

    def read(self, frame_name: str, size: tuple[int, int]) -> Codes:
        """Read one prediction; a frame without lines has none.

        Args:
            frame_name: Name of the frame.
            size: (height, width) of the frames.

        Returns:
            (H, W) uint16 codes: class times 1000 plus instance, 0 background.

        Raises:
            CorruptFileError: If a mask cannot be decoded.
            MaskError: If a mask is of another size, empty, or overlaps another one.
        """
        height, width = size
        columns = np.zeros(width * height, dtype=np.uint16)
        for line in self._frames.get(_number(frame_name), ()):
            pixels = self._decode(line, size)
            if (under := columns[pixels]).any():
                raise MaskError(
                    f"{self._where(line)}: the masks of objects {under.max()} and {line.code} "
                    f"overlap in frame {line.frame}; give each pixel to one object."
                )
            columns[pixels] = line.code
        return np.ascontiguousarray(columns.reshape(width, height).T)

    def _parse(self) -> Iterator[_Line]:
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError as err:
            msg = f"{self.path}: cannot be read ({err.strerror}); check the file."
            raise CorruptFileError(msg) from err
        for number, text in enumerate(lines, start=1):
            fields = text.split()
            if not fields:
                continue
            if len(fields) != 6 or not all(field.isdigit() for field in fields[:5]):
                raise CorruptFileError(
                    f"{self.path}, line {number}: is not of the form {_LINE!r} with whole numbers; "
                    "write the file again."
                )
            frame, code, class_number, height, width = map(int, fields[:5])
            line = _Line(number, str(frame), code, (height, width), fields[5])
            _require_class(code, class_number, self._where(line))
            yield line

    def _decode(self, line: _Line, size: tuple[int, int]) -> npt.NDArray[np.int64]:
        """Return the pixels of one mask, as places in a frame that is read column by column."""
        if line.size != size:
            raise MaskError(
                f"{self._where(line)}: the mask is {line.size[1]}x{line.size[0]} pixels but the "
                f"frames are {size[1]}x{size[0]} (width x height); the file names the height first."
            )
        try:
            pixels = _covered(decode_runs(line.rle), line.size)
        except CorruptFileError as err:
            msg = f"{self._where(line)}: {err}; write the file again."
            raise CorruptFileError(msg) from err
        if not pixels.size:
            raise MaskError(
                f"{self._where(line)}: the mask of object {line.code} is empty; leave out the line "
                "(the authors' script counts it as a false positive)."
            )
        return pixels

    def _where(self, line: _Line) -> str:
        return f"{self.path}, line {line.number}"


def decode_runs(rle: bytes) -> npt.NDArray[np.int64]:
    """Return the run lengths of a compressed COCO mask: background and object, alternately.

    Pixels run down the columns, from left to right. A length is stored in groups of five bits, the
    lowest first, as characters from ``0`` (48) on; the sixth bit says that more follow, and the
    highest of the last group is the sign. From the fourth length on, the difference to the length
    two before is stored.

    Args:
        rle: The characters.

    Returns:
        (R,) int64 lengths in pixels.

    Raises:
        CorruptFileError: If they are cut short or mean no lengths.

    Example:
        >>> decode_runs(b"05110O").tolist()
        [0, 5, 1, 6, 1, 5]
    """
    groups = np.frombuffer(rle, dtype=np.uint8).astype(np.int64) - 48
    if not groups.size or groups.min() < 0 or groups.max() > 63 or groups[-1] & 32:
        raise CorruptFileError("the RLE is cut short or holds characters that none has")
    ends = np.flatnonzero(groups & 32 == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    digits = ends - starts + 1
    if digits.max() > _LONGEST_NUMBER:
        raise CorruptFileError("the RLE holds a run that is longer than any image")
    place = np.arange(groups.size) - np.repeat(starts, digits)
    runs = np.add.reduceat((groups & 31) << 5 * place, starts)
    runs[groups[ends] & 16 > 0] -= 1 << 5 * digits[groups[ends] & 16 > 0]
    runs[1::2] = runs[1::2].cumsum()
    runs[2::2] = runs[2::2].cumsum()
    if runs.min() < 0:
        raise CorruptFileError("the RLE holds a run of less than no pixel")
    return runs


def _covered(runs: npt.NDArray[np.int64], size: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Return the places of the object's pixels, ascending."""
    ends = runs.cumsum()
    if ends[-1] != size[0] * size[1]:
        raise CorruptFileError(
            f"the RLE covers {ends[-1]} pixels, but {size[1]}x{size[0]} has {size[0] * size[1]}"
        )
    lengths, starts = runs[1::2], (ends - runs)[1::2]
    before = lengths.cumsum() - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)


def _require_class(code: int, class_number: int, where: str) -> None:
    if class_number not in _KNOWN:
        raise MaskError(f"{where}: class {class_number} of object {code} is unknown; {_NUMBERING}.")
    if code // INSTANCES != class_number:
        raise MaskError(
            f"{where}: id {code} does not belong to class {class_number}; {_NUMBERING}."
        )


def _number(frame_name: str) -> str:
    """Return the number of a frame as text files have it, without zeros in front."""
    return frame_name.lstrip("0") or "0"
