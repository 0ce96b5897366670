"""DAVIS 2016 and 2017 (Perazzi et al., CVPR 2016; Pont-Tuset et al., arXiv:1704.00675).

Layout under the root::

    JPEGImages/<resolution>/<sequence>/00000.jpg
    Annotations/<resolution>/<sequence>/00000.png
    ImageSets/2017/<split>.txt    one sequence name a line (also ImageSets/2016)
    ImageSets/480p/<split>.txt    the 2016 archive: one "image mask" pair of paths a line
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from datasets_vos.base import VOSDataset, did_you_mean
from datasets_vos.clips import ImageClip
from datasets_vos.images import list_images, natural_key
from vos_core.errors import DatasetError


class Davis(VOSDataset):
    """The DAVIS folder layout; in the year 2016 all objects are merged into object 1.

    A test split annotated in its first frames only is read as it is: the other frames have no
    ground truth.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        year: Literal["2016", "2017"] = "2017",
        split: str | None = None,
        resolution: str = "480p",
        sequences: Sequence[str] | None = None,
    ) -> None:
        """Find the sequences; no image is opened yet.

        Args:
            root: The folder that holds ``JPEGImages`` and ``Annotations``.
            year: Which rules and lists apply.
            split: Name of a list under ``ImageSets``; None takes every sequence found.
            resolution: Sub-folder of ``JPEGImages`` and ``Annotations``.
            sequences: Restrict to these names, in this order.

        Raises:
            DatasetError: If a folder, the split's list or a sequence is missing.
        """
        self._root = Path(root)
        self._frames = self._root / "JPEGImages" / resolution
        self._masks = self._root / "Annotations" / resolution
        self._binary = year == "2016"
        for folder in (self._frames, self._masks):
            if not folder.is_dir():
                raise DatasetError(
                    f"{folder}: no such folder; point root at the unpacked DAVIS folder "
                    f"({self._root} holds: {_listing(self._root)})."
                )
        found = [path.name for path in self._frames.iterdir() if path.is_dir()]
        names = sorted(found, key=natural_key)
        if split is not None:
            path = self._split_list(year, split, resolution)
            names = _read_split(path)
            missing = [name for name in names if name not in set(found)]
            if missing:
                raise DatasetError(f"{path}: lists {', '.join(missing)}, not in {self._frames}.")
        if sequences is not None:
            for name in sequences:
                if name not in names:
                    raise DatasetError(
                        f"{self._frames}: no sequence {name!r}"
                        f"{f' in split {split!r}' if split else ''}{did_you_mean(name, names)}."
                    )
            names = list(dict.fromkeys(sequences))
        if not names:
            raise DatasetError(f"{self._frames}: holds no sequence folder; unpack the data there.")
        self._names = tuple(names)

    @property
    def names(self) -> tuple[str, ...]:
        """Sequence names in the order of the split's list, else in numeric-aware order."""
        return self._names

    def _open(self, name: str) -> ImageClip:
        frame_paths = list_images(self._frames / name)
        index_of = {path.stem: i for i, path in enumerate(frame_paths)}
        folder = self._masks / name
        mask_paths = list_images(folder) if folder.is_dir() else []
        stray = [path.name for path in mask_paths if path.stem not in index_of]
        if stray:
            raise DatasetError(
                f"{folder}: {len(stray)} masks belong to no frame, first {stray[0]}; "
                f"compare with {self._frames / name}."
            )
        masks = {index_of[path.stem]: path for path in mask_paths}
        return ImageClip(name, frame_paths, masks, binary=self._binary)

    def _split_list(self, year: str, split: str, resolution: str) -> Path:
        lists = self._root / "ImageSets"
        # Only the archive of 2016 keeps its lists under the resolution.
        folders = (year, resolution) if year == "2016" else (year,)
        for folder in folders:
            path = lists / folder / f"{split}.txt"
            if path.is_file():
                return path
        present = sorted(str(path.relative_to(lists)) for path in lists.glob("*/*.txt"))
        raise DatasetError(
            f"{lists}: no list {year}/{split}.txt; there are: {', '.join(present) or 'none'}. "
            "Choose one of these splits, or none to use every sequence found."
        )


def _read_split(path: Path) -> list[str]:
    names = []
    for line in path.read_text().splitlines():
        if line.strip():
            first = PurePosixPath(line.split()[0])
            # A pair list names the image of every frame, whose folder is the sequence.
            names.append(first.parent.name if len(first.parts) > 1 else first.name)
    if not names:
        raise DatasetError(f"{path}: the list is empty; restore it from the archive.")
    return list(dict.fromkeys(names))


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "nothing, it does not exist"
    return ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
