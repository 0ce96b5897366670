"""How sure a score is: intervals by bootstrap over sequences, and paired comparison of two runs.

What is drawn are sequences, because the frames and objects of one sequence are alike; see Efron
and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 for the percentile interval.
It says how much a score depends on the choice of sequences, and nothing about other seeds of
training. With fewer than about ten sequences it is too narrow, and over a handful it says nothing:
see :func:`caution`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vos_core.errors import ConfigError, MaskError
from vos_core.metrics.protocols import Average

FEWEST = 5
"""Sequences from which on an interval is worth showing."""
FEW = 10
"""Sequences from which on an interval is about as wide as it should be."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SequenceValues:
    """The headline scores of a sequence's objects.

    Attributes:
        values: Of each object; NaN where it was not scored.
        categories: Of each object; empty where they are not known.

    Raises:
        MaskError: If only some objects have a category.
    """

    values: tuple[float, ...]
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that there is a category for every object or for none."""
        if self.categories and len(self.categories) != len(self.values):
            raise MaskError(
                f"{len(self.values)} objects have {len(self.categories)} categories; give one for "
                "every object, or none"
            )

    def mean(self) -> float:
        """Return the mean over the objects that were scored; NaN if there are none."""
        scored = [value for value in self.values if not math.isnan(value)]
        return sum(scored) / len(scored) if scored else math.nan


def mean_of(groups: Iterable[SequenceValues], average: Average) -> float:
    """Average over sequences by the rules of a benchmark; NaN if nothing was scored.

    Args:
        groups: One for each sequence.
        average: The unit that counts the same: object; sequence, the mean over its objects; or
            category, the mean over its objects of all sequences.

    Raises:
        MaskError: If a category is needed and missing.

    Example:
        >>> mean_of([SequenceValues((1.0, 0.75)), SequenceValues((0.5,))], "object")
        0.75
        >>> mean_of([SequenceValues((1.0, 0.75)), SequenceValues((0.5,))], "sequence")
        0.6875
    """
    sums = _Sums(list(groups), average)
    return float(sums.means(np.ones((1, sums.sequences)))[0])


def bootstrap_interval(
    groups: Mapping[str, SequenceValues],
    average: Average,
    *,
    level: float = 0.95,
    samples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of :func:`mean_of` over sequences drawn with replacement.

    Args:
        groups: Sequence -> its scores. Sequences without a score take no part.
        average: See :func:`mean_of`.
        level: Share of the draws that lie inside, in (0, 1).
        samples: Number of draws.
        seed: Of the draws; the same input and seed give the same interval.

    Returns:
        Lower and upper end, both NaN if fewer than two sequences were scored.

    Raises:
        MaskError: If a category is needed and missing.
        ConfigError: If the level or the number of draws is out of range.

    Example:
        >>> scores = {"a": SequenceValues((0.25,)), "b": SequenceValues((0.75,))}
        >>> bootstrap_interval(scores, "sequence")
        (0.25, 0.75)
    """
    scored = [groups[name] for name in sorted(groups) if not math.isnan(groups[name].mean())]
    draws = _draw(len(scored), samples, seed)
    return _percentiles(_Sums(scored, average).means(draws), len(scored), level)


def caution(sequences: int) -> str:
    """Say what is wrong with an interval over so few sequences; empty if nothing is.

    Example:
        >>> caution(3)
        'fewer than 5 sequences give no interval'
        >>> caution(9)
        'an interval over fewer than 10 sequences is too narrow'
        >>> caution(10)
        ''
    """
    if sequences < FEWEST:
        return f"fewer than {FEWEST} sequences give no interval"
    if sequences < FEW:
        return f"an interval over fewer than {FEW} sequences is too narrow"
    return ""


@dataclass(frozen=True)
class Comparison:
    """Run a against run b, on the sequences that both have.

    Attributes:
        sequences: Number of sequences compared.
        better: Sequences on which a's mean over objects is higher.
        worse: Sequences on which it is lower.
        equal: Sequences on which it is the same.
        difference: Mean of a minus mean of b.
        interval: Of the difference, over draws of sequences that a and b share; NaN for a single
            sequence.
        level: Share of the draws inside the interval.
        left_out: Number of sequences that only one of the runs has.
    """

    sequences: int
    better: int
    worse: int
    equal: int
    difference: float
    interval: tuple[float, float]
    level: float
    left_out: int

    def sentence(self, a_name: str, b_name: str, unit: str = "J&F") -> str:
        """Say the outcome in words, the better run first.

        There is no interval where :func:`caution` says so.

        Args:
            a_name: Name of the first run.
            b_name: Name of the second run.
            unit: Name of the score.

        Example:
            >>> Comparison(20, 17, 3, 0, 0.021, (0.004, 0.039), 0.95, 0).sentence("A", "B")
            'A beats B on 17 of 20 sequences, mean difference +0.021 J&F, 95 % interval +0.004 to \
+0.039'
            >>> Comparison(3, 1, 2, 0, -0.1, (-0.2, 0.1), 0.95, 0).sentence("A", "B")
            'B beats A on 2 of 3 sequences, mean difference +0.100 J&F; fewer than 5 sequences \
give no interval'
        """
        if self.difference < 0:
            return self._turned().sentence(b_name, a_name, unit)
        parts = [self._outcome(a_name, b_name, unit)]
        low, high = self.interval
        if self.sequences >= FEWEST and not self._alike:
            parts[0] += f", {100 * self.level:g} % interval {low:+z.3f} to {high:+z.3f}"
            if low <= 0 <= high:
                parts.append("not told apart from chance")
        if not self._alike:
            parts.append(caution(self.sequences))
        if self.left_out:
            parts.append(f"left out: {_sequences(self.left_out)} that only one of them has")
        return "; ".join(filter(None, parts))

    def _outcome(self, a_name: str, b_name: str, unit: str) -> str:
        total = _sequences(self.sequences)
        if self._alike:
            return f"{a_name} and {b_name} are equal on {'all ' * (self.sequences > 1)}{total}"
        equal = f" ({self.equal} equal)" if self.equal else ""
        if self.difference == 0:
            return (
                f"{a_name} and {b_name} have the same mean {unit}: {a_name} is better on "
                f"{self.better} and {b_name} on {self.worse} of {total}{equal}"
            )
        return (
            f"{a_name} beats {b_name} on {self.better} of {total}{equal}, mean difference "
            f"{self.difference:+z.3f} {unit}"
        )

    @property
    def _alike(self) -> bool:
        # a mean over categories can differ although that over each sequence is the same
        return self.equal == self.sequences and self.difference == 0

    def _turned(self) -> "Comparison":
        """Return the same comparison, of b against a."""
        low, high = self.interval
        return replace(
            self,
            better=self.worse,
            worse=self.better,
            difference=-self.difference,
            interval=(-high, -low),
        )


def compare(
    a: Mapping[str, SequenceValues],
    b: Mapping[str, SequenceValues],
    average: Average,
    *,
    level: float = 0.95,
    samples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two runs, sequence by sequence.

    The draws of sequences are the same for both runs, so that what makes a sequence hard for both
    drops out of the interval.

    Args:
        a: Sequence -> scores of one run.
        b: The same of the other run.
        average: See :func:`mean_of`.
        level: Share of the draws inside the interval, in (0, 1).
        samples: Number of draws.
        seed: Of the draws.

    Raises:
        MaskError: If no scored sequence is in both, the objects of a sequence differ, or a
            category is needed and missing.
        ConfigError: If the level or the number of draws is out of range.

    Example:
        >>> a = {"bear": SequenceValues((0.75,)), "cow": SequenceValues((0.5,))}
        >>> b = {"bear": SequenceValues((0.5,)), "cow": SequenceValues((0.5,))}
        >>> outcome = compare(a, b, "object")
        >>> outcome.better, outcome.equal, outcome.difference, outcome.interval
        (1, 1, 0.125, (0.0, 0.25))
    """
    names = _shared(a, b)
    gains = [a[name].mean() - b[name].mean() for name in names]
    sums_a, sums_b = (_Sums([run[name] for name in names], average) for run in (a, b))
    draws = _draw(len(names), samples, seed)
    whole = np.ones((1, len(names)))
    return Comparison(
        sequences=len(names),
        better=sum(gain > 0 for gain in gains),
        worse=sum(gain < 0 for gain in gains),
        equal=sum(gain == 0 for gain in gains),
        difference=round(float((sums_a.means(whole) - sums_b.means(whole))[0]), 12),  # no noise
        interval=_percentiles(sums_a.means(draws) - sums_b.means(draws), len(names), level),
        level=level,
        left_out=len(a.keys() ^ b.keys()),
    )


def _shared(a: Mapping[str, SequenceValues], b: Mapping[str, SequenceValues]) -> list[str]:
    """Return the scored sequences that are in both, whose objects must be the same."""
    shared = sorted(a.keys() & b.keys())
    for name in shared:
        _require_same_objects(name, a[name], b[name])
    names = [name for name in shared if not math.isnan(a[name].mean())]
    if not names:
        raise MaskError("the runs share no scored sequence; compare runs of the same set")
    return names


class _Sums:
    """What each sequence adds to each mean that the global mean is a mean of.

    There is one such mean, or one for each category. Sums of a draw are then weighted sums over
    sequences, and one matrix product does all draws.
    """

    def __init__(self, groups: Sequence[SequenceValues], average: Average) -> None:
        self.sequences = len(groups)
        parts = [_parts(each, average) for each in groups]
        keys = {key: column for column, key in enumerate(sorted({k for p in parts for k, _ in p}))}
        self._totals, self._counts = np.zeros((2, len(groups), len(keys)))
        for row, part in enumerate(parts):
            for key, value in part:
                self._totals[row, keys[key]] += value
                self._counts[row, keys[key]] += 1

    def means(self, weights: Array) -> Array:
        """Return (S,) global means, NaN for those of nothing.

        Args:
            weights: (S, N) how often each of N sequences is in each of S draws.
        """
        counts = weights @ self._counts
        present = counts > 0
        each = np.divide(
            weights @ self._totals, counts, out=np.zeros_like(counts), where=present
        ).sum(axis=1)
        number = present.sum(axis=1)
        means: Array = np.divide(each, number, out=np.full_like(each, np.nan), where=number > 0)
        return means


def _parts(each: SequenceValues, average: Average) -> list[tuple[str, float]]:
    """Return the numbers a sequence adds, each with the mean it belongs to."""
    if average == "sequence":
        parts = [("", each.mean())]
    elif average == "object":
        parts = [("", value) for value in each.values]
    elif len(each.categories) == len(each.values):
        parts = list(zip(each.categories, each.values, strict=True))
    else:
        raise MaskError(
            "the category of an object is unknown, and the mean is one over categories; average "
            "over objects or sequences"
        )
    return [(key, value) for key, value in parts if not math.isnan(value)]


def _draw(sequences: int, samples: int, seed: int) -> Array:
    """Return (samples, sequences) how often each sequence is in each draw."""
    if samples < 1:
        raise ConfigError(f"{samples} draws give no interval; take 1000 or more")
    chosen = np.random.default_rng(seed).integers(sequences, size=(samples, sequences))
    flat = chosen + sequences * np.arange(samples)[:, None]
    counts = np.bincount(flat.ravel(), minlength=samples * sequences)
    return counts.reshape(samples, sequences).astype(np.float64)


def _percentiles(estimates: Array, sequences: int, level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ConfigError(f"level {level} is no share between 0 and 1; take 0.95, for example")
    if sequences < 2:
        return math.nan, math.nan
    low, high = np.quantile(estimates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _require_same_objects(name: str, a: SequenceValues, b: SequenceValues) -> None:
    # one that is scored in only one of the runs would count as a difference between them
    unscored = [[math.isnan(value) for value in each.values] for each in (a, b)]
    if unscored[0] != unscored[1] or a.categories != b.categories:
        raise MaskError(
            f"sequence {name!r}: the runs have scores of different objects; score both by the "
            "same rules on the same data"
        )


def _sequences(number: int) -> str:
    return f"{number} sequence{'s' * (number != 1)}"
