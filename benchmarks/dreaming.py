"""How long lucid dreams take, beside a straightforward scikit-image implementation.

Run from the repository root::

    python -m benchmarks.dreaming [--image I --mask M] [--repeats 20]

Without a frame, one with two discs is made. The plain version renders the same plan: every layer
is warped over the whole frame with each pixel's position computed, blended in floating point, and
lit in HSV. Both take turns on one core; label maps must agree on 99 % of the pixels, else the
script stops.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from skimage.color import hsv2rgb, rgb2hsv
from skimage.transform import warp

from augment.geometry import PointMap
from augment.lucid import DreamPlan, LucidDreamer, LucidScene
from benchmarks.command import machine
from datasets_vos.images import read_image
from datasets_vos.masks import read_mask
from vos_core.types import Image, LabelMap

SIZES = ((480, 854), (240, 432))


def draw_frame() -> tuple[Image, LabelMap]:
    """Return a textured frame with two discs."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (480, 854, 3), dtype=np.uint8), (0, 0), 4)
    labels = np.zeros((480, 854), dtype=np.uint8)
    cv2.circle(labels, (250, 240), 120, 1, -1)
    cv2.circle(labels, (560, 260), 90, 2, -1)
    return image, labels


def plain_frame(
    scene: LucidScene, plan: DreamPlan, *, now: bool
) -> tuple[npt.NDArray[np.float64], LabelMap]:
    """Render one frame of a plan in the straightforward way."""

    def backward(layer_map: PointMap, corner: tuple[int, int]) -> Callable[..., object]:
        return lambda points: layer_map(points) - corner

    size = scene.plate.shape[:2]
    plate = plan.plate.now if now else plan.plate.before
    image = warp(scene.plate / 255, backward(plate, (0, 0)), mode="reflect")
    label_map = np.zeros(size, dtype=np.uint8)
    for cut_out, layer in zip(plan.cut_outs, plan.layers, strict=True):
        moved = backward(layer.now if now else layer.before, cut_out.corner)
        rgba = warp(cut_out.rgba / 255, moved, output_shape=size)
        alpha = rgba[..., 3:]
        image = alpha * rgba[..., :3] + (1 - alpha) * image
        label_map[rgba[..., 3] > 0.5] = cut_out.object_id
    hsv = rgb2hsv(np.clip(image, 0, 1))
    for channel, light in zip((1, 2), plan.light, strict=True):
        lit = light.gain * hsv[..., channel] ** light.power + light.offset
        hsv[..., channel] = np.clip(lit, 0, 1)
    return hsv2rgb(hsv), label_map


def milliseconds(work: Callable[[int], object], repeats: int) -> list[float]:
    """Return the time of each repeat."""
    times = []
    for k in range(repeats):
        began = time.perf_counter()
        work(k)
        times.append(1e3 * (time.perf_counter() - began))
    return times


def measure(scene: LucidScene, repeats: int) -> dict[str, float]:
    """Return the median time of each kind of dream, in ms."""
    pair, single = LucidDreamer(pair=True, flow=True), LucidDreamer()
    plans = [single.draw(scene, np.random.default_rng(k)) for k in range(repeats)]
    for plan in plans[:3]:
        agreed = single.render(scene, plan).label_map == plain_frame(scene, plan, now=True)[1]
        if agreed.mean() < 0.99:
            raise SystemExit("the two implementations disagree; the times would mean nothing")
    work = {
        "pair with flow": lambda k: pair(scene, np.random.default_rng(k)),
        "single sample": lambda k: single(scene, np.random.default_rng(k)),
        "plain pair": lambda k: [plain_frame(scene, plans[k], now=now) for now in (True, False)],
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for name in [*work, *work]:
        times[name] += milliseconds(work[name], repeats if "plain" not in name else 3)
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    """Parse the arguments and print one table."""
    parser = argparse.ArgumentParser(description="time of lucid dreams")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    frame, labels = draw_frame()
    if args.image and args.mask:
        frame, labels = read_image(args.image), read_mask(args.mask)
    table = Table(
        "size", "pair with flow", "single sample", "plain pair", "faster", title=machine()
    )
    for height, width in SIZES:
        image = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
        times = measure(LucidScene.from_frame(image, mask), args.repeats)
        ratio = times["plain pair"] / times["pair with flow"]
        cells = [f"{each:.1f} ms" for each in times.values()]
        table.add_row(f"{width}x{height}", *cells, f"{ratio:.0f}x")
    Console().print(table)


if __name__ == "__main__":
    main()
