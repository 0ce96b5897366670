"""What J and F cost: per frame in memory, and as the whole ``evaluate`` command.

Run from the repository root::

    python -m benchmarks.metrics [--root FOLDER] [--frames 24] [--repeats 5]

``FOLDER`` holds ``gt/<sequence>/*.png`` and ``pred/<sequence>/*.png`` (indexed masks, every object
in the first frame); without it, two or three moving ellipses are drawn at 480x854.

Two plain implementations of the same definition take turns with ours: one keeps every frame of a
sequence as stacks of full-size float masks, one per object, as evaluation scripts of this field do;
the other takes one frame and object after the other at full size. All must agree to 1e-12, else the
script stops. For the command, the frames are repeated to sequences of ``--length`` and ``--long``
frames; times are those beyond the same command on four frames a sequence, so without start-up,
each the fastest of all repeats.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.morphology import disk

from benchmarks.command import ROOT, Measured
from vos_core.metrics import DAVIS2017, SequenceScorer
from vos_core.types import LabelMap

Pairs = list[tuple[LabelMap, LabelMap]]  # (prediction, truth) of each frame
Paths = list[tuple[Path, Path]]
Scores = npt.NDArray[np.float64]  # (objects, scored frames, 2): J and F
AnyMask = npt.NDArray[np.float64] | npt.NDArray[np.bool_]  # (H, W)

_FEW = 4  # frames a sequence, to measure what a command costs before the first one

REFERENCES = """\
Reference, measured elsewhere on one other machine, decoding included, DAVIS frames of 480x854 with
2.3 objects: davis2017-evaluation 42 ms/frame and 2970 MB, vos-benchmark 14 ms/frame."""


def draw(folder: Path, name: str, objects: int, frames: int) -> None:
    """Write one made-up sequence: ellipses that move, predicted a little off."""
    for kind in ("gt", "pred"):
        (folder / kind / name).mkdir(parents=True)
    for t in range(frames):
        for kind, error in (("gt", 0), ("pred", 2 + t // 6)):
            mask = np.zeros((480, 854), dtype=np.uint8)
            for i in range(objects):
                centre = (160 + 250 * i + 3 * t + error, 150 + 90 * i - 2 * t)
                cv2.ellipse(mask, centre, (110, 60 + 10 * i), 20.0 * i + t, 0, 360, i + 1, -1)
            Image.fromarray(mask).save(folder / kind / name / f"{t:05d}.png")


def find(folder: Path, frames: int) -> list[Paths]:
    """Return the paths of prediction and truth, at most ``frames`` per sequence."""
    sequences = sorted(p for p in (folder / "gt").iterdir() if p.is_dir())
    return [
        [(folder / "pred" / s.name / p.name, p) for p in sorted(s.glob("*.png"))[:frames]]
        for s in sequences
    ]


def load(paths: Paths) -> Pairs:
    """Decode the masks of one sequence."""
    return [(np.asarray(Image.open(p)), np.asarray(Image.open(t))) for p, t in paths]


def ours(pairs: Pairs) -> Scores:
    """Score one sequence with the project's streaming scorer."""
    scorer = SequenceScorer(DAVIS2017, "benchmark", len(pairs))
    for index, (prediction, truth) in enumerate(pairs):
        scorer.update(index, prediction, truth)
    objects = scorer.result().objects.values()
    return np.array([list(zip(o["J_frames"], o["F_frames"], strict=True)) for o in objects])


def stacked(pairs: Pairs) -> Scores:
    """Score one sequence from float stacks of full-size masks."""
    count = int(pairs[0][1].max())
    ids = np.arange(1, count + 1)[:, None, None, None]
    predicted, true = (
        (np.stack([pair[k] for pair in pairs[1:-1]])[None] == ids).astype(np.float64)
        for k in (0, 1)
    )
    return np.array(
        [
            [(plain_j(p, t), plain_f(p, t)) for p, t in zip(predicted[i], true[i], strict=True)]
            for i in range(count)
        ]
    )


def framewise(pairs: Pairs) -> Scores:
    """Score one sequence frame by frame and object by object, from full-size masks."""
    ids = range(1, int(pairs[0][1].max()) + 1)
    return np.array(
        [[(plain_j(p == i, t == i), plain_f(p == i, t == i)) for p, t in pairs[1:-1]] for i in ids]
    )


def plain_j(prediction: AnyMask, truth: AnyMask) -> float:
    """Intersection over union of two full-size masks."""
    p, t = prediction.astype(bool), truth.astype(bool)
    union = np.sum(p | t)
    return float(np.sum(p & t) / union) if union else 1.0


def plain_f(prediction: AnyMask, truth: AnyMask) -> float:
    """Contour F-measure from full-size boundary maps."""
    element = disk(int(np.ceil(0.008 * np.linalg.norm(truth.shape))))
    p, t = (plain_boundary(mask.astype(bool)) for mask in (prediction, truth))
    near_t, near_p = (cv2.dilate(b.astype(np.uint8), element).astype(bool) for b in (t, p))
    if not p.any() or not t.any():
        return float(p.any() == t.any())
    precision, recall = np.sum(p & near_t) / np.sum(p), np.sum(t & near_p) / np.sum(t)
    total = precision + recall
    return float(2 * precision * recall / total) if total else 0.0


def plain_boundary(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Pixels that differ from their right, lower or lower-right neighbour."""
    wide = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, both = wide[:-1, 1:], wide[1:, :-1], wide[1:, 1:]
    return (mask ^ right) | (mask ^ below) | (mask ^ both)


def milliseconds(score: Callable[[Pairs], Scores], sequences: Iterable[Pairs]) -> float:
    """Return the wall-clock time of scoring all sequences."""
    start = time.perf_counter()
    for pairs in sequences:
        score(pairs)
    return 1e3 * (time.perf_counter() - start)


def measure(sequences: list[Paths], repeats: int) -> None:
    """Print the time of each implementation; they take turns, and the medians are shown."""
    decoded = [load(paths) for paths in sequences]
    names = {"ours": ours, "full-size masks": framewise, "one-hot stacks": stacked}
    agreed = [[score(pairs) for score in names.values()] for pairs in decoded]
    if not all(np.allclose(each, a, rtol=0, atol=1e-12) for a, *rest in agreed for each in rest):
        raise SystemExit("the implementations disagree; the times would mean nothing")
    frames = sum(len(pairs) - 2 for pairs in decoded)
    object_frames = sum(scores.shape[0] * scores.shape[1] for scores, *_ in agreed)
    warm: dict[str, list[float]] = {name: [] for name in names}
    full: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name, score in names.items():
            warm[name].append(milliseconds(score, decoded))
            full[name].append(milliseconds(score, (load(paths) for paths in sequences)))
    print(
        f"{len(sequences)} sequences, {frames} scored frames, "
        f"{object_frames / frames:.2f} objects a frame; median of {repeats}, "
        f"{cv2.getNumThreads()} OpenCV threads, {os.cpu_count()} CPUs\n"
    )
    print(f"{'J + F':24}{'ms/object-frame':>16}{'ms/frame':>10}{'+ decoding':>12}{'slower':>9}")
    ours_full = statistics.median(full["ours"])
    for name in names:
        only, both = statistics.median(warm[name]), statistics.median(full[name])
        times = f"{only / object_frames:16.2f}{only / frames:10.2f}{both / frames:12.2f}"
        print(f"{name:24}{times}{both / ours_full:8.1f}x")


def repeat(paths: Paths, count: int, root: Path, name: str) -> None:
    """Add a sequence of ``count`` frames, the given ones again and again, to a DAVIS folder."""
    folders = ("results", "data/Annotations/480p", "data/JPEGImages/480p")
    predicted, true, pictures = (root / folder / name for folder in folders)
    for folder in (predicted, true, pictures):
        folder.mkdir(parents=True)
    picture = root / "picture.jpg"  # never decoded: every frame is the same
    Image.fromarray(load(paths[:1])[0][1]).save(picture)
    for t in range(count):
        (pictures / f"{t:05d}.jpg").hardlink_to(picture)
        for folder, source in zip((predicted, true), paths[t % len(paths)], strict=True):
            if t < len(paths):
                shutil.copyfile(source, folder / f"{t:05d}.png")
            else:
                (folder / f"{t:05d}.png").hardlink_to(folder / f"{t % len(paths):05d}.png")


def evaluate(root: Path, workers: int) -> Measured:
    """Run the command on a folder of :func:`repeat`; what it prints is not shown."""
    arguments = [
        *("evaluate", "--dataset=davis2017", f"--root={root / 'data'}"),
        *(f"--results={root / 'results'}", f"--out={root / f'scores{workers}.json'}"),
        *(f"--workers={workers}", "--allow-extra-ids", "--allow-swapped-ids"),
    ]
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    peak = 0.0
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        peak = max(peak, peak_mib(process.pid))
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return Measured(time.monotonic() - began, peak)


def peak_mib(pid: int) -> float:
    """Return the largest memory that a running process or one of its children has had.

    The kernel tells a parent the same at the end, but counts in what the parent itself held when
    it started the process.
    """
    folder = Path(f"/proc/{pid}")
    try:
        lines = (folder / "status").read_text().splitlines()
        children = (folder / f"task/{pid}/children").read_text().split()
    except OSError:  # it has just ended
        return 0.0
    own = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
    return max([own, *(peak_mib(int(child)) for child in children)])


def fastest(root: Path, workers: int, repeats: int) -> Measured:
    """Run the command several times; return its shortest time and its highest peak."""
    runs = [evaluate(root, workers) for _ in range(repeats)]
    return Measured(min(run.seconds for run in runs), max(run.peak_mib for run in runs))


def measure_command(
    sequences: list[Paths], length: int, long: int, repeats: int, scratch: Path
) -> None:
    """Print the time and memory of ``evaluate`` with one process and more."""
    few, many, lone = (scratch / name for name in ("few", "many", "lone"))
    for k, paths in enumerate(sequences):
        repeat(paths, _FEW, few, f"sequence{k}")
        repeat(paths, length, many, f"sequence{k}")
    largest = max(sequences, key=lambda paths: int(load(paths[:1])[0][1].max()))
    repeat(largest, long, lone, "sequence")

    print(f"\n{'evaluate':34}{'start-up s':>12}{'ms/frame':>10}{'speed-up':>10}{'peak MB':>9}")
    cores = os.cpu_count() or 1
    one = 0.0
    for workers in sorted({1, *(2**k for k in range(1, cores.bit_length())), cores}):
        start, whole = fastest(few, workers, repeats), fastest(many, workers, repeats)
        frames = len(sequences) * (length - _FEW)
        time_each = 1e3 * (whole.seconds - start.seconds) / frames
        one = one or time_each
        label = f"{len(sequences)} x {length} frames, {workers} worker{'s' * (workers > 1)}"
        print_command(label, start, whole, time_each, f"{one / time_each:.2f}x")
        if read_objects(many, workers) != read_objects(many, 1):
            raise SystemExit("the scores depend on the number of workers")
    start, whole = fastest(few, 1, repeats), fastest(lone, 1, repeats)
    time_each = 1e3 * (whole.seconds - start.seconds) / (long - len(sequences) * _FEW)
    print_command(f"1 x {long} frames", start, whole, time_each, "")
    print("Peak: of the largest process. Targets: 4 ms/frame with 2.3 objects, 300 MB.")


def print_command(
    label: str, start: Measured, whole: Measured, time_each: float, speed_up: str
) -> None:
    """Print one line of the table."""
    peak = whole.peak_mib * 2**20 / 1e6
    print(f"{label:34}{start.seconds:12.2f}{time_each:10.2f}{speed_up:>10}{peak:9.0f}")


def read_objects(root: Path, workers: int) -> object:
    """Return the scores of every object that the command wrote."""
    return json.loads((root / f"scores{workers}.json").read_text())["per_object"]


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description="time and memory of J and F")
    parser.add_argument("--root", type=Path, help="folder with gt/ and pred/ (default: made up)")
    parser.add_argument("--frames", type=int, default=24, help="frames per sequence, at least 4")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--length", type=int, default=500, help="frames for the command")
    parser.add_argument("--long", type=int, default=2000, help="frames of one long sequence")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = args.root
        if root is None:
            root = Path(scratch) / "ellipses"
            for k, objects in enumerate((2, 2, 2, 3)):
                draw(root, f"ellipses{k}", objects, args.frames)
        sequences = find(root, args.frames)
        measure(sequences, args.repeats)
        measure_command(sequences, args.length, args.long, args.repeats, Path(scratch))
        print(f"\n{REFERENCES}")


if __name__ == "__main__":
    main()
