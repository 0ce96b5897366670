"""How well and how fast clean plates are filled, by each method.

    python -m benchmarks.plates --root ../shared/data/davis2016_dev [--out plates.png]

A hole as large as the object of each first frame, and of its shape, is cut where that frame shows
background, so the truth is known. Told are the mean difference from it, the sharpness (mean
gradient of the filling over that of the truth; 1 is right), and the time. ``--out`` writes a sheet:
each frame, and its plates by each method.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import PIL.Image
from rich.console import Console
from rich.table import Table

from augment.clean_plate import Filling, clean_plate
from augment.shapes import bounding_box
from benchmarks.command import machine
from datasets_vos import open_dataset
from vos_core.types import BinaryMask, Image
from vos_core.visual import contact_sheet

METHODS: tuple[Filling, ...] = get_args(Filling)
_STEP = 8  # pixels between the places that are tried
_MARGIN = 12  # pixels kept from the object


def hole_beside(mask: BinaryMask) -> BinaryMask | None:
    """Return a mask's shape moved to where it is farthest from itself, if it fits anywhere."""
    height, width = mask.shape
    x, y, box_width, box_height = bounding_box(mask)
    shape = mask[y : y + box_height, x : x + box_width]
    kernel = np.ones((2 * _MARGIN + 1, 2 * _MARGIN + 1), np.uint8)
    near = cv2.dilate(mask.astype(np.uint8), kernel) > 0
    best, farthest = None, 0.0
    for top in range(0, height - box_height + 1, _STEP):
        for left in range(0, width - box_width + 1, _STEP):
            distance = float(np.hypot(left - x, top - y))
            window = np.s_[top : top + box_height, left : left + box_width]
            if distance > farthest and not (near[window] & shape).any():
                best, farthest = window, distance
    if best is None:
        return None
    hole = np.zeros_like(mask)
    hole[best] = shape
    return hole


def sharpness(image: Image, hole: BinaryMask) -> float:
    """Return the mean gradient of an image within a hole, in grey levels a pixel."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    x, y = cv2.Sobel(gray, -1, 1, 0, scale=1 / 8), cv2.Sobel(gray, -1, 0, 1, scale=1 / 8)
    return float(np.hypot(x, y)[hole].mean())


def main() -> None:
    """Fill, compare, print one table."""
    parser = argparse.ArgumentParser(description="quality of clean plates")
    parser.add_argument("--root", type=Path, required=True, help="a DAVIS 2016 folder")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), help="height, width")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    errors: dict[Filling, list[float]] = {method: [] for method in METHODS}
    sharp: dict[Filling, list[float]] = {method: [] for method in METHODS}
    seconds: dict[Filling, list[float]] = {method: [] for method in METHODS}
    cells, captions, compared = [], [], 0
    size = (args.size[1], args.size[0])
    for clip in open_dataset("davis2016", args.root):
        frame = cv2.resize(clip.frame(0), size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(clip.annotations[0].label_map, size, interpolation=cv2.INTER_NEAREST) > 0
        hole = hole_beside(mask)
        compared += hole is not None
        cells.append(frame)
        captions.append(clip.name)
        for method in METHODS:
            began = time.perf_counter()
            cells.append(clean_plate(frame, mask, filling=method))
            seconds[method].append(time.perf_counter() - began)
            captions.append(method)
            if hole is not None:
                spoilt = np.where(hole[..., None], np.uint8(255), frame)
                plate = clean_plate(spoilt, hole, filling=method)
                errors[method].append(float(np.abs(plate.astype(int) - frame)[hole].mean()))
                sharp[method].append(sharpness(plate, hole) / sharpness(frame, hole))
    title = f"{compared} holes of {size[0]}x{size[1]}; {machine()}"
    table = Table("filling", "difference", "sharpness", "seconds", title=title)
    for method in METHODS:
        table.add_row(
            method,
            f"{statistics.mean(errors[method]):.1f}",
            f"{statistics.mean(sharp[method]):.2f}",
            f"{statistics.median(seconds[method]):.2f}",
        )
    Console().print(table)
    if args.out:
        small = [cv2.resize(cell, (427, 240), interpolation=cv2.INTER_AREA) for cell in cells]
        sheet = contact_sheet(small, columns=1 + len(METHODS), captions=captions)
        PIL.Image.fromarray(sheet).save(args.out)


if __name__ == "__main__":
    main()
