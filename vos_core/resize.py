"""Bringing frames and label maps to the size at which networks work."""

import cv2
import numpy as np

from vos_core.types import Image, LabelMap


def resize_image(image: Image, size: tuple[int, int] | None) -> Image:
    """Resize a (H, W, 3) frame to ``size`` (height, width), averaging areas when it shrinks."""
    if size is None or image.shape[:2] == size:
        return image
    shrinks = size[0] < image.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size[::-1], interpolation=interpolation), dtype=np.uint8)


def resize_labels(label_map: LabelMap, size: tuple[int, int] | None) -> LabelMap:
    """Resize a (H, W) label map to ``size`` (height, width) without mixing ids."""
    if size is None or label_map.shape == size:
        return np.ascontiguousarray(label_map)
    resized = cv2.resize(label_map, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, dtype=np.uint8)
