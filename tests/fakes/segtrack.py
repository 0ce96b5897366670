"""The SegTrack-v2 layout: lists with a header, folders of objects, a mix of suffixes."""

from pathlib import Path

import numpy as np
import PIL.Image

from tests.fakes.scene import fake_frame, fake_label_map
from vos_core.types import BinaryMask

FRAMES = 5
# sequence -> objects of the scene, suffix of the images, suffixes of the masks, number of frame 0
SEQUENCES = {
    "alone": ((2,), ".png", (".bmp",), 7),
    "pair": ((1, 2), ".bmp", (".bmp", ".png"), 18),
}
HIDDEN_ROWS = 4


def frame_name(sequence: str, t: int) -> str:
    """Return the name of frame ``t``; numbers have no leading zeros, so 10 comes after 9."""
    return f"{sequence}_{SEQUENCES[sequence][3] + t}"


def object_mask(sequence: str, number: int, t: int) -> BinaryMask:
    """Return the (H, W) mask of the ``number``-th object, from 1.

    In ``pair`` object 2 also covers the top ``HIDDEN_ROWS`` rows of object 1.
    """
    objects = SEQUENCES[sequence][0]
    mask = fake_label_map(t) == objects[number - 1]
    if sequence == "pair" and number == 2:
        mask |= (fake_label_map(t) == 1) & (np.arange(48)[:, None] < 4 + HIDDEN_ROWS)
    return mask


def make_segtrack(root: Path) -> Path:
    """Write the two sequences and return the root."""
    for sequence, (objects, suffix, mask_suffixes, _) in SEQUENCES.items():
        truth = root / "GroundTruth" / sequence
        folders = [truth / str(k) for k in range(1, len(objects) + 1)]
        folders = folders if len(objects) > 1 else [truth]
        frames = root / "JPEGImages" / sequence
        for folder in (frames, *folders):
            folder.mkdir(parents=True)
        for t in range(FRAMES):
            name = frame_name(sequence, t)
            PIL.Image.fromarray(fake_frame(t)).save(frames / f"{name}{suffix}")
            for number, folder in enumerate(folders, start=1):
                gray = object_mask(sequence, number, t).astype(np.uint8) * 255
                image = PIL.Image.fromarray(np.repeat(gray[..., None], 3, axis=2))
                image.save(folder / f"{name}{mask_suffixes[number - 1]}")
        names = [frame_name(sequence, t) for t in range(FRAMES)]
        lists = root / "ImageSets"
        lists.mkdir(exist_ok=True)
        (lists / f"{sequence}.txt").write_text("\n".join([f"*{sequence} {FRAMES}", *names]) + "\n")
    return root
