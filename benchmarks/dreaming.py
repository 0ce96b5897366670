"""How long lucid dreams take, beside a straightforward scikit-image implementation and the floor.

Run from the repository root::

    python -m benchmarks.dreaming [--image I --mask M] [--repeats 20] [--device cuda]

Without a frame, one with two discs is made. The plain version renders the same plan: every layer
is warped over the whole frame with each pixel's position computed, blended in floating point, and
lit in HSV; it has no flow. All take turns on one core; label maps must agree on 99 % of the
pixels, else the script stops.

The floor is what nobody can do without: reading each source pixel that is shown and writing each
pixel of the result once ("copying"), and the bare resampling of the layers at known positions
("warps").
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table
from skimage.color import hsv2rgb, rgb2hsv
from skimage.transform import warp as plain_warp

from augment.deformation import PREVIOUS_MASKS
from augment.geometry import BackwardMap, Points, sampling_map, warp
from augment.lucid import PRESETS, DreamPlan, LucidDreamer, LucidScene
from augment.lucid.sampler import LucidSampler
from augment.refinement import Gathered
from benchmarks.command import machine
from datasets_vos.images import read_image
from datasets_vos.masks import read_mask
from vos_core.types import Image, LabelMap

SIZES = ((480, 854), (240, 432))
BATCH = 10
RANGES = PRESETS["adaptation"]


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

    def backward(layer: BackwardMap[Points], corner: tuple[int, int]) -> Callable[..., object]:
        return lambda points: layer(points) - corner

    size = scene.size
    plate = plan.plate.now if now else plan.plate.before
    image = plain_warp(scene.plates[0] / 255, backward(plate, (0, 0)), mode="reflect")
    label_map = np.zeros(size, dtype=np.uint8)
    for each in plan.objects:
        layer = each.layer.now if now else each.layer.before
        cut_out = scene.cut_outs[each.source]
        rgba = plain_warp(cut_out.rgba / 255, backward(layer, cut_out.corner), output_shape=size)
        alpha = rgba[..., 3:]
        image = alpha * rgba[..., :3] + (1 - alpha) * image
        label_map[rgba[..., 3] > 0.5] = each.object_id
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


def warps_of(scene: LucidScene, plan: DreamPlan) -> tuple[Callable[[], None], int]:
    """Return the bare resampling of a pair's layers, and the bytes that it reads and writes."""
    jobs = []
    for now in (True, False):
        plate = plan.plate.now if now else plan.plate.before
        jobs.append((scene.plates[0], sampling_map(scene.size, plate, step=64)))
        for each in plan.objects:
            if window := each.window(scene.size, now=now):
                layer = each.layer.now if now else each.layer.before
                cut_out = scene.cut_outs[each.source]
                positions = sampling_map(window.size, layer, corner=window.corner)
                positions = positions - np.array(cut_out.corner, np.float32)
                jobs += [(cut_out.rgba, positions), (cut_out.solid, positions)]
    pixels = [
        (positions.size // 2) * (image.size // image[..., 0].size) for image, positions in jobs
    ]

    def resample() -> None:
        for image, positions in jobs:
            warp(image, positions)

    return resample, 2 * sum(pixels)


def measure(scene: LucidScene, repeats: int) -> dict[str, float]:
    """Return the median time of each kind of work, in ms."""
    pair, single = LucidDreamer(RANGES, pair=True, flow=True), LucidDreamer(RANGES)
    sampler = LucidSampler([scene], single, PREVIOUS_MASKS["adaptation"])
    plans = [single.draw(scene, np.random.default_rng(k)) for k in range(repeats)]
    for plan in plans[:3]:
        agreed = single.render(scene, plan).label_map == plain_frame(scene, plan, now=True)[1]
        if agreed.mean() < 0.99:
            raise SystemExit("the two implementations disagree; the times would mean nothing")
    warps = [warps_of(scene, plan) for plan in plans]
    flows = 2 * 8 * scene.plates[0].size // 3  # two fields of two floats
    buffers = [np.ones((size + flows) // 2, dtype=np.uint8) for _, size in warps]
    work: Mapping[str, Callable[[int], object]] = {
        "pair with flow": lambda k: pair(scene, np.random.default_rng(k)),
        "training sample": lambda k: sampler(np.random.default_rng(k)),
        "drawing alone": lambda k: single.draw(scene, np.random.default_rng(k)),
        "plain pair": lambda k: [plain_frame(scene, plans[k], now=now) for now in (True, False)],
        "warps of a pair": lambda k: warps[k][0](),
        "copying a pair": lambda k: buffers[k].copy(),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for name in [*work, *work]:
        times[name] += milliseconds(work[name], repeats if "plain" not in name else 3)
    return {name: statistics.median(each) for name, each in times.items()}


def measure_batches(scene: LucidScene, device: torch.device, repeats: int) -> dict[str, float]:
    """Return the median time a training sample takes in batches on a device, in ms."""
    sampler = LucidSampler([scene], LucidDreamer(RANGES), PREVIOUS_MASKS["adaptation"])

    def draw(k: int) -> Gathered:
        return sampler.gather([sampler.plan(np.random.default_rng([k, i])) for i in range(BATCH)])

    drawn = [draw(k) for k in range(repeats)]

    def paint(k: int) -> None:
        batch = sampler.join(drawn[k], device)
        batch["image"][0, 0, 0, 0].item()  # waits until all is done

    paint(0)
    draws = milliseconds(draw, repeats)
    return {
        "drawing (CPU)": statistics.median(draws) / BATCH,
        f"painting ({device.type})": statistics.median(milliseconds(paint, repeats)) / BATCH,
    }


def show(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print one row per size."""
    columns = list(next(iter(rows.values())))
    table = Table("size", *columns, title=title)
    for size, times in rows.items():
        table.add_row(size, *(f"{times[name]:.2f} ms" for name in columns))
    Console().print(table)


def main() -> None:
    """Parse the arguments and print two tables."""
    parser = argparse.ArgumentParser(description="time of lucid dreams")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    frame, labels = draw_frame()
    if args.image and args.mask:
        frame, labels = read_image(args.image), read_mask(args.mask)
    single, batched = {}, {}
    for height, width in SIZES:
        image = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
        began = time.perf_counter()
        scene = LucidScene.from_frame(image, mask)
        seconds = time.perf_counter() - began
        single[f"{width}x{height}"] = measure(scene, args.repeats)
        Console().print(f"{width}x{height}: taking the frame apart took {seconds:.2f} s")
        batched[f"{width}x{height}"] = measure_batches(
            scene, torch.device(args.device), max(2, args.repeats // 5)
        )
    show(f"one core; {machine()}", single)
    show(f"a sample in batches of {BATCH}", batched)


if __name__ == "__main__":
    main()
