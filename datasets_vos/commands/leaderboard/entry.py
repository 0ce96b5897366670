"""A row of the leaderboard."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from datasets_vos.commands.leaderboard.run import Run
from datasets_vos.published import PublishedNumber

_LOWER_IS_BETTER = frozenset({"MAE", "IDS"})


@dataclass(frozen=True)
class Entry:
    """A row: one of our runs, or a published result.

    Attributes:
        name: Of the run or of the method.
        split: Of the dataset; None where it is not known.
        numbers: Scores by name.
        interval: Of the number by which rows are ranked; None where there is none.
        run: The run; None of a published result.
        published: A published result's first number, for its source; None of a run.
        fps: Frames a second; of our runs those of propagation alone.
        printed: What the paper prints for those numbers that were inferred.
        note: On the published result.
    """

    name: str
    split: str | None
    numbers: Mapping[str, float]
    interval: tuple[float, float] | None = None
    run: Run | None = None
    published: PublishedNumber | None = None
    fps: float | None = None
    printed: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def kind(self) -> Literal["run", "baseline", "published"]:
        """Where the row is from; a baseline is one that we scored."""
        if self.run is None:
            return "published"
        return "baseline" if self.run.baseline else "run"

    def has(self, name: str) -> bool:
        """Tell whether a number is known."""
        return not math.isnan(self.numbers.get(name, math.nan))


def metric_of(name: str) -> str:
    """Return the metric of a number that may be of one class, e.g. ``IDS`` of ``car IDS``."""
    return name.rpartition(" ")[2]


def merit(entry: Entry, columns: Sequence[str]) -> tuple[float, ...]:
    """Return what is higher for a better row: its numbers, the first one first.

    A row without a number is worse than any that has it.
    """
    signs = [-1 if lower_is_better(name) else 1 for name in columns]
    return tuple(
        sign * entry.numbers[name] if entry.has(name) else -math.inf
        for sign, name in zip(signs, columns, strict=True)
    )


def lower_is_better(name: str) -> bool:
    """Tell whether a number is of an error."""
    return metric_of(name) in _LOWER_IS_BETTER
