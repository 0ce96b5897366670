"""The numbers of the main job: time and J&F on the toy set and on real clips.

    python -m benchmarks.experiments toy
    python -m benchmarks.experiments real --root ../shared/data/davis2016_dev

``toy`` runs ``fit --config lucid.yaml`` as a newcomer would; ``real`` runs ``test`` on every
sequence found, each network starting from random weights and knowing the first frame only.
"""

import argparse
import csv
import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.command import Measured, machine, measure


def show(folder: Path, cost: Measured) -> None:
    """Print one row per sequence and the totals."""
    scores = json.loads((folder / "scores.json").read_text())
    table = Table("sequence", "objects", "frames", "J", "F", "J&F", title=machine())
    for row in csv.DictReader((folder / "per_sequence.csv").open()):
        numbers = [f"{float(row[key]):.3f}" for key in ("J_mean", "F_mean", "J&F_mean")]
        table.add_row(row["sequence"], row["objects"], row["frames"], *numbers)
    total = scores["global"]
    numbers = [f"{x:.3f}" for x in (total["J"]["mean"], total["F"]["mean"], total["J&F_mean"])]
    table.add_section()
    table.add_row("mean over objects", "", "", *numbers)
    for label, other in scores["baselines"].items():
        numbers = [f"{x:.3f}" for x in (other["J"]["mean"], other["F"]["mean"])]
        table.add_row(label, "", "", *numbers, f"{other['J&F_mean']:.3f}")
    console = Console()
    console.print(table)
    sequences = len(scores["sequences"])
    seconds = scores["seconds"]["total"]
    console.print(
        f"{cost.seconds:.0f} s in all, {seconds / sequences:.1f} s a sequence (adaptation and "
        f"propagation), peak memory {cost.peak_mib:.0f} MiB"
    )


def main() -> None:
    """Run one of the two experiments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("experiment", choices=["toy", "real"])
    parser.add_argument("--root", default="../shared/data/davis2016_dev", help="for real")
    parser.add_argument("--out", help="runs folder; a temporary one by default")
    arguments, rest = parser.parse_known_args()
    out = Path(arguments.out or tempfile.mkdtemp(prefix="vos-benchmark-")).resolve()
    runs = f"--trainer.default_root_dir={out}"
    if arguments.experiment == "toy":
        cost = measure("fit", "--config", "lucid.yaml", runs, *rest)
    else:
        root = Path(arguments.root).resolve()
        data = ["--data.dataset", "davis2016", "--data.root", str(root)]
        cost = measure("test", "--config", "lucid.yaml", *data, runs, *rest)
    show(max((out / "lucid").iterdir(), key=lambda path: path.stat().st_mtime), cost)


if __name__ == "__main__":
    main()
