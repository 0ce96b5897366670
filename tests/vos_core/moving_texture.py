"""A textured frame that can be seen moving."""

import cv2
import numpy as np

from vos_core.types import Image


def texture(shift: tuple[int, int] = (0, 0), size: tuple[int, int] = (96, 128)) -> Image:
    """A smooth random texture whose content sits ``shift`` (x, y) further right and down."""
    noise = np.random.default_rng(0).integers(0, 255, (160, 192, 3), dtype=np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    x, y = 32 - shift[0], 32 - shift[1]
    return np.ascontiguousarray(smooth[y : y + size[0], x : x + size[1]])
