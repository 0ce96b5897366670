"""DAVIS 2016 and 2017 (Perazzi et al., CVPR 2016; Pont-Tuset et al., arXiv:1704.00675).

Layout under the root::

    JPEGImages/<resolution>/<sequence>/00000.jpg
    Annotations/<resolution>/<sequence>/00000.png
    Annotations_unsupervised/<resolution>/...    other objects (Caelles et al., arXiv:1905.00737)
    ImageSets/2017/<split>.txt    one sequence name a line (also ImageSets/2016, ImageSets/2019)
    ImageSets/480p/<split>.txt    the 2016 archive: one "image mask" pair of paths a line

The resolution is ``480p``, ``1080p`` (2016) or ``Full-Resolution`` (2017).
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from datasets_vos.base import VOSDataset, choose_sequences, list_folders, read_lines
from datasets_vos.clips import ImageClip
from datasets_vos.mask_formats import BINARY, INDEXED
from vos_core.errors import ConfigError, DatasetError
from vos_core.types import Annotation


class Davis(VOSDataset):
    """The DAVIS folder layout; in the year 2016 all objects are merged into object 1.

    The test splits of 2017 are annotated in their first frames only: the other frames have no
    ground truth. Those of the unsupervised task are not annotated at all: their clips give frames,
    but asking for ``annotations`` is a :class:`DatasetError`.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        year: Literal["2016", "2017"] = "2017",
        task: Literal["semi-supervised", "unsupervised"] = "semi-supervised",
        split: str | None = None,
        resolution: str = "480p",
        sequences: Sequence[str] | None = None,
    ) -> None:
        """Find the sequences; no image is opened yet.

        Args:
            root: The folder that holds ``JPEGImages`` and ``Annotations``.
            year: Which rules and lists apply.
            task: Which of the masks of 2017 to read; the unsupervised task has its own, and test
                splits of its own (2019).
            split: Name of a list under ``ImageSets``; None takes every sequence found.
            resolution: Sub-folder of ``JPEGImages`` and ``Annotations``.
            sequences: Restrict to these names, in this order.

        Raises:
            ConfigError: If 2016 is asked for its unsupervised masks; it has one set for both tasks.
            DatasetError: If a folder, list or sequence is missing, or a name is not UTF-8.
        """
        unsupervised = task == "unsupervised"
        if unsupervised and year == "2016":
            raise ConfigError("DAVIS 2016 has the same masks for both tasks; leave task unset.")
        self._root = Path(root)
        self._frames = self._root / "JPEGImages" / resolution
        masks = "Annotations_unsupervised" if unsupervised else "Annotations"
        self._masks = self._root / masks / resolution
        self._format = BINARY if year == "2016" else INDEXED
        self._withheld = unsupervised and split is not None and split.startswith("test")
        for folder in (self._frames,) if self._withheld else (self._frames, self._masks):
            if not folder.is_dir():
                raise DatasetError(
                    f"{folder}: no such folder; point root at the unpacked DAVIS folder "
                    f"({self._root} holds: {_listing(self._root)})."
                )
        names, source = list_folders(self._frames), self._frames
        if split is not None:
            years = ("2019", "2017") if unsupervised else (year,)
            source = self._split_list(years, split, resolution)
            names = _read_split(source, set(names))
        if sequences is not None:
            names = choose_sequences(names, sequences, source)
        if not names:
            raise DatasetError(f"{self._frames}: holds no sequence folder; unpack the data there.")
        self._names = tuple(names)

    @property
    def names(self) -> tuple[str, ...]:
        """Sequence names in the order of the split's list, else in numeric-aware order."""
        return self._names

    def _open(self, name: str) -> ImageClip:
        opener = _UnannotatedClip if self._withheld else ImageClip
        return opener(name, self._frames / name, self._masks / name, format=self._format)

    def _split_list(self, years: Sequence[str], split: str, resolution: str) -> Path:
        lists = self._root / "ImageSets"
        # Only the archive of 2016 keeps its lists under the resolution.
        folders = (*years, resolution) if "2016" in years else years
        for folder in folders:
            path = lists / folder / f"{split}.txt"
            if path.is_file():
                return path
        if (lists / resolution / f"{split}.txt").is_file():
            raise DatasetError(
                f"{lists}: has {resolution}/{split}.txt, which is how DAVIS 2016 is packed, but no "
                f"list of {years[-1]}; choose the year 2016, or point root at DAVIS 2017."
            )
        present = sorted(str(path.relative_to(lists)) for path in lists.glob("*/*.txt"))
        if not present:
            raise DatasetError(
                f"{lists}: holds no split lists, so {split!r} is not known; leave split unset to "
                "use every sequence found, or restore the folder from the archive."
            )
        raise DatasetError(
            f"{lists}: no list {years[0]}/{split}.txt; there are: {', '.join(present)}. "
            "Choose one of these splits, or none to use every sequence found."
        )


class _UnannotatedClip(ImageClip):
    """A clip whose masks the benchmark keeps to itself."""

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        raise DatasetError(
            f"{self.where}: the masks of this split are withheld, so nothing can be given to a "
            "method that needs them; choose another split."
        )

    def check(self) -> None:
        self.check_frames()


def _read_split(path: Path, found: set[str]) -> list[str]:
    names = []
    for line in read_lines(path):
        if line.strip():
            first = PurePosixPath(line.split()[0])
            # A pair list names the image of every frame, whose folder is the sequence.
            names.append(first.parent.name if len(first.parts) > 1 else first.name)
    if not names:
        raise DatasetError(f"{path}: the list is empty; restore it from the archive.")
    missing = [name for name in dict.fromkeys(names) if name not in found]
    if missing:
        raise DatasetError(
            f"{path}: lists {', '.join(missing)}, not in JPEGImages; unpack the dataset again."
        )
    return list(dict.fromkeys(names))


def _listing(folder: Path) -> str:
    if not folder.is_dir():
        return "nothing, it does not exist"
    return ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
