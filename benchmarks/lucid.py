"""LucidTracker's variants and the rows of its Table 3, beside its plain network.

    python -m benchmarks.lucid --davis ../shared/data/davis2016_dev --out runs/table3
        [--verb test] [--rows plain one_stream] [--config lucid_published.yaml]
        [any option of the command]

``fit`` trains each row on dreams of all first frames, then on those of each clip; ``test`` leaves
out the first, so rows differ in less and are there sooner. Each row is a change of the config
(``configs/ablation/lucid``). "Better on" counts the clips on which a row's J&F is above the plain
network's; ``leaderboard`` on the same folder gives the paired differences. Rows whose scores are in
the folder already are not run again.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.command import machine, scores_of

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "ablation" / "lucid"
PLAIN = "plain"
ROWS = (PLAIN, *sorted(path.stem for path in CONFIGS.glob("*.yaml")))


def run(row: str, options: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """Run one row unless it has run, and return its scores."""
    configs = [f"--config={name}" for name in options.config]
    if row != PLAIN:
        configs.append(f"--config=ablation/lucid/{row}.yaml")
    return scores_of(
        Path(options.out).resolve() / row,
        options.verb,
        *configs,
        "--data.dataset=davis2016",
        f"--data.root={Path(options.davis).resolve()}",
        "--model.baselines=false",
        *rest,
    )


def by_object(scores: dict[str, Any]) -> dict[str, float]:
    """Return the J&F of each object."""
    each = scores["per_object"].items()
    return {name: (one["J"]["mean"] + one["F"]["mean"]) / 2 for name, one in each}


def main() -> None:
    """Run the rows and print one table."""
    parser = argparse.ArgumentParser(description="LucidTracker's Table 3")
    parser.add_argument("--davis", required=True, help="a DAVIS 2016 folder")
    parser.add_argument("--out", required=True, help="runs folder, one folder a row")
    parser.add_argument("--verb", choices=("fit", "test"), default="fit")
    parser.add_argument("--config", nargs="+", default=["lucid.yaml"])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    options, rest = parser.parse_known_args()
    columns = ("row", "J", "F", "J&F", "against plain", "better on", "s a frame")
    table = Table(*columns, title=f"{options.verb}, {machine()}")
    plain: dict[str, float] = {}
    for row in options.rows:
        scores = run(row, options, rest)
        j, f = (100 * scores["global"][name]["mean"] for name in "JF")
        own = by_object(scores)
        plain = own if row == PLAIN else plain
        gains = [100 * (own[name] - plain[name]) for name in plain]
        frames = sum(len(each["J_frames"]) for each in scores["per_object"].values())
        table.add_row(
            row,
            f"{j:.1f}",
            f"{f:.1f}",
            f"{(j + f) / 2:.1f}",
            f"{sum(gains) / len(gains):+.1f}" if gains else "",
            f"{sum(gain > 0 for gain in gains)} of {len(gains)}" if gains else "",
            f"{scores['seconds']['total'] / frames:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
