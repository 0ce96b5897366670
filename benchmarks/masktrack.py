"""MaskTrack's Table 1, row by row, beside the published numbers.

    python -m benchmarks.masktrack --stills ../shared/data --davis DAVIS --out runs/table1
        [--config masktrack.yaml data/saliency.yaml] [--rows full boxes] [any option of the command]

Each row is a change of the config (``configs/ablation/masktrack``). Rows that only change what
comes after the offline stage are tested from the weights of the full method; the others are
trained. Rows whose scores are in the folder already are not run again, so an interrupted table
goes on. The row "video" is run only when named, as it needs other sets: SegTrack v2 and
YouTube-Objects, in the folders SegTrackv2 and YouTube-Objects beside the still images.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.command import machine, newest, scores_of

# row -> published mean J in percent (Table 1), and whether it is trained anew
ROWS: dict[str, tuple[float, bool]] = {
    "full": (74.8, True),
    "no_online": (69.9, False),
    "no_offline": (57.6, True),
    "reduced_offline": (73.2, True),
    "no_dilation": (72.4, True),
    "no_deformation": (17.1, True),
    "no_nonrigid": (73.3, True),
    "boxes": (69.6, True),
    "no_input": (72.5, True),
    "flow": (78.4, False),
    "flow_crf": (80.3, False),
    "video": (72.0, True),
}


def run(row: str, options: argparse.Namespace, rest: Sequence[str]) -> dict[str, Any]:
    """Run one row unless it has run, and return its scores."""
    out = Path(options.out).resolve()
    configs = [f"--config={name}" for name in options.config]
    if row != "full":
        configs.append(f"--config=ablation/masktrack/{row}.yaml")
    given = ["--data.dataset=davis2016", f"--data.root={Path(options.davis).resolve()}"]
    given += [f"--data.train_root={Path(options.stills).resolve()}", "--model.baselines=false"]
    if ROWS[row][1]:
        return scores_of(out / row, "fit", *configs, *given, *rest)
    weights = newest(out / "full", "*/*/checkpoints/*.ckpt")
    if weights is None:
        raise SystemExit(f"row {row!r} needs the weights of 'full'; run that first.")
    return scores_of(out / row, "test", *configs, *given, f"--ckpt_path={weights}", *rest)


def main() -> None:
    """Run the rows and print one table."""
    parser = argparse.ArgumentParser(description="MaskTrack's Table 1")
    parser.add_argument("--stills", required=True, help="folder of the saliency sets")
    parser.add_argument("--davis", required=True, help="a DAVIS 2016 folder")
    parser.add_argument("--out", required=True, help="runs folder, one folder a row")
    parser.add_argument("--config", nargs="+", default=["small/masktrack.yaml"])
    still = [row for row in ROWS if row != "video"]
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=still, metavar="ROW")
    options, rest = parser.parse_known_args()
    columns = ("row", "J", "against full", "published", "against full", "F", "s a frame")
    table = Table(*columns, title=machine())
    full: float | None = None
    for row in options.rows:
        scores = run(row, options, rest)
        j, f = (100 * scores["global"][name]["mean"] for name in "JF")
        published = ROWS[row][0]
        full = j if row == "full" else full
        frames = sum(len(each["J_frames"]) for each in scores["per_object"].values())
        table.add_row(
            row,
            f"{j:.1f}",
            "" if full is None else f"{j - full:+.1f}",
            f"{published:.1f}",
            f"{published - ROWS['full'][0]:+.1f}",
            f"{f:.1f}",
            f"{scores['seconds']['total'] / frames:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
