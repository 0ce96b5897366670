"""How long optical flow takes: each estimator that needs no weights, and fields read from a cache.

    python -m benchmarks.flow [--repeats 20] [--threads 1]

The frames are a texture that moves by a few pixels, on which all estimators have work to do; the
mean error away from the border is told too. A field is read with its file in the system's cache,
as in a second run on the same clip.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command import machine
from vos_core.flow import CachedFlow, FlowEstimator, build_flow, list_flows
from vos_core.types import FloatArray, Image

SIZES = ((240, 432), (480, 854))
SHIFT = (5, -3)  # pixels right and down
_BORDER = 32


def moving_texture(size: tuple[int, int]) -> tuple[Image, Image]:
    """Return two (H, W, 3) frames; the second shows the first moved by :data:`SHIFT`."""
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    first = np.asarray(smooth, dtype=np.uint8)
    return first, np.roll(first, SHIFT, axis=(1, 0))


def milliseconds(work: Callable[[], FloatArray], repeats: int) -> float:
    """Return the median time of some work, done once before."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def measure(
    estimator: FlowEstimator, pair: tuple[Image, Image], folder: Path, repeats: int
) -> tuple[float, float, float]:
    """Return the times of estimating a field and of reading it, in ms, and its error in pixels."""
    source, target = pair
    field = estimator(source, target)[_BORDER:-_BORDER, _BORDER:-_BORDER]
    error = float(np.hypot(field[..., 0] - SHIFT[0], field[..., 1] - SHIFT[1]).mean())
    estimated = milliseconds(lambda: estimator(source, target), repeats)
    cached = CachedFlow(estimator, folder, {})
    return estimated, milliseconds(lambda: cached(source, target), repeats), error


def main() -> None:
    """Parse the arguments and print the table."""
    parser = argparse.ArgumentParser(description="time of optical flow")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    torch.set_num_threads(args.threads)
    headings = [
        f"{width}x{height}: {what}"
        for height, width in SIZES
        for what in ("estimated", "read", "error")
    ]
    table = Table("estimator", *headings, title=f"{args.threads} threads; {machine()}")
    with tempfile.TemporaryDirectory() as folder:
        for name in list_flows(weights=False):
            cells = []
            for size in SIZES:
                place = Path(folder) / f"{name}_{size[1]}"
                estimated, read, error = measure(
                    build_flow(name), moving_texture(size), place, args.repeats
                )
                cells += [f"{estimated:.1f} ms", f"{read:.1f} ms", f"{error:.2f} px"]
            table.add_row(name, *cells)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
