"""Masks painted over frames, and frames laid out on sheets."""

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from vos_core.errors import MaskError
from vos_core.palette import davis_palette
from vos_core.types import Image, LabelMap

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_MIN_LUMA = 90
_CAPTION_SIZE = 14  # pixels
_CAPTION_HEIGHT = 22
_GAP = 4
_SHEET_COLOUR = (24, 24, 27)
_CAPTION_COLOUR = (228, 228, 231)


@lru_cache(maxsize=1)
def object_colours() -> npt.NDArray[np.uint8]:
    """Return (256, 3) uint8 RGB colours for painting on frames; entry 0 stays black.

    The palette of the mask files is made for telling ids apart, and most of it is too dark to be
    seen on a picture. Here each colour keeps its hue, but is lifted by a power curve and then mixed
    with white until its luma is at least 90.
    """
    colours = 255 * (davis_palette() / 255.0) ** 0.35
    luma = colours @ _LUMA
    white = np.clip((_MIN_LUMA - luma) / (255 - luma), 0, 1)[:, None]
    bright: npt.NDArray[np.uint8] = np.ceil(colours + white * (255 - colours)).astype(np.uint8)
    bright[0] = 0
    bright.setflags(write=False)
    return bright


def contours(label_map: LabelMap, thickness: int = 2) -> npt.NDArray[np.uint8]:
    """Return (H, W) uint8, 1 on the object pixels within ``thickness`` of another label."""
    kernel = np.ones((2 * thickness + 1, 2 * thickness + 1), dtype=np.uint8)
    mixed: npt.NDArray[np.bool_] = cv2.dilate(label_map, kernel) != cv2.erode(label_map, kernel)
    edge: npt.NDArray[np.bool_] = mixed & (label_map > 0)
    return edge.view(np.uint8)


def overlay(frame: Image, label_map: LabelMap, alpha: float = 0.5) -> Image:
    """Paint each object in its colour, with an opaque contour.

    Args:
        frame: (H, W, 3) uint8 RGB; it is not changed.
        label_map: (H, W) uint8.
        alpha: Opacity of the paint inside the contour, in [0, 1]; 0 draws contours only.

    Raises:
        MaskError: If the sizes differ.
    """
    label_map = np.ascontiguousarray(label_map)
    if frame.shape[:2] != label_map.shape:
        raise MaskError(f"the frame has shape {frame.shape}, its label map {label_map.shape}")
    colours = cv2.LUT(cv2.merge([label_map] * 3), object_colours()[None])
    painted = np.ascontiguousarray(frame).copy()
    if alpha > 0:
        blended = cv2.addWeighted(painted, 1 - alpha, colours, alpha, 0)
        cv2.copyTo(blended, label_map, painted)
    cv2.copyTo(colours, contours(label_map), painted)
    return painted


def contact_sheet(
    images: Sequence[Image], columns: int, captions: Sequence[str] | None = None
) -> Image:
    """Lay images out in rows, each in a cell of the largest height and width.

    Args:
        images: One or more (H, W, 3) uint8 RGB, of any sizes.
        columns: Images per row, at least 1; fewer images make a narrower sheet.
        captions: One line under each image, or None.

    Raises:
        ValueError: If there is no image, no column, or not one caption per image.
    """
    if not images or columns < 1:
        raise ValueError(f"a sheet needs images and columns, got {len(images)} and {columns}")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(images)} images need as many captions, got {len(captions)}")
    columns = min(columns, len(images))
    cell_height = max(i.shape[0] for i in images) + (_CAPTION_HEIGHT if captions else 0)
    cell_width = max(i.shape[1] for i in images)
    rows = math.ceil(len(images) / columns)
    size = (columns * (cell_width + _GAP) - _GAP, rows * (cell_height + _GAP) - _GAP)
    sheet = PILImage.new("RGB", size, _SHEET_COLOUR)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_CAPTION_SIZE)
    for index, image in enumerate(images):
        x = index % columns * (cell_width + _GAP)
        y = index // columns * (cell_height + _GAP)
        sheet.paste(PILImage.fromarray(image), (x, y))
        if captions is not None:
            caption = _fitting(captions[index], font, cell_width - 4)
            y += cell_height - _CAPTION_HEIGHT // 2
            draw.text((x + 4, y), caption, _CAPTION_COLOUR, font, anchor="lm")
    return np.asarray(sheet)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Cut a caption so that it does not run into the next cell."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text
