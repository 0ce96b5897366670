"""The clean plate: a frame with its objects painted out."""

import cv2
import numpy as np

from augment.deformation import dilate
from vos_core.types import BinaryMask, Image


def clean_plate(image: Image, objects: BinaryMask, margin: int = 3, radius: int = 5) -> Image:
    """Fill the place of the objects from their surroundings (Bertalmio et al., CVPR 2001).

    Args:
        image: (H, W, 3) uint8 RGB.
        objects: (H, W) bool, all objects together.
        margin: Pixels by which the hole is grown, so that no rim of an object remains.
        radius: Neighbourhood that each filled pixel is taken from, in pixels.

    Returns:
        (H, W, 3) uint8; the input itself where there is no object. A frame that is all object
        is filled with its mean colour.
    """
    hole = dilate(objects.astype(np.uint8), margin)
    if not hole.any():
        return image
    if hole.all():
        return np.broadcast_to(image.mean(axis=(0, 1)).round().astype(np.uint8), image.shape).copy()
    # Telea's method is as fast but rounds down: a plain background gets up to 7 levels darker,
    # a stain that gives away where the object was
    return np.asarray(cv2.inpaint(image, hole, radius, cv2.INPAINT_NS), dtype=np.uint8)
