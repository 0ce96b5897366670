"""The rows of the leaderboard: runs and published numbers that may be compared, best first."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from datasets_vos.commands.leaderboard.entry import Entry, merit, metric_of
from datasets_vos.commands.leaderboard.pairs import Pair
from datasets_vos.commands.leaderboard.published_rows import best_rows, published_rows
from datasets_vos.commands.leaderboard.run import Run
from datasets_vos.published import METRICS
from vos_core.metrics.comparison import FEWEST, bootstrap_interval, caution, mean_of
from vos_core.wording import counted

Published = Literal["all", "best", "none"]

# Columns of the kinds of scores that are not J and F of given objects; the first is the headline.
_COLUMNS = {
    "interactive": ("AUC", "J&F@60s"),
    "mots": ("sMOTSA", "MOTSA", "MOTSP", "IDS"),
    "saliency": ("max_F", "mean_F", "adaptive_F", "MAE", "J"),
}
# How many objects a run scored is beside its name; the rest of its rule is what runs share.
_COUNTED = re.compile(r"^mean over \d+ (?:(object|sequence)s?|(categor)(?:y|ies))\b")


@dataclass(frozen=True)
class Group:
    """Rows that may be compared.

    Attributes:
        dataset: What was scored; None where that is not recorded.
        protocol: The rules of the runs.
        headline: The number by which the protocol ranks.
        columns: Names of the numbers to show; by the first, rows are ranked.
        details: Names of further numbers, for those who want to see all.
        entries: The rows, best first.
        remarks: What must be known to read and to compare the rows.
    """

    dataset: str | None
    protocol: str
    headline: str
    columns: tuple[str, ...]
    details: tuple[str, ...]
    entries: tuple[Entry, ...]
    remarks: tuple[str, ...]

    @property
    def ranked_by(self) -> str:
        """Name of the number by which rows are ranked."""
        return self.columns[0]

    @property
    def runs(self) -> list[Run]:
        """Our runs, best first."""
        return [entry.run for entry in self.entries if entry.run]


@dataclass(frozen=True)
class Board:
    """All that is shown.

    Attributes:
        groups: Rows that may be compared, each kind for itself.
        pair: The comparison of two runs, if it was asked for.
        level: Of the confidence intervals, in (0, 1).
    """

    groups: Sequence[Group]
    pair: Pair | None
    level: float


def make_groups(
    runs: Sequence[Run],
    published: Published,
    level: float,
    done: Callable[[], None] = lambda: None,
) -> list[Group]:
    """Put runs that may be compared together, with the published numbers of their dataset.

    Args:
        runs: In any order.
        published: ``best`` is the best result of each method on each split, of the runs' splits if
            those are known; its ablations are left out.
        level: Of the confidence intervals, in (0, 1).
        done: Called after each run.
    """
    groups: dict[tuple[bool, str, str], list[Run]] = {}
    for run in runs:
        key = (run.dataset is None, run.dataset or "", run.protocol)
        groups.setdefault(key, []).append(run)
    return [_group(groups[key], published, level, done) for key in sorted(groups)]


def _group(
    runs: Sequence[Run], published: Published, level: float, done: Callable[[], None]
) -> Group:
    columns = _columns(runs)
    ours = [Entry(run.name, run.split, run.numbers, run=run, fps=run.fps) for run in runs]
    theirs, left_out = _published(runs, columns, published)
    # where not all rows have the headline, the number that most have makes one ranking of all
    ranked_by = max(columns, key=lambda name: sum(each.has(name) for each in (*ours, *theirs)))
    headline, columns = columns[0], tuple(dict.fromkeys((ranked_by, *columns)))
    for index, run in enumerate(runs):
        ours[index] = replace(ours[index], interval=_interval(run, ranked_by, level))
        done()
    entries = sorted(
        (*ours, *theirs),
        key=lambda each: (*(-x for x in merit(each, columns)), each.kind == "published", each.name),
    )
    shown = {name for entry in entries for name in entry.numbers}
    return Group(
        dataset=runs[0].dataset,
        protocol=runs[0].protocol,
        headline=headline,
        columns=columns,
        details=tuple(name for name in METRICS if name in shown.difference(columns, {"G"})),
        entries=tuple(entries),
        remarks=(
            *_rules([entry.run for entry in entries if entry.run]),
            *_on_numbers(entries, headline, columns),
            *_on_runs(runs, ranked_by),
            *([_on_published(runs)] if theirs else []),
            *filter(None, [left_out]),
        ),
    )


def _columns(runs: Sequence[Run]) -> tuple[str, ...]:
    numbers = dict.fromkeys(name for run in runs for name in run.numbers)
    protocol, headline = runs[0].protocol, runs[0].headline
    metrics = _COLUMNS.get(protocol) or (headline, "J&F", "J", "F", "T")
    chosen = dict.fromkeys(
        name
        for metric in metrics
        for name in numbers
        if name == metric
        or name.endswith(f" {metric}")  # of one class
        or (metric == headline and name.startswith(f"{metric} per "))
    )
    return tuple(chosen or numbers)


def _published(
    runs: Sequence[Run], columns: Sequence[str], published: Published
) -> tuple[list[Entry], str]:
    """Return the published rows to show, and a sentence on others."""
    dataset = runs[0].dataset
    # a session is of one benchmark; other numbers say nothing without their dataset
    if published == "none" or (dataset is None and runs[0].protocol != "interactive"):
        return [], ""
    rows = published_rows(dataset, columns)
    if published == "all":
        return rows, ""
    splits = {run.split for run in runs}
    return best_rows(rows, {split for split in splits if split and None not in splits}, columns)


def _interval(run: Run, metric: str, level: float) -> tuple[float, float] | None:
    """Return the interval of a number, if it is the mean of what is known of the sequences."""
    values = run.values.get(metric, {})
    if _scored(run, metric) < FEWEST:
        return None
    if not math.isclose(mean_of(values.values(), run.average), run.numbers[metric], abs_tol=1e-6):
        return None
    return bootstrap_interval(values, run.average, level=level)


def _scored(run: Run, metric: str) -> int:
    """Return how many sequences an interval is over."""
    return sum(not math.isnan(each.mean()) for each in run.values.get(metric, {}).values())


def _rules(runs: Sequence[Run]) -> list[str]:
    """Say what the numbers are; runs are named where they differ in more than their size."""
    by_rule: dict[str, list[Run]] = {}
    for run in runs:
        if run.rule:
            by_rule.setdefault(_COUNTED.sub(_uncounted, run.rule), []).append(run)
    sentences = []
    for rule, same in by_rule.items():
        whole = {str(run.rule) for run in same}
        names = f" of {', '.join(run.name for run in same)}" if len(by_rule) > 1 else ""
        sentences.append(f"Rule{names}: {whole.pop() if len(whole) == 1 else rule}.")
    return sentences


def _uncounted(counted_units: re.Match[str]) -> str:
    return f"mean over {counted_units[1]}s" if counted_units[1] else "mean over categories"


def _on_numbers(entries: Sequence[Entry], headline: str, columns: Sequence[str]) -> list[str]:
    remarks = []
    if columns[0] != headline:
        missing = sum(not entry.has(headline) for entry in entries)
        remarks.append(
            f"Ranked by {columns[0]}, as {missing} of {len(entries)} rows have no {headline}."
        )
    metrics = {metric_of(name) for name in columns}
    if "IDS" in metrics:
        remarks.append("Scores are shares of 1, not percentages; IDS is a count.")
    return remarks


def _on_runs(runs: Sequence[Run], metric: str) -> list[str]:
    remarks = []
    if len({run.scored for run in runs if run.scored}) > 1:
        remarks.append(
            f"The runs did not all score the same {runs[0].unit}s, so their numbers cannot be "
            "compared; --compare takes what two runs have in common."
        )
    cautions: dict[str, list[str]] = {}
    for run in runs:
        if metric in run.values and (text := caution(_scored(run, metric))):
            cautions.setdefault(text, []).append(run.name)
    remarks += [
        f"{text[0].upper()}{text[1:]}: {', '.join(names)}." for text, names in cautions.items()
    ]
    return remarks


def _on_published(runs: Sequence[Run]) -> str:
    sizes = sorted({len(run.scored) for run in runs if run.scored})
    first = f"These runs scored {_span(sizes, runs[0].unit)}; published" if sizes else "Published"
    return (
        f"{first} numbers are of the whole split named in their row, by the rules of their papers."
    )


def _span(sizes: Sequence[int], unit: str) -> str:
    """Return e.g. ``1 sequence`` or ``10 to 20 sequences``; the sizes are sorted and differ."""
    if len(sizes) > 1:
        return f"{sizes[0]} to {sizes[-1]} {unit}s"
    return counted(sizes[0], unit)
