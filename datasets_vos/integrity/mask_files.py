"""How one mask file is stored: what a reader smooths over but other tools stumble on."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from datasets_vos.images import load_pillow
from datasets_vos.mask_formats import (
    BinaryMasks,
    ImageMasks,
    IndexedMasks,
    LayeredMasks,
    MaskFormat,
)
from datasets_vos.masks import MAX_GRAY_ID
from vos_core.palette import davis_palette
from vos_core.types import LabelMap

# Files of these kinds keep pixel values; a JPEG mask is soft by nature and cannot be mended.
LOSSLESS = frozenset({".png", ".bmp"})
# Soft edges are at most this wide, in pixels; what is wider is a grade of its own.
_EDGE = 5


@dataclass(frozen=True)
class MaskFile:
    """What was seen in one file.

    Attributes:
        mode: Pillow's pixel mode, such as ``P``, ``L`` or ``I;16``.
        size: (height, width) in pixels.
        palette: Whether the colours of the ids in it are the DAVIS ones; True without a palette.
        moved: Whether its palette has another order, see :func:`background_moved`.
        dark: Whether it holds nothing but black and ids stored as grays, which look black too.
        soft: Share of the pixels above 0 that are neither 0 nor 255, where these two are meant.
        graded: Whether these pixels fill regions, instead of lying along edges.
    """

    mode: str
    size: tuple[int, int]
    palette: bool
    moved: bool
    dark: bool
    soft: float
    graded: bool


def keeps_ids(format: MaskFormat) -> bool:
    """Tell whether a format's files hold object ids."""
    return isinstance(format, IndexedMasks)


def is_black_and_white(format: MaskFormat) -> bool:
    """Tell whether a format's files hold one object each, in white."""
    return isinstance(format, LayeredMasks) or format.single


def is_picture(path: Path, format: MaskFormat) -> bool:
    """Tell whether a mask is an image of the frame's size that keeps its values."""
    return isinstance(format, ImageMasks) and path.suffix.lower() in LOSSLESS


def look_at(path: Path, format: MaskFormat) -> MaskFile:
    """Decode a mask file for which :func:`is_picture` holds.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If it is truncated or not an image.
    """
    image = load_pillow(path)
    size = (image.height, image.width)
    soft, graded = 0.0, False
    if image.mode in ("L", "LA") and is_black_and_white(format):
        soft, graded = softness(np.asarray(image.getchannel("L")))
    palette = image.mode != "P" or has_davis_palette(image)
    moved = background_moved(image)
    return MaskFile(image.mode, size, palette, moved, is_dark(image, format), soft, graded)


def has_davis_palette(image: PIL.Image.Image) -> bool:
    """Tell whether each index that occurs in a palette image has its DAVIS colour."""
    used, stored = _palette_of(image)
    # Only the colours in use count, and files may end their palette behind the last of them.
    if used.max() >= len(stored):
        return False
    return bool((stored[used] == davis_palette()[used]).all())


def background_moved(image: PIL.Image.Image) -> bool:
    """Tell whether black is not at index 0, but at another that occurs.

    Editors sort the palette when they choose the colours themselves; a reader of indices then
    takes the background for an object.
    """
    if image.mode != "P":
        return False
    used, stored = _palette_of(image)
    black = np.flatnonzero((stored == 0).all(axis=1))
    return 0 not in black and bool(np.isin(black, used).any())


def is_dark(image: PIL.Image.Image, format: MaskFormat) -> bool:
    """Tell whether a mask holds ids as gray values, none of which can be seen."""
    reads_ids = isinstance(format, IndexedMasks | BinaryMasks | LayeredMasks)
    if not reads_ids or image.mode not in ("L", "LA"):
        return False
    return bool(0 < np.asarray(image.getchannel("L")).max() <= MAX_GRAY_ID)


def _palette_of(
    image: PIL.Image.Image,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
    """Return the indices that occur in a palette image, and all its colours, (N, 3)."""
    used = np.flatnonzero(np.bincount(np.asarray(image).ravel()))
    return used, np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)


def softness(gray: LabelMap) -> tuple[float, bool]:
    """Return the share of the pixels above 0 that are neither 0 nor 255, and if they are grades.

    Args:
        gray: (H, W) uint8; values up to 32 alone are ids, and not soft.
    """
    between = cv2.inRange(gray, 1, 254)
    count = cv2.countNonZero(between)
    if not count or gray.max() <= MAX_GRAY_ID:
        return 0.0, False
    kernel = np.ones((_EDGE, _EDGE), np.uint8)
    core = cv2.erode(between, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return count / cv2.countNonZero(gray), bool(core.any())


def solid_ids(labels: LabelMap) -> set[int]:
    """Return the ids above 0 that fill a 3x3 square somewhere in a (H, W) map.

    The others are lines: thin objects, or what smoothing left of an edge.
    """
    return {int(i) for i in filling(labels) if i}


def filling(values: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.intp]:
    """Return the values that fill a 3x3 square somewhere in a (H, W) map, ascending."""
    kernel = np.ones((3, 3), np.uint8)
    inside = np.asarray(cv2.erode(values, kernel) == cv2.dilate(values, kernel))
    return np.flatnonzero(np.bincount(values[inside]))
