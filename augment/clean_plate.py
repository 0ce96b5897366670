"""The clean plate: a frame with its objects painted out."""

import warnings
from typing import Literal, get_args

import cv2
import numpy as np

from augment.patch_filling import fill_with_patches
from augment.shapes import dilate
from vos_core.errors import ConfigError
from vos_core.types import BinaryMask, Image

Filling = Literal["patches", "navier_stokes", "telea"]
"""How a hole is filled: with patches of its surroundings, or smoothly, by two methods of OpenCV."""


def clean_plate(
    image: Image,
    objects: BinaryMask,
    margin: int = 3,
    radius: int = 5,
    filling: Filling = "patches",
) -> Image:
    """Fill the place of the objects from their surroundings.

    Patches continue the texture around a hole, at half a second to one and a half per frame; a
    smooth filling (Bertalmio et al., CVPR 2001; Telea, 2004) takes a twentieth of that and leaves a
    smear that gives away where the object was.

    Args:
        image: (H, W, 3) uint8 RGB.
        objects: (H, W) bool, all objects together.
        margin: Pixels by which the hole is grown, so that no rim of an object remains.
        radius: Neighbourhood that each pixel of a smooth filling is taken from, in pixels.
        filling: The method. Where too little is left around the hole to take patches from, it is
            filled smoothly, with a warning.

    Returns:
        (H, W, 3) uint8, a copy even where there is no object. A frame that is all object is
        filled with its mean colour.

    Raises:
        ConfigError: If there is no such filling.
    """
    if filling not in get_args(Filling):
        raise ConfigError(f"filling is {filling!r}; choose one of {', '.join(get_args(Filling))}.")
    hole = dilate(objects.astype(np.uint8), margin)
    if not hole.any():
        return image.copy()
    if hole.all():
        return np.broadcast_to(image.mean(axis=(0, 1)).round().astype(np.uint8), image.shape).copy()
    if filling == "patches":
        filled = fill_with_patches(image, hole > 0)
        if filled is not None:
            return filled
        warnings.warn(
            "an object leaves too little of its frame to fill its place with patches of it; the "
            "place is filled smoothly",
            stacklevel=2,
        )
    # Telea's method is as fast, but a plain background comes out up to 7 levels off
    flag = cv2.INPAINT_TELEA if filling == "telea" else cv2.INPAINT_NS
    return np.asarray(cv2.inpaint(image, hole, radius, flag), dtype=np.uint8)
