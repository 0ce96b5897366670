"""``leaderboard``: a table of runs beside published numbers."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datasets_vos.commands import CommandParser, progress_bar, user_path
from datasets_vos.commands.output import require_file_name
from vos_core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from datasets_vos.commands.leaderboard.runs import Run

_DESCRIPTION = """Show runs beside published numbers, best first. Each of our rows has a bootstrap
confidence interval over sequences, and below the table is where it comes from: time, memory, seed,
commit, hardware, config."""


def main(args: Sequence[str]) -> None:
    """Print the table, and write it to the files that are asked for.

    Args:
        args: The command line after ``leaderboard``.

    Raises:
        ConfigError: If an option is wrong, or the runs to compare are.
        DatasetError: If there are no runs, or a file named is not one of scores.
        MaskError: If the runs to compare have scores of different objects.
    """
    options = _parse(args)
    # --help waits neither for tables nor for the metrics
    from datasets_vos.commands.leaderboard.pairs import compare_runs
    from datasets_vos.commands.leaderboard.runs import find_runs, scores_path
    from datasets_vos.commands.leaderboard.table import make_groups
    from datasets_vos.commands.leaderboard.terminal import show

    compared = [Path(text) for text in options.compare or () if scores_path(text)]
    places = options.runs or ([] if len(compared) == 2 else [Path("runs")])
    runs = _of_dataset(find_runs([*places, *compared]), options.dataset)
    pair = compare_runs(runs, options.compare, options.level) if options.compare else None
    with progress_bar("bootstrap", len(runs)) as done:
        groups = make_groups(runs, options.published, options.level, done)
    show(groups, pair, options.level)
    if options.csv:
        from datasets_vos.commands.leaderboard.csv_file import write_csv

        write_csv(options.csv, groups, options.level)
    if options.markdown:
        from datasets_vos.commands.leaderboard.markdown import write_markdown

        write_markdown(options.markdown, groups, pair, options.level)
    if options.html:
        from datasets_vos.commands.leaderboard.page import write_page

        write_page(options.html, groups, pair, options.level)
    for path in (options.csv, options.markdown, options.html):
        if path:
            print(f"written: {path}")


def _parse(args: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("leaderboard", _DESCRIPTION)
    parser.add_argument(
        "runs",
        nargs="*",
        type=user_path,
        metavar="RUNS",
        help="run folders, files of scores, or folders to search; default: runs",
    )
    parser.add_argument("--dataset", help="only runs on this one")
    parser.add_argument(
        "--published",
        choices=("all", "best", "none"),
        default="best",
        help="which published numbers: all, the best of each method (default), or none",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="compare two runs on each sequence; names as shown, or paths",
    )
    for name, suffix in (("csv", ".csv"), ("markdown", ".md"), ("html", ".html")):
        parser.add_argument(
            f"--{name}", type=user_path, metavar="FILE", help=f"write a {suffix} file"
        )
    parser.add_argument(
        "--level", type=_level, default=0.95, help="of the intervals; default: 0.95"
    )
    options = parser.parse(args)
    for name, suffix in (("csv", ".csv"), ("markdown", ".md"), ("html", ".html")):
        if path := getattr(options, name):
            require_file_name(path, suffix, f"--{name}")
    return options


def _level(text: str) -> float:
    """Parse a share between 0 and 1, for ``type=`` of an option."""
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1, such as 0.95")
    return level


def _of_dataset(runs: "list[Run]", dataset: str | None) -> "list[Run]":
    from datasets_vos.commands.leaderboard.table import dataset_of

    if dataset is None:
        return runs
    chosen = [run for run in runs if dataset_of(run) == dataset]
    if not chosen:
        there = sorted({dataset_of(run) for run in runs})
        raise ConfigError(
            f"--dataset {dataset!r}: no run scored it; there are runs on {', '.join(there)}."
            f"{nearest(dataset, there)}"
        )
    return chosen
