"""Instance masks of PASCAL VOC 2012 (Everingham et al.) and SBD (Hariharan et al., ICCV 2011).

Layouts under the root, which may be any of the folders above the first that is listed::

    VOCdevkit/VOC2012/JPEGImages/2007_000032.jpg
    VOCdevkit/VOC2012/SegmentationObject/2007_000032.png    palette PNG of instance ids, 255 void
    VOCdevkit/VOC2012/SegmentationClass/2007_000032.png     the same of category numbers
    VOCdevkit/VOC2012/ImageSets/Segmentation/{train,val,trainval}.txt

    benchmark_RELEASE/dataset/img/2008_000002.jpg
    benchmark_RELEASE/dataset/inst/2008_000002.mat          GTinst.Segmentation and .Categories
    benchmark_RELEASE/dataset/{train,val}.txt
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets_vos.base import read_lines
from datasets_vos.images import list_images, natural_key
from datasets_vos.mask_formats import INDEXED
from datasets_vos.masks import object_ids
from datasets_vos.mat_masks import SBD_INSTANCES, sbd_categories
from datasets_vos.stills import StillDataset, StillImage
from vos_core.errors import DatasetError, MaskError
from vos_core.types import VOID

VOC_CATEGORIES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""Names of the categories 1..20 of both sets."""


@dataclass(frozen=True)
class VOCImage(StillImage):
    """An image of VOC.

    Attributes:
        category_path: Palette PNG of category numbers; None where the masks are withheld.
    """

    category_path: Path | None

    def categories(self) -> dict[int, str]:
        """Return the category of each instance: the most frequent one at its pixels.

        Raises:
            MaskError: If an instance has no category, or masks are unusable.
        """
        instances = self.instances()
        if self.category_path is None:
            raise DatasetError(f"{self.image_path}: has no categories; choose another split.")
        numbers = INDEXED.read((self.category_path,), self.size)
        found = {}
        for instance in object_ids(instances):
            counts = np.bincount(numbers[instances == instance], minlength=VOID + 1)
            counts[[0, VOID]] = 0
            found[instance] = int(counts.argmax())  # 0 where there is none
        return _named(found, self.category_path)

    def check(self) -> None:
        """Verify the files; see :meth:`StillImage.check`."""
        super().check()
        if self.category_path is not None:
            INDEXED.check(self.category_path, self.size)


@dataclass(frozen=True)
class SBDImage(StillImage):
    """An image of SBD."""

    def categories(self) -> dict[int, str]:
        """Return the category of each instance that has pixels.

        Raises:
            MaskError: If an instance has no category, or masks are unusable.
        """
        numbers = sbd_categories(self.mask_paths[0])
        found = {i: numbers.get(i, 0) for i in object_ids(self.instances())}
        return _named(found, self.mask_paths[0])


class PascalVOC(StillDataset):
    """The segmentation part of VOC 2012; void around the instances is kept."""

    def __init__(self, root: str | Path, *, split: str | None = None) -> None:
        """Find the images; the folders are listed, no image is read.

        Args:
            root: The folder ``VOC2012``, the one above, or the one above that.
            split: A list of ``ImageSets/Segmentation``; None takes every image with an instance
                mask. The masks of ``test`` are withheld.

        Raises:
            DatasetError: If a folder, the list, or a file that it names is missing.
        """
        home = _home(Path(root), ("VOCdevkit/VOC2012", "VOC2012", "."), "JPEGImages")
        images = _listed(home / "JPEGImages")
        lists = home / "ImageSets" / "Segmentation"
        if split == "test":
            names = _read_list(lists, split)
            _require(names, images, home / "JPEGImages")
            super().__init__(VOCImage(name, images[name], (), INDEXED, None) for name in names)
            return
        masks = _listed(home / "SegmentationObject")
        categories = _listed(home / "SegmentationClass")
        names = list(masks) if split is None else _read_list(lists, split)
        for folder, files in (
            ("JPEGImages", images),
            ("SegmentationObject", masks),
            ("SegmentationClass", categories),
        ):
            _require(names, files, home / folder)
        super().__init__(
            VOCImage(name, images[name], (masks[name],), INDEXED, categories[name])
            for name in names
        )


class SBD(StillDataset):
    """The Semantic Boundaries Dataset's instances, on images of VOC 2011; there is no void."""

    def __init__(self, root: str | Path, *, split: str | None = None) -> None:
        """Find the images; the folders are listed, no image is read.

        Args:
            root: The folder ``benchmark_RELEASE``, its ``dataset``, or the one above.
            split: ``train`` or ``val``; None takes every image with instances.

        Raises:
            DatasetError: If a folder, the list, or a file that it names is missing.
        """
        home = _home(Path(root), ("benchmark_RELEASE/dataset", "dataset", "."), "inst")
        paths = sorted((home / "inst").glob("[!.]*.mat"), key=lambda path: natural_key(path.stem))
        masks = {path.stem: path for path in paths}
        images = _listed(home / "img")
        names = list(masks) if split is None else _read_list(home, split)
        if not names:
            raise DatasetError(f"{home / 'inst'}: holds no .mat file; unpack the set again.")
        _require(names, images, home / "img")
        _require(names, masks, home / "inst")
        super().__init__(
            SBDImage(name, images[name], (masks[name],), SBD_INSTANCES) for name in names
        )


def _named(numbers: Mapping[int, int], path: Path) -> dict[int, str]:
    for instance, number in numbers.items():
        if not 1 <= number <= len(VOC_CATEGORIES):
            raise MaskError(
                f"{path}: gives instance {instance} the category number {number}, not one from 1 "
                f"to {len(VOC_CATEGORIES)}; fetch it again."
            )
    return {instance: VOC_CATEGORIES[number - 1] for instance, number in numbers.items()}


def _home(root: Path, below: Iterable[str], needed: str) -> Path:
    """Return the folder that holds the folder ``needed``."""
    homes = [root / folder for folder in below]
    for home in homes:
        if (home / needed).is_dir():
            return home
    raise DatasetError(
        f"{root}: no folder {needed} there, nor in {homes[0].relative_to(root)}; point root at the "
        "unpacked set."
    )


def _listed(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in list_images(folder)}


def _require(names: Iterable[str], files: Mapping[str, Path], folder: Path) -> None:
    missing = [name for name in names if name not in files]
    if missing:
        raise DatasetError(
            f"{folder}: lacks {len(missing)} files, first that of {missing[0]}; unpack the set "
            "again."
        )


def _read_list(folder: Path, split: str) -> list[str]:
    """Read the names of a list, one a line."""
    path = folder / f"{split}.txt"
    if not path.is_file():
        present = ", ".join(sorted(p.stem for p in folder.glob("*.txt"))) or "none"
        raise DatasetError(f"{path}: no such list; there are: {present}.")
    names = list(dict.fromkeys(line.split()[0] for line in read_lines(path) if line.strip()))
    if not names:
        raise DatasetError(f"{path}: the list is empty; restore it from the archive.")
    return names
