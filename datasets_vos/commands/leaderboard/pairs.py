"""Two runs against each other, sequence by sequence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from datasets_vos.commands.leaderboard.runs import Run, find_run
from vos_core.errors import ConfigError, DatasetError, MaskError, nearest


@dataclass(frozen=True)
class PairRow:
    """The headline number of two runs on one sequence."""

    sequence: str
    a: float
    b: float

    @property
    def difference(self) -> float:
        """By how much the first run is better."""
        return self.a - self.b


@dataclass(frozen=True)
class Pair:
    """The comparison of two runs.

    Attributes:
        a: The first run.
        b: The second run.
        sentence: The outcome in words.
        rows: The sequences that both scored, those first where the first run gains most.
    """

    a: Run
    b: Run
    sentence: str
    rows: tuple[PairRow, ...]


def compare_runs(runs: Sequence[Run], names: Sequence[str], level: float) -> Pair:
    """Compare two runs on the sequences that both scored.

    Args:
        runs: Those to choose from.
        names: Two names as shown, or paths.
        level: Of the confidence interval, in (0, 1).

    Raises:
        ConfigError: If a run is unknown, both are the same, or they have other rules.
        DatasetError: If they have no sequence in common.
        MaskError: If the objects of a sequence differ.
    """
    from vos_core.metrics.comparison import compare

    a, b = (_choose(runs, name) for name in names)
    _require_comparable(a, b)
    common = sorted(
        name
        for name in a.values.keys() & b.values.keys()
        if not math.isnan(a.values[name].mean() + b.values[name].mean())
    )
    if not common:
        raise DatasetError(
            f"--compare: {a.name} ({a.path}) and {b.name} ({b.path}) have no scored sequence in "
            "common; choose runs on the same data."
        )
    try:
        outcome = compare(a.values, b.values, a.average, level=level)
    except MaskError as err:
        raise MaskError(f"--compare {a.name} {b.name}: {err}.") from err
    rows = [PairRow(name, a.values[name].mean(), b.values[name].mean()) for name in common]
    return Pair(
        a,
        b,
        outcome.sentence(a.name, b.name, a.headline) + ".",
        tuple(sorted(rows, key=lambda row: (-row.difference, row.sequence))),
    )


def _choose(runs: Sequence[Run], text: str) -> Run:
    run = find_run(runs, text)
    if run is None:
        names = [each.name for each in runs]
        raise ConfigError(
            f"--compare {text!r}: no such run; there are {', '.join(names)}.{nearest(text, names)}"
        )
    return run


def _require_comparable(a: Run, b: Run) -> None:
    if a is b:
        raise ConfigError(f"--compare: both are the run {a.name}; name two runs.")
    for run in (a, b):
        if not run.values:
            raise ConfigError(
                f"--compare: {run.path} has no scores for each sequence; choose runs with J and F."
            )
    rules = [(run.protocol, run.headline, run.average) for run in (a, b)]
    if rules[0] != rules[1]:
        shown = [f"{run.name} ({run.protocol}, mean over each {run.average})" for run in (a, b)]
        raise ConfigError(
            f"--compare: the rules of {' and '.join(shown)} differ; score both by the same rules."
        )
