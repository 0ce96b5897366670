"""How long a dense CRF takes a frame with each backend, and on how many labels they agree.

Run from the repository root::

    python -m benchmarks.crf [--image I --mask M] [--repeats 10] [--preset default] [--device cuda]

Without a frame, one is drawn. The probabilities are those of the mask, eroded and blurred; for six
labels it is cut into five upright parts. The backends take turns on one core; with a device, the
torch backend runs there too, on tensors that are there already.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command import machine
from benchmarks.dreaming import draw_frame
from datasets_vos.images import read_image
from datasets_vos.masks import read_mask
from vos_core.postprocess import CRF_PRESETS, DenseCRF
from vos_core.types import BinaryMask, FloatArray, Image

SIZES = ((240, 432), (480, 854))
LABELS = (2, 6)


def probabilities_of(mask: BinaryMask, labels: int) -> FloatArray:
    """Return (labels, H, W) rough probabilities of a mask cut into labels - 1 upright parts."""
    columns = np.flatnonzero(mask.any(axis=0))
    ends = np.linspace(columns[0], columns[-1] + 1, labels).round().astype(int)
    kernel = np.ones((7, 7), np.uint8)
    objects = []
    for left, right in itertools.pairwise(ends):
        part = np.zeros(mask.shape, np.float32)
        part[:, left:right] = mask[:, left:right]
        objects.append(0.01 + 0.9 * cv2.GaussianBlur(cv2.erode(part, kernel), (0, 0), 4))
    return np.stack([1 - sum(objects), *objects]).astype(np.float32)


def milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """Return how long something took, until the device was done."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return 1000 * (time.perf_counter() - began)


def measure(
    crf: DenseCRF, image: Image, before: FloatArray, repeats: int, device: torch.device
) -> tuple[dict[str, float], float]:
    """Return the median milliseconds of each backend, and the share of labels that agree."""
    other, here = replace(crf, backend="pydensecrf"), torch.from_numpy(before)
    runs: dict[str, Callable[[], object]] = {
        "torch": lambda: crf(image, here),
        "pydensecrf": lambda: other(image, here),
    }
    if device.type != "cpu":
        there = here.to(device)
        runs[f"torch on {device.type}"] = lambda: crf(image, there)
    agree = (crf(image, here).argmax(dim=0) == other(image, here).argmax(dim=0)).float().mean()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, work in runs.items():
            cost = milliseconds(work, device)
            if turn:  # the first one warms up
                taken[name].append(cost)
    return {name: statistics.median(costs) for name, costs in taken.items()}, float(agree)


def main() -> None:
    """Parse the arguments and print the table."""
    parser = argparse.ArgumentParser(description="time of a dense CRF")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--preset", default="default", choices=CRF_PRESETS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    frame, label_map = draw_frame()
    if args.image and args.mask:
        frame, label_map = read_image(args.image), read_mask(args.mask)
    rows = []
    for height, width in SIZES:
        image = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(label_map, (width, height), interpolation=cv2.INTER_NEAREST) > 0
        for labels in LABELS:
            before = probabilities_of(mask, labels)
            costs, agree = measure(
                CRF_PRESETS[args.preset], image, before, args.repeats, torch.device(args.device)
            )
            rows.append((f"{width}x{height}", str(labels), costs, agree))
    columns = [f"{name} (ms)" for name in rows[0][2]]
    title = f"a frame, preset {args.preset!r}, one core; {machine()}"
    table = Table("size", "labels", *columns, "same labels", title=title)
    for size, labels_shown, costs, agree in rows:
        table.add_row(
            size, labels_shown, *(f"{cost:.0f}" for cost in costs.values()), f"{100 * agree:.3f} %"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
