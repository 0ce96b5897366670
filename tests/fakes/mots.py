"""The layouts of KITTI-MOTS and MOTS20: 16-bit instance codes with a region to ignore."""

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import PIL.Image

from tests.fakes.scene import fake_frame, fake_label_map

FRAMES = 5
# The late object has the smallest code, so ids do not follow the order in which objects enter.
CODES = {1: 1007, 2: 2001, 3: 1002}
IDS = {1: 2, 2: 3, 3: 1}
IGNORED_ROWS, IGNORED_COLUMNS = slice(42, 48), slice(0, 10)
SEQUENCES = {"kitti": ("0000", "0002", "0007"), "mots20": ("0002", "0005")}


def write_codes(path: Path, codes: npt.NDArray[np.uint16]) -> None:
    """Write (H, W) codes as a 16-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(codes).save(path)


def mots_codes(t: int, objects: tuple[int, ...] = (1, 2, 3)) -> npt.NDArray[np.uint16]:
    """Return the (H, W) codes of frame ``t``; object 3 is late."""
    code_of = np.zeros(256, dtype=np.uint16)
    code_of[list(CODES)] = list(CODES.values())
    codes = code_of[fake_label_map(t, objects)]
    codes[IGNORED_ROWS, IGNORED_COLUMNS] = 10000
    return codes


def make_mots(root: Path, *, layout: Literal["kitti", "mots20"]) -> Path:
    """Write sequences into ``train``, one into ``test`` without instances; return the root.

    The first sequence has a late object.
    """
    first = 0 if layout == "kitti" else 1
    suffix = ".png" if layout == "kitti" else ".jpg"
    for sequence in SEQUENCES[layout]:
        objects = (1, 2, 3) if sequence == SEQUENCES[layout][0] else (1, 2)
        folder = root / "train" / "images" / sequence
        _frames(folder, first, suffix, objects)
        for t in range(FRAMES):
            path = root / "train" / "instances" / sequence / f"{t + first:06d}.png"
            write_codes(path, mots_codes(t, objects))
    _frames(root / "test" / "images" / "0001", first, suffix, (1, 2))
    return root


def _frames(folder: Path, first: int, suffix: str, objects: tuple[int, ...]) -> None:
    folder.mkdir(parents=True)
    for t in range(FRAMES):
        image = PIL.Image.fromarray(fake_frame(t, objects))
        image.save(folder / f"{t + first:06d}{suffix}")
