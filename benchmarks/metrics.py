"""How long J and F take per frame, beside a plain implementation of the same definition.

Run from the repository root::

    python -m benchmarks.metrics [--root FOLDER] [--frames 24] [--repeats 5]

``FOLDER`` holds ``gt/<sequence>/*.png`` and ``pred/<sequence>/*.png`` (indexed masks, every object
in the first frame); without it, three moving ellipses are drawn at 480x854. The plain
implementation keeps every frame of a sequence as stacks of full-size float masks, one per object,
as evaluation scripts of this field do. Both must agree to 1e-12, else the script stops.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.morphology import disk

from vos_core.metrics import DAVIS2017, SequenceScorer
from vos_core.types import LabelMap

Pairs = list[tuple[LabelMap, LabelMap]]  # (prediction, truth) of each frame
Paths = list[tuple[Path, Path]]
Scores = npt.NDArray[np.float64]  # (objects, scored frames, 2): J and F


def draw(folder: Path, frames: int) -> None:
    """Write one made-up sequence: three ellipses that move, predicted a little off."""
    for kind in ("gt", "pred"):
        (folder / kind / "ellipses").mkdir(parents=True)
    for t in range(frames):
        for kind, error in (("gt", 0), ("pred", 2 + t // 6)):
            mask = np.zeros((480, 854), dtype=np.uint8)
            for i in range(3):
                centre = (160 + 250 * i + 3 * t + error, 150 + 90 * i - 2 * t)
                cv2.ellipse(mask, centre, (110, 60 + 10 * i), 20.0 * i + t, 0, 360, i + 1, -1)
            Image.fromarray(mask).save(folder / kind / "ellipses" / f"{t:05d}.png")


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


def plain(pairs: Pairs) -> Scores:
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


def plain_j(prediction: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> float:
    """Intersection over union of two full-size masks."""
    p, t = prediction.astype(bool), truth.astype(bool)
    union = np.sum(p | t)
    return float(np.sum(p & t) / union) if union else 1.0


def plain_f(prediction: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> float:
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
    """Print one table; both implementations take turns, and the medians are shown."""
    decoded = [load(paths) for paths in sequences]
    agreed = [(ours(pairs), plain(pairs)) for pairs in decoded]
    if not all(np.allclose(a, b, rtol=0, atol=1e-12) for a, b in agreed):
        raise SystemExit("the two implementations disagree; the times would mean nothing")
    frames = sum(len(pairs) - 2 for pairs in decoded)
    object_frames = sum(scores.shape[0] * scores.shape[1] for scores, _ in agreed)
    names = {"ours": ours, "plain": plain}
    warm: dict[str, list[float]] = {name: [] for name in names}
    full: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeats):
        for name, score in names.items():
            warm[name].append(milliseconds(score, decoded))
            full[name].append(milliseconds(score, (load(paths) for paths in sequences)))
    print(f"{len(sequences)} sequences, {frames} scored frames, {object_frames} object-frames")
    print(f"median of {repeats}, {cv2.getNumThreads()} OpenCV threads, {os.cpu_count()} CPUs\n")
    print(f"{'J + F':8}{'ms/object-frame':>17}{'ms/frame':>10}{'ms/frame with decoding':>24}")
    for name in names:
        only, both = statistics.median(warm[name]), statistics.median(full[name])
        print(f"{name:8}{only / object_frames:17.2f}{only / frames:10.2f}{both / frames:24.2f}")
    ratio = [statistics.median(t["plain"]) / statistics.median(t["ours"]) for t in (warm, full)]
    print(f"{'faster':8}{ratio[0]:16.1f}x{ratio[0]:9.1f}x{ratio[1]:23.1f}x")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description="time of J and F per frame")
    parser.add_argument("--root", type=Path, help="folder with gt/ and pred/ (default: made up)")
    parser.add_argument("--frames", type=int, default=24, help="frames per sequence, at least 3")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = args.root
        if root is None:
            root = Path(scratch)
            draw(root, args.frames)
        measure(find(root, args.frames), args.repeats)


if __name__ == "__main__":
    main()
