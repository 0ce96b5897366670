"""Bringing frames and label maps to the size at which networks work."""

import cv2
import numpy as np

from vos_core.types import Annotation, Image, LabelMap


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


def resize_annotation(annotation: Annotation, size: tuple[int, int] | None) -> LabelMap:
    """Resize what an annotation gives; an object too small for the size keeps one pixel.

    Objects may be tiny when they enter (YouTube-VOS, MOTS), and must not be lost before they grow.

    Args:
        annotation: Objects that it does not introduce become background.
        size: (height, width) to resize to; ``None`` is the native size.

    Returns:
        (h, w) uint8. An object is missing only where another tiny one has its pixel.
    """
    given = annotation.label_map
    label_map = resize_labels(np.where(np.isin(given, annotation.object_ids), given, 0), size)
    for object_id in annotation.object_ids:
        if not (label_map == object_id).any():
            middle = np.median(np.argwhere(given == object_id), axis=0)
            row, column = ((middle + 0.5) * label_map.shape / given.shape).astype(int)
            label_map[row, column] = object_id
    return label_map
