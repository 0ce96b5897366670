"""Still images with one mask each: saliency sets, FSS-1000, and folders of one's own.

A table of layouts tells where each set keeps its images and masks. Besides its own, every set may
lie in ``images`` + ``masks``, in ``image`` + ``mask``, or side by side in one folder (``x.jpg`` +
``x.png``), as it is often packed anew. Masks with soft edges are cut above 127.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasets_vos.base import did_you_mean
from datasets_vos.images import IMAGE_SUFFIXES, list_images, load_pillow, natural_key
from datasets_vos.mask_formats import BINARY, ImageMasks, MaskFormat
from datasets_vos.masks import require_size
from datasets_vos.mat_masks import SOD_OUTLINES
from datasets_vos.stills import StillDataset, StillImage
from vos_core.errors import ConfigError, DatasetError, MaskError
from vos_core.types import LabelMap

_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})
_SIDE_BY_SIDE = (".", ".")
_REPACKED = (("images", "masks"), ("image", "mask"), ("Imgs", "Imgs"), _SIDE_BY_SIDE)

_Folders = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class GradedMasks(ImageMasks):
    """Gray values are the share of observers that chose a pixel; half or more make an object.

    Unlike :class:`datasets_vos.mask_formats.BinaryMasks`, dark values are never ids: one observer
    of twelve is stored as 21, and is no object.
    """

    single = True

    def read(self, paths: Sequence[Path], size: tuple[int, int]) -> LabelMap:
        """Return 0 and 1; see :class:`datasets_vos.mask_formats.MaskFormat`."""
        image = load_pillow(paths[0])
        require_size((image.height, image.width), size, paths[0])
        if image.mode not in ("1", "L", "LA", "P", "RGB"):
            raise MaskError(f"{paths[0]}: pixel mode {image.mode} is no 8-bit gray; convert it.")
        rgb = np.asarray(image.convert("RGB"))
        if not (rgb == rgb[..., :1]).all():
            raise MaskError(f"{paths[0]}: has colours where gray values should be; convert it.")
        foreground: LabelMap = (rgb[..., 0] > 127).astype(np.uint8)
        return foreground


@dataclass(frozen=True)
class ClassImage(StillImage):
    """An image that shows one object of a known category.

    Attributes:
        category: What object 1 is.
    """

    category: str

    def categories(self) -> dict[int, str]:
        """Return the category of object 1."""
        return {1: self.category}


@dataclass(frozen=True)
class _Layout:
    """Where a set keeps its files.

    Attributes:
        homes: Folders in which the set may begin, seen from the root.
        folders: Pairs of the folder of images and that of masks, seen from there.
        splits: Split -> pairs of its own, for a set that has splits.
        format: How the masks are stored.
        by_category: Images and masks lie side by side in one folder for each category.
        outlines: Masks may be ``SO<name>.mat``, with the pictures elsewhere under the root.
    """

    homes: tuple[str, ...] = (".",)
    folders: _Folders = _REPACKED
    splits: Mapping[str, _Folders] = field(default_factory=dict)
    format: MaskFormat = BINARY
    by_category: bool = False
    outlines: bool = False


def _duts(part: str) -> _Folders:
    images, masks = f"{part}-Image", f"{part}-Mask"
    return ((f"{part}/{images}", f"{part}/{masks}"), (images, masks), (part, part))


_LAYOUTS = {
    "dut_omron": _Layout(
        (".", "DUT-OMRON"), (("DUT-OMRON-image", "pixelwiseGT-new-PNG"), *_REPACKED)
    ),
    "duts": _Layout((".", "DUTS"), splits={"train": _duts("DUTS-TR"), "test": _duts("DUTS-TE")}),
    "ecssd": _Layout((".", "ECSSD", "ecssd"), (("images", "ground_truth_mask"), *_REPACKED)),
    "fss1000": _Layout(
        (".", "fss", "FSS-1000", "fewshot_data", "fewshot_data/fewshot_data"), by_category=True
    ),
    "hku_is": _Layout((".", "HKU-IS"), (("imgs", "gt"), *_REPACKED)),
    "msra10k": _Layout((".", "MSRA10K_Imgs_GT", "MSRA10K")),
    "pascal_s": _Layout(
        (".", "PASCAL-S", "pascal-s"),
        (*_REPACKED, ("datasets/imgs/pascal", "datasets/masks/pascal")),
        format=GradedMasks(),
    ),
    "sod": _Layout((".", "SOD"), (("images", "GT"), *_REPACKED), outlines=True),
    "stills": _Layout(),
}


class Saliency(StillDataset):
    """Images whose masks tell one object, or all salient objects as one, from the background.

    Names are the files' stems, behind the split in a set that has splits and behind the category in
    a set sorted by category: ``0001``, ``train/n01532829_13482``, ``abacus/1``.
    """

    def __init__(self, root: str | Path, *, layout: str, split: str | None = None) -> None:
        """Find the images and pair them with their masks; the folders are listed, nothing is read.

        Args:
            root: The folder that holds the set, at any level that the set is usually unpacked to.
            layout: Name of the set, e.g. ``ecssd``; ``stills`` is any folder in one of the forms
                named at the top.
            split: ``train`` or ``test`` of DUTS; None takes every image found.

        Raises:
            ConfigError: If there is no such layout or split.
            DatasetError: If the folders are missing or empty, an image has no mask or a mask has no
                image.
        """
        if layout not in _LAYOUTS:
            raise ConfigError(f"unknown layout {layout!r}{did_you_mean(layout, _LAYOUTS)}.")
        splits = _LAYOUTS[layout].splits
        if split is not None and split not in splits:
            choice = f"choose {' or '.join(splits)}, or none" if splits else "leave split unset"
            raise ConfigError(f"dataset {layout!r} has no split {split!r}; {choice}.")
        path = Path(root)
        stills = list(_stills(path, _LAYOUTS[layout], split))
        if not stills:
            raise DatasetError(_nothing_found(path, layout, split))
        super().__init__(stills)


def _stills(root: Path, layout: _Layout, split: str | None) -> Iterator[StillImage]:
    homes = [root / home for home in layout.homes]
    if layout.by_category:
        yield from _by_category(homes)
        return
    outlines = next((home for home in homes if any(home.glob("SO*.mat"))), None)
    if layout.outlines and outlines is not None:
        yield from _with_outlines(root, outlines)
        return
    parts = layout.splits or {"": layout.folders}
    for part, folders in parts.items():
        found = _first_present(homes, folders) if split in (None, part) else None
        if found is not None:
            for image, mask in _pairs(*found):
                name = f"{part}/{image.stem}" if part else image.stem
                yield StillImage(name, image, (mask,), layout.format)


def _by_category(homes: Iterable[Path]) -> Iterator[ClassImage]:
    for home in homes:
        folders = [path for path in home.glob("[!.]*") if path.is_dir()]
        if any(_holds(folder, _JPEG_SUFFIXES) for folder in folders):
            for folder in sorted(folders, key=lambda path: natural_key(path.name)):
                for image, mask in _pairs(folder, folder):
                    name = f"{folder.name}/{image.stem}"
                    yield ClassImage(name, image, (mask,), BINARY, folder.name)
            return


def _with_outlines(root: Path, folder: Path) -> Iterator[StillImage]:
    """Pair the outlines of SOD with the pictures of BSDS300, which is unpacked beside them."""
    images = {path.stem: path for path in root.rglob("[!.]*.jpg")}
    masks = {path.stem.removeprefix("SO"): path for path in folder.glob("SO*.mat")}
    names = sorted(masks, key=natural_key)
    missing = [name for name in names if name not in images]
    if missing:
        raise DatasetError(
            f"{root}: {len(missing)} masks have no image, first {masks[missing[0]].name}; unpack "
            "the pictures of BSDS300 there."
        )
    for name in names:
        yield StillImage(name, images[name], (masks[name],), SOD_OUTLINES)


def _first_present(homes: Iterable[Path], folders: _Folders) -> tuple[Path, Path] | None:
    for home in homes:
        for images, masks in folders:
            pair = home / images, home / masks
            if images == masks:
                present = _holds(pair[0], _JPEG_SUFFIXES)
            else:
                present = all(folder.is_dir() for folder in pair)
            if present:
                return pair
    return None


def _holds(folder: Path, suffixes: frozenset[str]) -> bool:
    return any(path.suffix.lower() in suffixes for path in folder.glob("[!.]*"))


def _pairs(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Pair images with masks by stem, in numeric-aware order; side by side, images are JPEGs."""
    if images == masks:
        if not _holds(masks, IMAGE_SUFFIXES - _JPEG_SUFFIXES):
            raise DatasetError(
                f"{images}: holds pictures but no masks; point root at the folder above, which "
                "holds both, or put <name>.png beside each picture."
            )
        image_paths = list_images(images, _JPEG_SUFFIXES)
        mask_paths = list_images(masks, IMAGE_SUFFIXES - _JPEG_SUFFIXES)
    else:
        image_paths, mask_paths = list_images(images), list_images(masks)
    mask_of = {path.stem: path for path in mask_paths}
    without = [path for path in image_paths if path.stem not in mask_of]
    if without:
        raise DatasetError(
            f"{images}: {len(without)} images have no mask, first {without[0].name}; compare with "
            f"{masks}, or unpack the set again."
        )
    known = {path.stem for path in image_paths}
    stray = [path for path in mask_paths if path.stem not in known]
    if stray:
        raise DatasetError(
            f"{masks}: {len(stray)} masks have no image, first {stray[0].name}; compare with "
            f"{images}, or unpack the set again."
        )
    return [(path, mask_of[path.stem]) for path in image_paths]


def _nothing_found(root: Path, name: str, split: str | None) -> str:
    layout = _LAYOUTS[name]
    if not root.is_dir():
        return f"{root}: no such folder; check the path."
    if layout.by_category:
        expected = "one folder for each category, with x.jpg and x.png side by side"
    else:
        splits = layout.splits
        folders = splits[split or next(iter(splits))] if splits else layout.folders
        pairs = [f"{a} + {b}" if a != b else f"x.jpg and x.png in {a}" for a, b in folders]
        expected = " or ".join(pairs)
    held = ", ".join(sorted(path.name for path in root.iterdir())[:8]) or "nothing"
    what = f"{name} split {split!r}" if split else name
    return f"{root}: is not laid out as {what}: there should be {expected}; it holds: {held}."
