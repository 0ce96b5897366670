"""Reading all runs in some places, and choosing one of them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from datasets_vos.commands.leaderboard.run import Run
from datasets_vos.commands.leaderboard.scores_file import read_run
from datasets_vos.commands.leaderboard.search import find_scores, name_runs, printable, scores_at
from vos_core.errors import DatasetError


def find_runs(places: Sequence[Path]) -> list[Run]:
    """Read the scores of runs; those in several places count once.

    Args:
        places: Files of scores, and folders that are searched for ``scores.json``. Of what is
            found by searching, unreadable files and those without scores are named on stderr and
            left out.

    Raises:
        DatasetError: If a place is missing, cannot be read or holds no scores.
    """
    given = {os.path.realpath(path) for place in places if (path := scores_at(place))}
    found: dict[str, Path] = {}
    for path in (path for place in places for path in find_scores(place)):
        found.setdefault(os.path.realpath(path), path)
    runs = []
    for real, name in zip(found, name_runs(list(found.values())), strict=True):
        path = found[real]
        try:
            runs.append(read_run(path, name))
        except DatasetError as err:
            if real in given:
                raise
            print(f"warning: left out {err}", file=sys.stderr)
    if not runs:
        raise DatasetError(
            f"{', '.join(map(printable, places))}: no file there holds scores; make a run with "
            "test or evaluate, or name the folder that holds your runs."
        )
    return runs


def find_run(runs: Sequence[Run], text: str) -> Run | None:
    """Return the run of this name or path; None if there is none."""
    for run in runs:
        if run.name == text:
            return run
    path = scores_at(Path(text))
    real = path and os.path.realpath(path)
    return next((run for run in runs if os.path.realpath(run.path) == real), None)
