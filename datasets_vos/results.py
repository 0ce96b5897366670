"""Predicted label maps on disk: ``<root>/<sequence>/<frame>.png``, as benchmarks expect them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from datasets_vos.base import did_you_mean
from datasets_vos.images import load_pillow, natural_key
from datasets_vos.masks import MAX_GRAY_ID, object_ids, read_mask, write_mask
from vos_core.errors import DatasetError, MaskError
from vos_core.types import VOID, LabelMap


class SequenceWriter:
    """Writes the masks of one sequence; made by :meth:`ResultWriter.sequence`."""

    def __init__(self, folder: Path) -> None:
        """Write into an existing folder."""
        self._folder = folder

    def write(self, frame_name: str, label_map: LabelMap) -> None:
        """Store one frame's (H, W) uint8 label map.

        Raises:
            DatasetError: If the name is no plain file name.
            MaskError: If ``label_map`` is not (H, W) uint8.
        """
        write_mask(self._folder / f"{_plain(frame_name)}.png", label_map)


class ResultWriter:
    """Stores predictions so that a sequence's folder is there whole or not at all."""

    def __init__(self, root: str | Path) -> None:
        """Choose the folder; it is made when the first sequence is written."""
        self._root = Path(root)

    @contextmanager
    def sequence(self, name: str) -> Iterator[SequenceWriter]:
        """Collect one sequence in a hidden sibling folder, renamed when the block ends.

        An older result stays until then and is replaced as a whole. If the block raises, the
        older result stays and the hidden folder is removed; a killed run's hidden folder is
        removed by the next attempt at the same sequence.

        Raises:
            DatasetError: If the name is no plain folder name.
        """
        final = self._root / _plain(name)
        partial = self._root / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield SequenceWriter(partial)
            _replace_folder(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


class StoredResults:
    """Reads predictions back.

    Attributes:
        root: Their folder.
        sequences: Names of the stored sequences, in numeric-aware order.
    """

    def __init__(self, root: str | Path, *, binary: bool = False) -> None:
        """Find the sequences.

        Args:
            root: The folder of sequence folders.
            binary: Merge all objects into object 1, whether stored as 1 or 255.

        Raises:
            DatasetError: If the folder is missing or holds no sequence.
        """
        self.root = Path(root)
        self._binary = binary
        if not self.root.is_dir():
            raise DatasetError(f"{self.root}: no such folder; check the path of the results.")
        folders = (path for path in self.root.iterdir() if path.is_dir())
        names = (path.name for path in folders if not path.name.startswith("."))
        self.sequences = tuple(sorted(names, key=natural_key))
        if not self.sequences:
            raise DatasetError(
                f"{self.root}: holds no sequence folder; expected <sequence>/<frame>.png in it."
            )

    def frame_names(self, sequence: str) -> tuple[str, ...]:
        """Return the names of a sequence's frames that are stored, in numeric-aware order."""
        files = (path for path in (self.root / sequence).iterdir() if path.suffix == ".png")
        return tuple(sorted((path.stem for path in files), key=natural_key))

    def read(self, sequence: str, frame_name: str) -> LabelMap:
        """Read one prediction, (H, W) uint8; where it is binary, see :meth:`read_merged`.

        Raises:
            DatasetError: If the sequence or frame is missing.
            CorruptFileError: If the file cannot be decoded.
            MaskError: If its values are no object ids.
        """
        if self._binary:
            return self.read_merged(sequence, frame_name)[0]
        return read_mask(self._path(sequence, frame_name))

    def read_merged(self, sequence: str, frame_name: str) -> tuple[LabelMap, tuple[int, ...]]:
        """Read one prediction as a single object, and the ids that were merged into it.

        Void beside ids becomes background; alone it is the object. Graded gray maps, which have no
        ids, are cut above 127.

        Raises:
            DatasetError: If the sequence or frame is missing.
            CorruptFileError: If the file cannot be decoded.
            MaskError: If its values are no object ids, or no graded map either: one or two levels
                of which none is above 127, or ids up to 32 beside 255 alone.
        """
        path = self._path(sequence, frame_name)
        try:
            label_map = read_mask(path)
        except MaskError:
            merged = read_mask(path, binary=True)
            gray = np.asarray(load_pillow(path).convert("L"))
            levels = np.flatnonzero(np.bincount(gray.ravel(), minlength=VOID + 1)[1:]) + 1
            vanishes = not merged.any() and len(levels) <= 2
            ids_beside_255 = levels[0] <= MAX_GRAY_ID and set(levels[levels > MAX_GRAY_ID]) == {
                VOID
            }
            if vanishes or ids_beside_255:
                raise
            return merged, ()
        ids = object_ids(label_map)
        objects = (label_map > 0) & (label_map != VOID) if ids else label_map > 0
        return objects.view(np.uint8), ids

    def _path(self, sequence: str, frame_name: str) -> Path:
        if sequence not in self.sequences:
            raise DatasetError(
                f"{self.root}: no sequence {sequence!r}{did_you_mean(sequence, self.sequences)}."
            )
        path = self.root / sequence / f"{frame_name}.png"
        if not path.is_file():
            stored = sum(1 for _ in path.parent.glob("*.png"))
            raise DatasetError(
                f"{path}: frame {frame_name} is missing ({stored} frames are stored); "
                "run the method again."
            )
        return path


def _plain(name: str) -> str:
    if not name or name.startswith(".") or Path(name).name != name:
        raise DatasetError(f"{name!r} is no plain file name; results cannot be stored under it.")
    return name


def _replace_folder(new: Path, final: Path) -> None:
    """Put ``new`` in the place of ``final``; a folder cannot be renamed onto a full one."""
    if not final.exists():
        new.rename(final)
        return
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    final.rename(old)
    try:
        new.rename(final)
    except OSError:
        old.rename(final)
        raise
    shutil.rmtree(old)
