"""How fast clips are read, beside a plain Pillow loop, and whether training waits for data.

Run from the repository root::

    python -m benchmarks.data_loading --davis ../shared/data/davis2016_dev [--stills DIR]

Tables: decoding a clip at full and at half size, and one frame of short and long clips; with
``--stills`` (a folder in the ECSSD layout) also the memory over an epoch that two workers load, and
the share of time that training steps at 432x240 wait for two workers.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import lightning as L
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.command import machine
from datasets_vos.clips import ImageClip
from datasets_vos.mixing import TrainSet
from lightning_modules.datamodules import ClipDataModule, VideoDataModule
from lightning_modules.tasks import MaskTrackTask

Frames = Iterator[npt.NDArray[np.uint8]]


def pillow_loop(paths: Sequence[Path], size: tuple[int, int] | None) -> Frames:
    """Read frames as scripts do: open, convert, resize where asked to."""
    for path in paths:
        image = Image.open(path).convert("RGB")
        if size is not None:
            image = image.resize(size[::-1], Image.Resampling.BILINEAR)
        yield np.array(image)


def seconds(frames: Frames) -> float:
    """Return how long it takes to read all frames once."""
    began = time.perf_counter()
    for _ in frames:
        pass
    return time.perf_counter() - began


def decoding(root: Path, repeats: int) -> Table:
    """Compare both ways of reading every clip, alternating, at full and at half size."""
    folders = sorted(path for path in (root / "JPEGImages" / "480p").iterdir() if path.is_dir())
    clips = [ImageClip(folder.name, folder, {}) for folder in folders]
    count = sum(len(clip.frame_paths) for clip in clips)
    table = Table("size", "Pillow ms/frame", "ours ms/frame", "ratio", "range")
    for label, divisor in (("full", 1), ("half", 2)):
        plain, ours = [], []
        for _ in range(repeats + 1):
            plain_seconds = ours_seconds = 0.0
            for clip in clips:
                height, width = clip.size
                size = None if divisor == 1 else (height // divisor, width // divisor)
                plain_seconds += seconds(pillow_loop(clip.frame_paths, size))
                ours_seconds += seconds(clip.frames(size))
            plain.append(plain_seconds / count * 1e3)
            ours.append(ours_seconds / count * 1e3)
        ratios = [p / o for p, o in zip(plain[1:], ours[1:], strict=True)]  # the first warms up
        table.add_row(
            label,
            f"{statistics.median(plain[1:]):.2f}",
            f"{statistics.median(ours[1:]):.2f}",
            f"{statistics.median(ratios):.1f}x",
            f"{min(ratios):.1f}..{max(ratios):.1f}",
        )
    table.title = f"Decoding {count} frames of {len(clips)} clips, {repeats} runs, {machine()}"
    return table


def random_access(source: Path, repeats: int) -> Table:
    """Read one frame of clips of growing length, by name and by index, each time anew."""
    data = source.read_bytes()
    table = Table("frames in the clip", "by name, ms", "by index, ms", title="One frame")
    for length in (100, 1000, 10000):
        with tempfile.TemporaryDirectory() as folder:
            clip_folder = Path(folder)
            for index in range(length):
                (clip_folder / f"{index:05d}.jpg").write_bytes(data if index == 50 else b"")
            by_name: list[float] = []
            by_index: list[float] = []
            cases: list[tuple[int | str, list[float]]] = [("00050", by_name), (50, by_index)]
            for _ in range(repeats):
                for which, times in cases:
                    began = time.perf_counter()
                    ImageClip("clip", clip_folder, {}).frame(which)
                    times.append((time.perf_counter() - began) * 1e3)
        medians = (statistics.median(by_name), statistics.median(by_index))
        table.add_row(str(length), *(f"{median:.2f}" for median in medians))
    return table


class Waiting(L.Callback):
    """Measures how long training steps wait for their batch."""

    def __init__(self) -> None:
        """Begin before the first step."""
        self.waited = self.stepped = 0.0
        self._last: float | None = None

    def on_train_batch_start(self, *_: object) -> None:
        """End waiting; the first batch, for which the workers start, does not count."""
        now = time.perf_counter()
        if self._last is not None:
            self.waited += now - self._last
        self._last = now

    def on_train_batch_end(self, *_: object) -> None:
        """Begin waiting."""
        now = time.perf_counter()
        if self._last is not None:
            self.stepped += now - self._last
        self._last = now


def memory_mib() -> float:
    """Return the memory of this process and its children that no other process shares, in MiB."""
    tasks = Path("/proc/self/task").glob("*/children")
    children = [child for task in tasks for child in task.read_text().split()]
    total = 0.0
    for process in (str(os.getpid()), *children):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
    return total


def epoch_memory(stills: Path, davis: Path, batches: int) -> Table:
    """Load an epoch of clips of three frames, half of videos and half of still images."""
    data = ClipDataModule(
        dataset="davis2016",
        root=str(davis),
        train_sets=[
            TrainSet("ecssd", str(stills)),
            TrainSet("davis2016", str(davis), repeat=100),
        ],
        size=(240, 432),
        batch_size=4,
        samples_per_epoch=4 * batches,
        num_workers=2,
    )
    data.setup("fit")
    memory = []
    began = time.perf_counter()
    for index, _ in enumerate(data.train_dataloader(), start=1):
        if index % (batches // 4) == 0:
            memory.append(f"{memory_mib():.0f}")
    milliseconds = (time.perf_counter() - began) / batches * 1e3
    table = Table("batches", "ms/batch", "MiB after each quarter", title="4 clips of 3 frames")
    table.add_row(str(batches), f"{milliseconds:.1f}", " ".join(memory))
    return table


def feeding(stills: Path, davis: Path, steps: int) -> Table:
    """Train on deformed masks of still images, as MaskTrack does, with a light network."""
    waiting = Waiting()
    data = VideoDataModule(
        dataset="davis2016",
        root=str(davis),
        train_sets=[TrainSet("ecssd", str(stills))],
        size=(240, 432),
        batch_size=4,
        samples_per_epoch=4 * steps,
        num_workers=2,
    )
    trainer = L.Trainer(
        max_epochs=1,
        callbacks=[waiting],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(MaskTrackTask(network="mask_refiner", pretrained=False), data)
    share = waiting.waited / (waiting.waited + waiting.stepped)
    table = Table("steps", "s/step", "waiting for data", title="Training step")
    table.add_row(str(steps), f"{waiting.stepped / steps:.3f}", f"{share:.1%}")
    return table


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--davis", type=Path, required=True, help="a DAVIS root")
    parser.add_argument("--stills", type=Path, help="a folder in the ECSSD layout")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="training steps")
    options = parser.parse_args()
    console = Console()
    console.print(decoding(options.davis, options.repeats))
    frame = next((options.davis / "JPEGImages" / "480p").glob("*/00000.jpg"))
    console.print(random_access(frame, options.repeats))
    if options.stills:
        console.print(epoch_memory(options.stills, options.davis, 4 * options.steps))
        console.print(feeding(options.stills, options.davis, options.steps))


if __name__ == "__main__":
    main()
