"""``leaderboard``: a table of runs beside published numbers."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datasets_vos.commands import CommandParser, progress_bar, user_path
from datasets_vos.commands.output import require_file_name
from vos_core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from datasets_vos.commands.leaderboard.run import Run

_DESCRIPTION = """Show runs beside published numbers, best first. Each of our rows has a bootstrap
confidence interval over sequences, and below the table is where it comes from: time, memory, seed,
commit, hardware, config."""

_FILES = {"csv": ".csv", "markdown": ".md", "html": ".html"}
_RUNS = Path("runs")


def main(args: Sequence[str]) -> None:
    """Print the table, and write it to the files that are asked for.

    Args:
        args: The command line after ``leaderboard``.

    Raises:
        ConfigError: If an option is wrong, or the runs to compare are.
        DatasetError: If there are no runs, or a file named is not one of scores.
        MaskError: If the runs to compare have scores of different objects or frames.
    """
    options = _parse(args)
    # --help waits neither for tables nor for the metrics
    from datasets_vos.commands.leaderboard.csv_file import write_csv
    from datasets_vos.commands.leaderboard.markdown import write_markdown
    from datasets_vos.commands.leaderboard.page import write_page
    from datasets_vos.commands.leaderboard.pairs import compare_runs
    from datasets_vos.commands.leaderboard.runs import find_runs
    from datasets_vos.commands.leaderboard.search import printable
    from datasets_vos.commands.leaderboard.table import Board, make_groups
    from datasets_vos.commands.leaderboard.terminal import show

    runs = _of_dataset(find_runs(_places(options)), options.dataset)
    pair = compare_runs(runs, options.compare, options.level) if options.compare else None
    with progress_bar("bootstrap", len(runs)) as done:
        groups = make_groups(runs, options.published, options.level, done)
    board = Board(groups, pair, options.level)
    show(board)
    for write, path in (
        (write_csv, options.csv),
        (write_markdown, options.markdown),
        (write_page, options.html),
    ):
        if path:
            write(path, board)
            print(f"written: {printable(path)}")


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
        help="which published numbers: all, the best of each method on the runs' split (default), "
        "or none",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="compare two runs on each sequence; names as shown, or paths",
    )
    for name, suffix in _FILES.items():
        parser.add_argument(
            f"--{name}", type=user_path, metavar="FILE", help=f"write a {suffix} file"
        )
    parser.add_argument(
        "--level", type=_level, default=0.95, help="of the intervals; default: 0.95"
    )
    options = parser.parse(args)
    for name, suffix in _FILES.items():
        if path := getattr(options, name):
            require_file_name(path, suffix, f"--{name}")
            _require_foreign(path, f"--{name}")
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


def _require_foreign(path: Path, option: str) -> None:
    """Refuse to replace a file that ``test`` or ``evaluate`` wrote beside its scores."""
    scores = path.with_suffix(".json")
    if path.name in ("per_sequence.csv", "report.html"):
        scores = path.with_name("scores.json")
    if path.exists() and scores.exists():
        raise ConfigError(
            f"{option} {path}: belongs to the scores in {scores.name} beside it; give another name."
        )


def _places(options: argparse.Namespace) -> list[Path]:
    """Return where runs are to be read from."""
    from datasets_vos.commands.leaderboard.search import scores_at

    compared = {text: scores_at(user_path(text)) for text in options.compare or ()}
    named = [path for path in compared.values() if path]
    if options.runs or (compared and len(named) == len(compared)):
        return [*options.runs, *named]
    for text, path in compared.items():
        if path is None and not _RUNS.is_dir():
            raise ConfigError(
                f"--compare {text!r}: is no run folder or file of scores, and there is no folder "
                f"{_RUNS} in which that could be a name; check the path."
            )
    return [_RUNS, *named]


def _of_dataset(runs: "list[Run]", dataset: str | None) -> "list[Run]":
    if dataset is None:
        return runs
    chosen = [run for run in runs if run.dataset == dataset]
    if not chosen:
        there = sorted({run.dataset for run in runs if run.dataset})
        raise ConfigError(
            f"--dataset {dataset!r}: no run is known to be on it; there are runs on "
            f"{', '.join(there) or 'no recorded dataset'}.{nearest(dataset, there)}"
        )
    return chosen
