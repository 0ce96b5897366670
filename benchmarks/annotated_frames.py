"""What more annotated frames buy: MaskTrack's Figure 4.

    python -m benchmarks.annotated_frames --davis ../shared/data/davis2016_dev --out runs/figure4
        [--ckpt CKPT] [--config small/masktrack.yaml] [--every 40 20 10 5] [any option of ``test``]

Every K-th frame is given with its true mask, the network fine-tuned on all of them, and each other
frame segmented from the nearest. Beside it stands the baseline, which copies the nearest mask. J is
over all frames but the first and last of each clip, annotated ones included, as in the paper; a
quantile of 20 % is the J below which a fifth of them lie. Prints a table and draws
``figure4.png``. What is in the folder already is not run again.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.command import machine, measure, scores_of
from datasets_vos import open_dataset

QUANTILES = (5, 10, 20, 30, 70)


@dataclass(frozen=True)
class Point:
    """What came of one number of annotations.

    Attributes:
        share: Percentage of the frames that are annotated.
        scores: J of every scored frame of every object.
        copied: Mean J of the baseline, over the same frames.
        seconds: Adapting and propagating, a frame.
    """

    share: float
    scores: list[float]
    copied: float
    seconds: float


def frame_scores(scores: dict[str, Any]) -> list[float]:
    """Return J of all frames that were scored."""
    each = (value for one in scores["per_object"].values() for value in one["J_frames"])
    return [value for value in each if value is not None]


def run(every: int, options: argparse.Namespace, rest: list[str]) -> Point:
    """Run one number of annotations unless it has run; 0 annotates the first frame alone."""
    out = Path(options.out).resolve() / f"every_{every}"
    given = ["--data.dataset=davis2016", f"--data.root={Path(options.davis).resolve()}"]
    arguments = [f"--config={options.config}", *given, "--model.baselines=false", *rest]
    arguments += [f"--data.annotate={every or [0]}"]
    arguments += [f"--ckpt_path={options.ckpt}"] if options.ckpt else []
    scores = scores_of(out, "test", *arguments)
    copied = out / "copied.json"
    if not copied.is_file():
        baseline = ["--baseline=nearest_annotation", f"--out={copied}", "--dataset=davis2016"]
        baseline += [f"--root={Path(options.davis).resolve()}"]
        measure("evaluate", *baseline, *([f"--annotate-every={every}"] if every else []))
    lengths = [len(clip.frame_names) for clip in open_dataset("davis2016", options.davis)]
    annotated = sum(len(range(0, length, every or length)) for length in lengths)
    return Point(
        100 * annotated / sum(lengths),
        frame_scores(scores),
        float(np.mean(frame_scores(json.loads(copied.read_text())))),
        scores["seconds"]["total"] / sum(lengths),
    )


def draw(points: list[Point], path: Path) -> None:
    """Draw mean, quantiles and baseline over the share of annotated frames."""
    figure = Figure((6.4, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shares = [point.share for point in points]
    for quantile in QUANTILES:
        values = [np.percentile(point.scores, quantile) for point in points]
        axes.plot(shares, values, marker=".", linewidth=1, label=f"{quantile} % quantile")
    axes.plot(shares, [np.mean(p.scores) for p in points], "k.-", linewidth=2, label="mean")
    axes.plot(shares, [p.copied for p in points], "k.--", linewidth=1, label="nearest mask copied")
    axes.set(xscale="log", xlabel="annotated frames, %", ylabel="J", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path)


def main() -> None:
    """Run, print one table, draw one figure."""
    parser = argparse.ArgumentParser(description="MaskTrack's Figure 4")
    parser.add_argument("--davis", required=True, help="a DAVIS 2016 folder")
    parser.add_argument("--out", required=True, help="runs folder")
    parser.add_argument("--ckpt", help="weights of the offline stage")
    parser.add_argument("--config", default="small/masktrack.yaml")
    parser.add_argument("--every", type=int, nargs="+", default=[0, 40, 20, 10, 5, 3, 2])
    options, rest = parser.parse_known_args()
    points = [run(every, options, rest) for every in options.every]
    quantiles = [f"{quantile} %" for quantile in QUANTILES]
    table = Table(
        "every", "annotated", "mean J", *quantiles, "copied", "s a frame", title=machine()
    )
    for every, point in zip(options.every, points, strict=True):
        numbers = [float(np.mean(point.scores)), *np.percentile(point.scores, QUANTILES)]
        table.add_row(
            str(every) if every else "first",
            f"{point.share:.1f} %",
            *(f"{number:.3f}" for number in numbers),
            f"{point.copied:.3f}",
            f"{point.seconds:.2f}",
        )
    Console().print(table)
    draw(points, Path(options.out) / "figure4.png")


if __name__ == "__main__":
    main()
