"""Frames to dream of, and ranges in which nothing happens."""

import cv2
import numpy as np

from augment.lucid import Dream, LucidDreamer, LucidRanges, LucidScene
from vos_core.types import Image, LabelMap

SIZE = (97, 129)
FROZEN = LucidRanges(
    object_scale=0,
    object_angle=0,
    object_mirror=0,
    object_placement=0,
    spline_shift=0,
    background_scale=0,
    background_angle=0,
    background_shift=0,
    background_mirror=0,
    motion_shift=0,
    motion_scale=0,
    motion_angle=0,
    motion_spline=0,
    camera_shift=0,
    camera_scale=0,
    camera_angle=0,
    light=0,
)


def frame() -> tuple[Image, LabelMap]:
    """A textured frame with a disc of id 3, a box of id 200, and a spot of void."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8), (0, 0), 3)
    labels = np.zeros(SIZE, dtype=np.uint8)
    cv2.circle(labels, (40, 40), 18, 3, -1)
    labels[60:85, 80:120] = 200
    labels[2:6, 2:6] = 255
    image[labels == 3] = (220, 40, 40)
    image[labels == 200] = (40, 220, 40)
    return image, labels


def scene_of(image: Image, labels: LabelMap) -> LucidScene:
    """Take a frame apart in the fastest way."""
    return LucidScene.from_frame(image, labels, filling="navier_stokes")


def dream(ranges: LucidRanges, seed: int = 0, pair: bool = False) -> Dream:
    """Dream of the frame."""
    return LucidDreamer(ranges, pair)(scene_of(*frame()), np.random.default_rng(seed))


def scene_of_a_disc() -> LucidScene:
    """The frame with its disc alone, so that nothing hides it."""
    image, labels = frame()
    return scene_of(image, np.where(labels == 3, labels, 0).astype(np.uint8))


def centre_of(labels: LabelMap, object_id: int) -> np.ndarray:
    """Centre of gravity (x, y) of an object."""
    return np.argwhere(labels == object_id).mean(axis=0)[::-1]
