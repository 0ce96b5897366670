"""How long steps of training take, recorded and compiled, too, and what waits for what.

    python -m benchmarks.adaptation [--device cuda] [--rows light-240 light-480] [--steps 30]
        [--workers 0 4] [--modes recorded default reduce-overhead]

Three parts: steps on a batch that is there already; whole steps of LucidTracker's and MaskTrack's
adaptation, samples included, with and without processes that draw them; frames a second of mask
propagation. All in one run, one after the other.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from augment.deformation import PREVIOUS_MASKS
from augment.lucid import PRESETS, LucidDreamer, LucidScene
from augment.lucid.sampler import LucidSampler
from augment.refinement import RefinementSampler, StillSampler, sample_batches
from benchmarks.command import machine
from benchmarks.dreaming import draw_frame
from vos_core.losses import refinement_loss
from vos_core.networks import build_network
from vos_core.optimisation import Solver
from vos_core.precision import autocast
from vos_core.propagation import AdaptationSettings, MaskPropagator, adapt
from vos_core.resize import resize_image
from vos_core.training_pass import Forward, Recorded
from vos_core.types import Image, LabelMap, RefinementSample


class Row(NamedTuple):
    """A network at work: its name and options, (H, W), samples a step."""

    network: str
    options: dict[str, str | int]
    size: tuple[int, int]
    batch: int


ROWS = {
    "light-240": Row("mask_refiner", {"encoder": "resnet18", "width": 16}, (240, 432), 4),
    "light-240-b8": Row("mask_refiner", {"encoder": "resnet18", "width": 16}, (240, 432), 8),
    "light-480": Row("mask_refiner", {"encoder": "resnet18", "width": 32}, (480, 854), 10),
    "vgg16-480": Row("deeplabv2_vgg16", {}, (480, 854), 10),
}


def frame_of(size: tuple[int, int]) -> tuple[Image, LabelMap]:
    """Return a textured frame with two discs."""
    image, labels = draw_frame()
    return resize_image(image, size), cv2.resize(labels, size[::-1], interpolation=0)


def build(row: Row, device: torch.device) -> nn.Module:
    """Build a row's network, from random weights."""
    torch.manual_seed(0)
    network = build_network(row.network, pretrained=False, **row.options)
    return network.to(device).to(memory_format=torch.channels_last)


def wait(device: torch.device) -> None:
    """Wait until a device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, repeats: int) -> list[float]:
    """Return the time each repeat takes, to its end on the device."""
    times = []
    for _ in range(repeats):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - began)
    return times


def random_batch(row: Row, device: torch.device) -> RefinementSample:
    """Return a batch of noise."""
    image = torch.rand(row.batch, 3, *row.size, device=device)
    target = (image.mean(dim=1) > 0.5).long()
    return {"image": image, "previous_mask": target[:, None].float(), "target": target}


def step_times(
    row: Row, device: torch.device, mode: str | None, steps: int
) -> tuple[float, float, float]:
    """Return the time of the first step and the median of the others in s, and TFLOP a step.

    The mode is "recorded", one of torch.compile, or None for the network as it is.
    """
    network = copy.deepcopy(build(row, device)).train()
    optimizer, _ = Solver("adamw", 1e-3, 1e-4).build(network, 10 * steps)
    forward: Forward = network
    if mode:
        forward = Recorded(network) if mode == "recorded" else torch.compile(network, mode=mode)
    batch = random_batch(row, device)

    def step() -> None:
        with autocast(device, "auto"):
            logits = forward(
                batch["image"].to(memory_format=torch.channels_last), batch["previous_mask"]
            )
        loss = refinement_loss(logits.float(), batch["target"])
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()

    first = seconds(step, device, 1)[0]
    seconds(step, device, 3)
    later = statistics.median(seconds(step, device, steps))
    if mode:
        return first, later, 0.0
    with FlopCounterMode(display=False) as counter:
        step()
    return first, later, counter.get_total_flops() / 1e12


def samplers(size: tuple[int, int]) -> dict[str, RefinementSampler]:
    """Return what LucidTracker and MaskTrack draw samples of a frame from."""
    image, labels = frame_of(size)
    rough = PREVIOUS_MASKS["adaptation"]
    scene = LucidScene.from_frame(image, labels)
    return {
        "lucid": LucidSampler([scene], LucidDreamer(PRESETS["adaptation"]), rough).only(1),
        "masktrack": StillSampler([(image, labels)], rough).only(1),
    }


def adaptation_time(
    row: Row,
    sampler: RefinementSampler,
    device: torch.device,
    workers: int,
    steps: int,
    *,
    compile: bool,
) -> tuple[float, float]:
    """Return ms a step of a whole adaptation, its start left out, and of the samples alone."""
    settings = AdaptationSettings(
        steps + 10, Solver("adamw", 1e-3, 1e-4), row.batch, workers, compile=compile
    )
    times: list[float] = []

    def note(step: int, _: Tensor) -> None:
        if step in (9, steps + 9):
            wait(device)
            times.append(time.perf_counter())

    with closing(sample_batches(sampler, row.batch, [0], device, workers)) as batches:
        adapt(build(row, device), batches, refinement_loss, settings, note)
    with closing(sample_batches(sampler, row.batch, [1], device, workers)) as batches:
        drawn: Iterator[RefinementSample] = islice(batches, 10 + steps)
        next(drawn)
        alone = seconds(lambda: next(drawn), device, steps)
    return 1e3 * (times[1] - times[0]) / steps, 1e3 * sum(alone) / steps


def frames_a_second(row: Row, device: torch.device, frames: int) -> float:
    """Return the speed of mask propagation of one object, both mirror images, no flow."""
    propagator = MaskPropagator(build(row, device), flip_average=True)
    image, labels = frame_of(row.size)
    frame = torch.from_numpy(image).to(device).permute(2, 0, 1).float() / 255
    propagator.start(frame, torch.from_numpy((labels == 1).astype(np.uint8)).to(device))
    seconds(lambda: propagator.step(frame), device, 3)
    return 1 / statistics.median(seconds(lambda: propagator.step(frame), device, frames))


def table_of_steps(
    names: Sequence[str], device: torch.device, modes: Sequence[str], steps: int
) -> Table:
    """Measure steps on batches that are there, as they are and in other modes."""
    table = Table("row", "TFLOP a step", "eager ms", "peak GiB", title="steps")
    for mode in modes:
        table.add_column(f"{mode} ms")
        table.add_column("ratio")
        table.add_column("first s")
    for name in names:
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        _, eager, operations = step_times(ROWS[name], device, None, steps)
        peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else float("nan")
        cells = [f"{operations:.3f}", f"{1e3 * eager:.1f}", f"{peak:.1f}"]
        for mode in modes:
            first, later, _ = step_times(ROWS[name], device, mode, steps)
            cells += [f"{1e3 * later:.1f}", f"{eager / later:.2f}", f"{first:.0f}"]
        table.add_row(name, *cells)
    return table


def table_of_adaptations(
    names: Sequence[str], device: torch.device, workers: Sequence[int], steps: int, *, compile: bool
) -> Table:
    """Measure adaptations with their samples, and propagation."""
    title = "adaptation, compiled" if compile else "adaptation"
    columns = ("row", "samples", "workers", "ms a step", "samples alone ms", "frames/s")
    table = Table(*columns, title=title)
    for name in names:
        speed = f"{frames_a_second(ROWS[name], device, steps):.1f}"
        for kind, sampler in samplers(ROWS[name].size).items():
            for count in workers:
                whole, alone = adaptation_time(
                    ROWS[name], sampler, device, count, steps, compile=compile
                )
                table.add_row(name, kind, str(count), f"{whole:.1f}", f"{alone:.1f}", speed)
    return table


def main() -> None:
    """Parse the arguments and print two tables."""
    parser = argparse.ArgumentParser(description="time of training steps")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["light-240"], metavar="ROW")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 2])
    parser.add_argument("--modes", nargs="*", metavar="MODE", help='"recorded" or of torch.compile')
    options = parser.parse_args()
    device, console = torch.device(options.device), Console(width=120)
    modes: list[str] = options.modes
    if modes is None:
        modes = ["recorded", "reduce-overhead"] if device.type == "cuda" else ["default"]
    console.print(machine())
    console.print(table_of_steps(options.rows, device, modes, options.steps))
    for compile in sorted({False, any(mode != "recorded" for mode in modes)}):
        console.print(
            table_of_adaptations(
                options.rows, device, options.workers, options.steps, compile=compile
            )
        )


if __name__ == "__main__":
    main()
