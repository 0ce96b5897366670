"""The YouTube-Objects layout: PNG images, and JPEG labels of half their size on few of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image

from tests.fakes.scene import fake_frame, fake_label_map

# clip -> object of the scene; its shot is shots/<the last part>
CLIPS = {"cat_0001_001": 1, "cat_0001_002": 2, "dog_0003_001": 1}
LABELLED = (0, 4, 8)


def shot_folder(root: Path, clip: str) -> Path:
    """Return the folder of a clip's ``images`` and ``labels``."""
    category, video, shot = clip.split("_")
    return root / category / "data" / video / "shots" / shot


def make_youtube_objects(
    root: Path, *, frames: int = 10, labelled: Sequence[int] = LABELLED, full: bool = False
) -> Path:
    """Write every clip and return the folder of the classes.

    Numbers begin at 1. Labels have half the size of the images. The full variant has JPEG images
    with names of their own.
    """
    for clip, scene_id in CLIPS.items():
        images, labels = (shot_folder(root, clip) / name for name in ("images", "labels"))
        images.mkdir(parents=True)
        labels.mkdir()
        for t in range(frames):
            name = f"frame{t + 1:04d}.jpg" if full else f"{t + 1:05d}.png"
            PIL.Image.fromarray(fake_frame(t, (scene_id,))).save(images / name)
        for t in labelled:
            mask = (fake_label_map(t, (scene_id,))[::2, ::2] > 0).astype(np.uint8) * 255
            PIL.Image.fromarray(mask).save(labels / f"{t + 1:05d}.jpg", quality=75)
    return root
