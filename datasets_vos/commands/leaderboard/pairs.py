"""Two runs against each other, sequence by sequence."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from datasets_vos.commands.leaderboard.run import Run, Values
from datasets_vos.commands.leaderboard.runs import find_run
from datasets_vos.commands.leaderboard.search import printable
from vos_core.errors import ConfigError, DatasetError, MaskError, nearest
from vos_core.metrics import compare

_NAMED = 10  # runs in a message


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
        a: The run with the higher mean; the one named first if they have the same.
        b: The other run.
        sentence: The outcome in words.
        rows: The sequences that both scored, those first where run a gains most.
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
        ConfigError: If a run is unknown, both are the same, or they have other rules or data.
        DatasetError: If they have no sequence in common.
        MaskError: If the objects or the scored frames of a sequence differ.
    """
    a, b = (_choose(runs, name) for name in names)
    _require_comparable(a, b)
    mine, theirs = _headline_values(a), _headline_values(b)
    common = sorted(
        name
        for name in mine.keys() & theirs.keys()
        if not math.isnan(mine[name].mean() + theirs[name].mean())
    )
    if not common:
        raise DatasetError(
            f"--compare: {a.name} ({printable(a.path)}) and {b.name} ({printable(b.path)}) have no "
            "scored sequence in common; choose runs on the same data."
        )
    try:
        _require_same_truth(a, b)
        outcome = compare(mine, theirs, a.average, level=level)
    except MaskError as err:
        raise MaskError(f"--compare {a.name} {b.name}: {err}.") from err
    if outcome.difference < 0:
        return compare_runs(runs, names[::-1], level)
    rows = [PairRow(name, mine[name].mean(), theirs[name].mean()) for name in common]
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
        there = ", ".join(names[:_NAMED])
        if len(names) > _NAMED:
            there += f" and {len(names) - _NAMED} more"
        raise ConfigError(
            f"--compare {printable(text)!r}: no such run; there are {there}.{nearest(text, names)}"
        )
    return run


def _headline_values(run: Run) -> Values:
    return run.values[run.headline]


def _require_comparable(a: Run, b: Run) -> None:
    if a is b:
        raise ConfigError(f"--compare: both are the run {a.name}; name two runs.")
    for run in (a, b):
        if not run.values:
            raise ConfigError(
                f"--compare: {printable(run.path)} has no scores for each sequence; choose runs "
                "with J and F."
            )
    rules = [(run.protocol, run.headline, run.average) for run in (a, b)]
    if rules[0] != rules[1]:
        shown = [f"{run.name} ({run.protocol}, mean over each {run.average})" for run in (a, b)]
        raise ConfigError(
            f"--compare: the rules of {' and '.join(shown)} differ; score both by the same rules."
        )
    if a.dataset and b.dataset and a.dataset != b.dataset:
        raise ConfigError(
            f"--compare: {a.name} is on {a.dataset} and {b.name} on {b.dataset}; choose runs on "
            "the same data."
        )


def _require_same_truth(a: Run, b: Run) -> None:
    """Refuse sequences of one name that were not scored on the same objects and frames."""
    for name in sorted(a.scored_frames.keys() & b.scored_frames.keys()):
        mine, theirs = a.scored_frames[name], b.scored_frames[name]
        if mine.keys() != theirs.keys():
            problem = f"objects {_listed(mine)} against {_listed(theirs)}"
        elif other := [i for i in mine if mine[i] != theirs[i]]:
            counts = f"{len(mine[other[0]])} against {len(theirs[other[0]])}"
            problem = f"other frames of object {other[0]} ({counts})"
        else:
            continue
        raise MaskError(
            f"sequence {name!r}: the runs were scored on {problem}; score both on the same data"
        )


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(ids) or "none"
