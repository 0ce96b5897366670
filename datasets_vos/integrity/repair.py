"""Masks mended in a copy: soft edges cut, colours snapped, palettes written, modes evened out.

What is mended reads as before, wherever it could be read before; only where a palette's order made
the background an object, the colours count. Frames, masks of the wrong size,
damaged files and JPEG masks are left as they are.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

from datasets_vos.base import DiskClip
from datasets_vos.clips import ImageClip
from datasets_vos.images import load_pillow
from datasets_vos.integrity.editions import Usage
from datasets_vos.integrity.mask_files import (
    background_moved,
    filling,
    has_davis_palette,
    is_black_and_white,
    is_dark,
    is_picture,
    keeps_ids,
    softness,
    solid_ids,
)
from datasets_vos.mask_formats import INDEXED, MaskFormat
from datasets_vos.masks import write_mask
from datasets_vos.stills import StillImage
from datasets_vos.video import VideoClip
from vos_core.errors import MaskError, VOSError
from vos_core.palette import davis_palette
from vos_core.types import VOID, Image, LabelMap

# Ours: less of a smoothed mask than this is never left of the colours of its objects.
_EXACT_SHARE = 0.25
# Ours: how much the colours of one object may differ in a channel, where smoothing fades out.
_SAME_COLOUR = 16
# Wide smoothing leaves plateaus that are not quite white.
_WHITE = 250

_ONE_OBJECT = "soft masks cut above 127"
_SNAPPED = "colours snapped to those of the objects"
_PALETTE = "palettes written"
_DARK = "ids as grays made black and white"
_MODE = "pixel modes evened out"


def copy_tree(source: Path, target: Path, advance: Callable[[], None]) -> None:
    """Copy a file, or a folder with all that is in it, as plain writable files.

    Links are followed, and left out where they lead nowhere.

    Args:
        source: What to copy.
        target: Where to; does not exist.
        advance: Called after each file.

    Raises:
        OSError: If a file cannot be read or written.
    """
    if source.is_file():
        shutil.copyfile(source, target)
        advance()
        return
    for folder, _, files in os.walk(source, followlinks=True):
        inside = target / Path(folder).relative_to(source)
        inside.mkdir(parents=True)
        for name in files:
            path = Path(folder) / name
            if path.exists():
                shutil.copyfile(path, inside / name)
            advance()


def mend_masks(item: DiskClip | StillImage, usage: Usage) -> Counter[str]:
    """Mend the mask files of a clip or still image in place.

    Args:
        item: Of a copy; its mask files are replaced.
        usage: What is usual in the dataset.

    Returns:
        What was done, in words -> to how many files.
    """
    done: Counter[str] = Counter()
    if not isinstance(item, ImageClip | StillImage | VideoClip):
        return done
    format = INDEXED if isinstance(item, VideoClip) else item.format
    try:
        for path in _mask_files(item):
            if is_picture(path, format):
                done.update(_mend(path, format, item.size, usage))
    except VOSError:
        pass  # cannot be mended; verifying the copy tells why
    return done


def _mask_files(item: ImageClip | StillImage | VideoClip) -> Iterable[Path]:
    if isinstance(item, VideoClip):
        return (item.mask_path,)
    if isinstance(item, ImageClip):
        return chain.from_iterable(item.mask_paths.values())
    return item.mask_paths


def _mend(path: Path, format: MaskFormat, size: tuple[int, int], usage: Usage) -> list[str]:
    """Mend one file and return what was done, if anything."""
    try:
        image = load_pillow(path)
    except VOSError:
        return []
    if (image.height, image.width) != size:
        return []
    if not (keeps_ids(format) or is_black_and_white(format)):
        return []
    moved = background_moved(image)
    try:
        labels = None if moved else format.read((path,), size)
    except MaskError:
        labels = None
    if labels is None:
        snapped = _snap(image.convert("RGB") if moved else image)
        if snapped is None:
            return []
        what, labels = _SNAPPED, snapped
    else:
        needed = _need(image, labels, format, usage)
        if needed is None:
            return []
        what = needed
    if keeps_ids(format):
        write_mask(path, labels)
    else:
        gray = np.where(labels > 0, np.uint8(255), np.uint8(0))
        PIL.Image.fromarray(gray).save(path)
    return [what]


def _need(image: PIL.Image.Image, labels: LabelMap, format: MaskFormat, usage: Usage) -> str | None:
    """Tell what a readable mask needs."""
    unusual = image.mode in ("LA", "RGBA") or (usage.modes and image.mode not in usage.modes)
    if keeps_ids(format):
        if image.mode == "P":
            return None if has_davis_palette(image) else _PALETTE
        return _PALETTE if unusual or is_dark(image, format) else None
    if is_dark(image, format):
        return _DARK
    if image.mode in ("L", "LA"):
        gray = np.asarray(image.getchannel("L"))
        if softness(gray)[0] or not np.array_equal(gray > 0, labels > 0):
            return _ONE_OBJECT
    return _MODE if unusual else None


def _snap(image: PIL.Image.Image) -> LabelMap | None:
    """Return the ids that a smoothed mask had, or None where this cannot be told."""
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        return None
    rgba = np.asarray(image.convert("RGBA"))
    rgb = np.where(rgba[..., 3:] > 127, rgba[..., :3], np.uint8(0))
    if (rgb == rgb[..., :1]).all():
        return _cut_white(rgb[..., 0])
    return _snap_colours(rgb)


def _cut_white(gray: LabelMap) -> LabelMap | None:
    """Cut the soft edges of white objects, unless another value fills an area and may be an id."""
    solid = solid_ids(gray)
    if not solid or min(solid) < _WHITE:
        return None
    return (gray > 127).astype(np.uint8)


def _snap_colours(rgb: Image) -> LabelMap | None:
    """Take each pixel for the nearest of the colours that fill an area."""
    colours, inverse = np.unique(rgb.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colours) > np.iinfo(np.uint16).max:
        return None
    which = inverse.reshape(rgb.shape[:2]).astype(np.uint16)
    solid = filling(which)
    ids = np.array([_id_of(colour) for colour in colours[solid]], dtype=np.uint8)
    if 0 not in ids or not ids.any():
        return None
    for each in np.unique(ids):  # two objects must not become one
        if np.ptp(colours[solid][ids == each], axis=0).max() > _SAME_COLOUR:
            return None
    differences = colours[:, None].astype(int) - colours[solid]  # (all colours, solid ones, 3)
    nearest = ids[(differences**2).sum(axis=2).argmin(axis=1)]
    labels: LabelMap = nearest[which]
    kept = np.count_nonzero(np.isin(which, solid) & (labels > 0))
    return labels if kept >= _EXACT_SHARE * np.count_nonzero(labels) else None


def _id_of(colour: npt.NDArray[np.uint8]) -> int:
    """Return the id of a palette colour, or of the most similar one of black and the first seven.

    These seven are the mixtures of red, green and blue, in which masks are painted by hand.
    """
    palette = davis_palette()
    exact = np.flatnonzero((palette[:VOID] == colour).all(axis=1))
    if len(exact):
        return int(exact[0])
    differences = palette[:8].astype(int) - colour
    return int((differences**2).sum(axis=1).argmin())
