"""The rows of the leaderboard: runs and published numbers that may be compared, best first."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from datasets_vos.commands.leaderboard.runs import Run
from datasets_vos.published import METRICS, PublishedNumber, published_numbers

Published = Literal["all", "best", "none"]

# Columns of the kinds of scores that are not J and F of given objects; the first ranks.
_COLUMNS = {
    "interactive": ("AUC", "J&F@60s"),
    "mots": ("sMOTSA", "MOTSA", "MOTSP", "IDS"),
    "saliency": ("max_F", "mean_F", "adaptive_F", "MAE", "J"),
}


@dataclass(frozen=True)
class Entry:
    """A row: one of our runs, or a published result.

    Attributes:
        name: Of the run or of the method.
        split: Of the dataset; None where it is not known.
        numbers: Scores by name.
        interval: Of the headline number; None where there is none.
        run: The run; None of a published result.
        published: A published result's first number, for its source; None of a run.
        fps: Published frames a second.
        misprints: What was printed in place of the shown numbers.
        note: On the published result.
    """

    name: str
    split: str | None
    numbers: Mapping[str, float]
    interval: tuple[float, float] | None = None
    run: Run | None = None
    published: PublishedNumber | None = None
    fps: float | None = None
    misprints: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Rows that may be compared.

    Attributes:
        dataset: What was scored; the name of the protocol where that is not known.
        protocol: The rules of the runs.
        columns: Names of the numbers to show; by the first, rows are ranked.
        details: Names of further numbers, for those who want to see all.
        entries: The rows, best first.
        rules: What the numbers of the runs are, in words.
        remarks: What must be known to compare the rows.
    """

    dataset: str
    protocol: str
    columns: tuple[str, ...]
    details: tuple[str, ...]
    entries: tuple[Entry, ...]
    rules: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def runs(self) -> list[Run]:
        """Our runs, best first."""
        return [entry.run for entry in self.entries if entry.run]


def dataset_of(run: Run) -> str:
    """Return what a run is grouped by: its dataset or, where that is not known, its protocol."""
    return run.dataset or run.protocol


def make_groups(
    runs: Sequence[Run],
    published: Published,
    level: float,
    done: Callable[[], None] = lambda: None,
) -> list[Group]:
    """Put runs that may be compared together, with the published numbers of their dataset.

    Args:
        runs: In any order.
        published: ``best`` is the best result of each method, of the runs' split if there is one;
            its ablations are left out.
        level: Of the confidence intervals, in (0, 1).
        done: Called after each run.
    """
    groups: dict[tuple[str, str], list[Entry]] = {}
    for run in runs:
        entry = Entry(run.name, run.split, run.numbers, _interval(run, level), run=run)
        groups.setdefault((dataset_of(run), run.protocol), []).append(entry)
        done()
    return [_group(*key, groups[key], published) for key in sorted(groups)]


def _interval(run: Run, level: float) -> tuple[float, float] | None:
    from vos_core.metrics.comparison import bootstrap_interval

    if not run.values:
        return None
    interval = bootstrap_interval(run.values, run.average, level=level)
    return None if math.isnan(interval[0]) else interval


def _group(dataset: str, protocol: str, ours: list[Entry], published: Published) -> Group:
    runs = [entry.run for entry in ours if entry.run]
    columns = _columns(runs)
    entries = [*ours]
    if published != "none":
        theirs = [
            entry
            for entry in _published_entries(published_numbers(dataset))
            if not entry.numbers.keys().isdisjoint(columns)
        ]
        splits = {run.split for run in runs}
        entries += theirs if published == "all" else _best(theirs, splits, columns[0])
    shown = {name for entry in entries for name in entry.numbers}
    return Group(
        dataset=dataset,
        protocol=protocol,
        columns=columns,
        details=tuple(name for name in METRICS if name in shown.difference(columns, {"G"})),
        entries=tuple(sorted(entries, key=lambda entry: _rank(entry, columns))),
        rules=tuple(dict.fromkeys(run.rule for run in runs if run.rule)),
        remarks=tuple(_remarks(runs, with_published=len(entries) > len(ours))),
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


def _published_entries(numbers: Sequence[PublishedNumber]) -> list[Entry]:
    """Gather the numbers that stand in one row of a paper's table."""
    rows: dict[tuple[str | None, ...], list[PublishedNumber]] = {}
    for each in numbers:
        key = (each.method, each.split, each.source, each.table, each.training)
        rows.setdefault(key, []).append(each)
    return [_published_entry(row) for row in rows.values()]


def _published_entry(row: Sequence[PublishedNumber]) -> Entry:
    values = {each.metric: each.value for each in row}
    if "G" in values:  # the mean of J and F over seen and unseen classes
        values["J&F"] = values["G"]
    notes = [note for each in row for note in (each.note or "").split("; ") if note]
    return Entry(
        name=row[0].method,
        split=row[0].split,
        numbers=values,
        published=row[0],
        fps=row[0].fps,
        misprints=tuple(
            f"{each.metric} is printed as {each.printed:.3f}"
            for each in row
            if each.printed is not None
        ),
        note="; ".join(dict.fromkeys(notes)),
    )


def _best(entries: Sequence[Entry], splits: set[str | None], headline: str) -> list[Entry]:
    """Choose one result of each method, of the runs' split if there is one."""
    best: dict[str, Entry] = {}

    def merit(entry: Entry) -> tuple[bool, float, int]:
        return (
            entry.split in splits,
            entry.numbers.get(headline, -1.0),
            len(entry.numbers),
        )

    for entry in entries:
        if not entry.note.startswith("ablation"):
            known = best.setdefault(entry.name, entry)
            best[entry.name] = max(known, entry, key=merit)
    return list(best.values())


def _rank(entry: Entry, columns: Sequence[str]) -> tuple[object, ...]:
    """Sort by the first column, best first; rows without that number by the next they have."""
    numbers = [entry.numbers.get(name, math.nan) for name in columns]
    keys = [(math.isnan(number), 0.0 if math.isnan(number) else -number) for number in numbers]
    return (*keys, entry.published is not None, entry.name)


def _remarks(runs: Sequence[Run], *, with_published: bool) -> list[str]:
    unit = runs[0].unit
    sets = {run.scored for run in runs if run.scored}
    remarks = []
    if len(sets) > 1:
        common = len(frozenset.intersection(*sets))
        remarks.append(
            f"The runs did not all score the same {unit}s ({common} are common to all), so their "
            "numbers cannot be compared; --compare takes what two runs have in common."
        )
    if with_published:
        sizes = sorted({len(each) for each in sets})
        remarks.append(
            (f"These runs scored {_span(sizes, unit)}; published" if sizes else "Published")
            + " numbers are of the whole split named in their row."
        )
    if unknown := [run.name for run in runs if run.dataset is None]:
        remarks.append(
            f"Grouped by protocol alone, as the dataset is not recorded: {', '.join(unknown)}."
        )
    return remarks


def _span(sizes: Sequence[int], unit: str) -> str:
    """Return e.g. ``1 sequence`` or ``10 to 20 sequences``; the sizes are sorted and differ."""
    if len(sizes) > 1:
        return f"{sizes[0]} to {sizes[-1]} {unit}s"
    return counted(sizes[0], unit)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, e.g. ``2 objects``."""
    return f"{number} {noun}{'s' * (number != 1)}"
