"""Fakes of the still-image sets: six images of the scene each, the last without an object."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from scipy.io import savemat

from tests.fakes.scene import AREAS, fake_frame, fake_label_map
from vos_core.types import LabelMap

IMAGES = 6
OBSERVERS = 7
DOUBTFUL = 106  # gray value of a pixel that fewer than half of the observers chose


def still_objects(k: int) -> tuple[int, ...]:
    """Return the ids of the objects in image ``k``."""
    if k == IMAGES - 1:
        return ()
    return (1, 2) if k % 2 else (1,)


def still_area(k: int) -> int:
    """Return how many pixels the objects of image ``k`` have."""
    return sum(AREAS[i] for i in still_objects(k))


def write_picture(path: Path, k: int) -> None:
    """Write image ``k``; the suffix of ``path`` chooses the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(fake_frame(k, still_objects(k))).save(path)


def write_gray(path: Path, gray: LabelMap) -> None:
    """Write an (H, W) uint8 array as an 8-bit gray file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(gray).save(path)


def white_on_black(k: int) -> LabelMap:
    """Return the mask of image ``k`` as 0 and 255."""
    return np.where(fake_label_map(k, still_objects(k)) > 0, np.uint8(255), np.uint8(0))


def graded(k: int) -> LabelMap:
    """Return the mask of image ``k`` as shares of observers; its last row is in doubt."""
    gray = np.where(white_on_black(k) > 0, np.uint8(234), np.uint8(0))
    gray[-1] = 21 if k == IMAGES - 1 else DOUBTFUL
    return gray


def make_pairs(
    images: Path,
    masks: Path,
    names: Iterable[str] = ("1", "2", "3", "4", "5", "10"),
    *,
    first: int = 0,
    suffix: str = ".jpg",
    draw: Callable[[int], LabelMap] = white_on_black,
) -> None:
    """Write images from number ``first`` on, and their gray masks, under the same names."""
    for k, name in enumerate(names, start=first):
        write_picture(images / f"{name}{suffix}", k)
        write_gray(masks / f"{name}.png", draw(k))


def make_saliency(root: Path, layout: str) -> Path:
    """Write a set in the layout of its own archives, and return its root."""
    if layout == "fss1000":
        for first, category in ((0, "abacus"), (3, "zebra")):
            folder = root / "fss" / category
            make_pairs(folder, folder, ("1", "2", "10"), first=first)
    elif layout == "duts":
        for first, part, names in ((0, "DUTS-TR", "abcd"), (4, "DUTS-TE", "ab")):
            folders = root / part / f"{part}-Image", root / part / f"{part}-Mask"
            make_pairs(*folders, names, first=first)
    elif layout == "sod":
        make_sod(root)
    elif layout == "hku_is":
        make_pairs(root / "imgs", root / "gt", suffix=".png")
    elif layout == "pascal_s":
        make_pairs(root / "images", root / "masks", draw=graded)
    else:
        images, masks = {
            "dut_omron": ("DUT-OMRON-image", "pixelwiseGT-new-PNG"),
            "ecssd": ("images", "ground_truth_mask"),
            "msra10k": ("MSRA10K_Imgs_GT/Imgs", "MSRA10K_Imgs_GT/Imgs"),
            "stills": ("images", "masks"),
        }[layout]
        make_pairs(root / images, root / masks)
    return root


def make_sod(root: Path) -> Path:
    """Write SOD: pictures as in BSDS300, and seven observers' outlines in MATLAB files.

    Four observers see every object, two see none, and one sees a square that nobody else sees.
    """
    for k in range(IMAGES):
        name = str(3096 + k)
        write_picture(
            root / "BSDS300" / "images" / ("test" if k < 2 else "train") / f"{name}.jpg", k
        )
        label_map = fake_label_map(k, still_objects(k))
        seen = [[outline(label_map == i)] for i in still_objects(k)]
        doubtful = np.zeros(label_map.shape, dtype=bool)
        doubtful[40:44, 2:6] = True
        observers = [seen] * 4 + [[]] * 2 + [[[outline(doubtful)]]]
        path = root / "SOD" / f"SO{name}.mat"
        write_ses(path, observers, label_map.shape, compress=k % 2 == 0)
    savemat(root / "SOD" / "DBidx.mat", {"SFprefix": np.arange(IMAGES) + 3096})
    return root


def outline(rectangle: np.ndarray) -> np.ndarray:
    """Return the corners of a rectangle of true pixels as MATLAB (row, column), from 1."""
    rows, columns = np.nonzero(rectangle)
    top, left, bottom, right = rows.min(), columns.min(), rows.max(), columns.max()
    corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
    return np.array(corners, dtype=np.float64) + 1


def write_ses(
    path: Path,
    observers: Sequence[Sequence[Sequence[np.ndarray]]],
    size: tuple[int, ...],
    *,
    compress: bool = True,
) -> None:
    """Write the struct ``SES``.

    Args:
        path: The file.
        observers: Of each observer, each object's parts, each an (n, 2) outline.
        size: (height, width) of the picture.
        compress: Whether to compress, as MATLAB 7 does.
    """
    sessions = []
    for number, objects in enumerate(observers, start=1):
        chosen: Any = np.zeros((0, 0))
        if objects:
            chosen = _struct([{"BND": _cell(parts), "IMP": 1, "objID": 1} for parts in objects])
        sessions.append({"session": number, "sj": number, "obj": chosen, "ImSize": list(size)})
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"SES": _struct(sessions)}, do_compression=compress)


def _struct(rows: Sequence[dict[str, Any]]) -> np.ndarray:
    """Return a 1 x n MATLAB struct array."""
    array = np.empty((1, len(rows)), dtype=[(field, object) for field in rows[0]])
    for i, row in enumerate(rows):
        array[0, i] = tuple(row.values())
    return array


def _cell(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return a 1 x n MATLAB cell array."""
    array = np.empty((1, len(values)), dtype=object)
    array[0, :] = [None] * len(values)
    for i, value in enumerate(values):
        array[0, i] = value
    return array
