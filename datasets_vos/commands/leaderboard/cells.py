"""The leaderboard's tables as text, for the terminal, Markdown and HTML alike."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets_vos.commands.leaderboard.pairs import Pair
from datasets_vos.commands.leaderboard.runs import Run
from datasets_vos.commands.leaderboard.table import Entry, Group, counted

UNKNOWN = "-"
_IN_BRACKETS = re.compile(r" \([^)]*\)")  # the short name of a paper

# Headings of columns that hold words; all others hold numbers.
_WORDS = frozenset(
    {"run", "run or method", "split", "scored on", "source", "training", "note", "sequence"}
    | {"commit", "finished", "hardware", "config"}
)


@dataclass(frozen=True)
class Sheet:
    """A table of text; ``-`` stands where nothing is known."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def without_empty(self, kept: Sequence[str] = ()) -> "Sheet":
        """Return the columns that have something in them, and those to be kept anyway."""
        columns = zip(self.headings, zip(*self.rows, strict=True), strict=True)
        used = [heading for heading, cells in columns if set(cells) != {UNKNOWN}]
        return self.only((*used, *kept))

    def only(self, headings: Iterable[str]) -> "Sheet":
        """Return the columns of these headings, as far as they are there, in their own order."""
        wanted = set(headings)
        chosen = [column for column, name in enumerate(self.headings) if name in wanted]
        return Sheet(
            tuple(self.headings[column] for column in chosen),
            tuple(tuple(row[column] for column in chosen) for row in self.rows),
        )


def is_number(heading: str) -> bool:
    """Tell whether a column holds numbers, to be put at the right."""
    return heading not in _WORDS


def explanations(group: Group) -> list[str]:
    """Return the sentences that stand below a group."""
    return [f"Rule: {rule}." for rule in group.rules] + list(group.remarks)


def title(group: Group) -> str:
    """Return the heading of a group."""
    known = "" if group.dataset == group.protocol else f", rules of {group.protocol}"
    return f"{group.dataset}{known}"


def score_sheet(group: Group, level: float) -> Sheet:
    """Return all rows of a group with all that is known of the scores."""
    unit = group.runs[0].unit
    numbers = (*group.columns, *group.details)
    headings = (
        *("run or method", *_with_interval(numbers, f"{100 * level:g} % interval")),
        *("split", f"{unit}s", "objects", "source", "training", "FPS", "note"),
    )
    rows = [
        (
            entry.name,
            *_number_cells(entry, numbers),
            entry.split or UNKNOWN,
            *_counts(entry.run),
            source(entry),
            (entry.published.training if entry.published else None) or UNKNOWN,
            UNKNOWN if entry.fps is None else f"{entry.fps:g}",
            note(entry) or UNKNOWN,
        )
        for entry in group.entries
    ]
    return Sheet(headings, tuple(rows)).without_empty(group.columns)


def short_score_sheet(group: Group, level: float) -> Sheet:
    """Return all rows of a group in few columns."""
    headings = ("run or method", *_with_interval(group.columns, f"{100 * level:g} % interval"))
    rows = [
        (entry.name, *_number_cells(entry, group.columns), scored_on(entry))
        for entry in group.entries
    ]
    return Sheet((*headings, "scored on"), tuple(rows)).without_empty(group.columns)


def provenance_sheet(runs: Sequence[Run]) -> Sheet:
    """Return where the scores of our runs come from."""
    headings = (
        *("run", "propagation, s/frame", "adaptation, s/sequence", "memory, peak"),
        *("GPU memory, peak", "seed", "commit", "finished", "hardware"),
    )
    rows = [
        (
            run.name,
            seconds(seconds_per_frame(run), 3),
            seconds(seconds_to_adapt(run), 1),
            memory(run.info.get("peak_memory_mib")),
            memory(run.info.get("peak_gpu_memory_mib")),
            known(run.info.get("seed")),
            commit(run),
            known(run.info.get("finished"))[:10],
            known(run.info.get("hardware")),
        )
        for run in runs
    ]
    return Sheet(headings, tuple(rows)).without_empty()


def pair_sheet(pair: Pair) -> Sheet:
    """Return the scores of two runs on each sequence."""
    rows = [
        (row.sequence, number(row.a), number(row.b), signed(row.difference)) for row in pair.rows
    ]
    return Sheet(("sequence", pair.a.name, pair.b.name, "difference"), tuple(rows))


def number(value: float) -> str:
    """Format a share with three decimals, and a count without any."""
    if isinstance(value, int):
        return str(value)
    return UNKNOWN if math.isnan(value) else f"{value:.3f}"


def signed(value: float) -> str:
    """Format a difference of shares."""
    return f"{value:+z.3f}"


def interval(entry: Entry) -> str:
    """Format the interval of a row."""
    return UNKNOWN if entry.interval is None else "..".join(map(number, entry.interval))


def source(entry: Entry) -> str:
    """Say where a row's numbers come from."""
    if entry.published is None:
        return "ours"
    return f"{entry.published.source}, {entry.published.table}"


def note(entry: Entry) -> str:
    """Return what else is to be known of a published row."""
    return "; ".join(filter(None, (*entry.misprints, entry.note)))


def scored_on(entry: Entry) -> str:
    """Say in few words what a row was scored on."""
    if entry.run is None:
        return f"{entry.split}; {_IN_BRACKETS.sub('', source(entry))}"
    run = entry.run
    parts = [entry.split, counted(len(run.scored), run.unit) if run.scored else None]
    parts.append(None if run.objects is None else counted(run.objects, "object"))
    return ", ".join(part for part in parts if part) or UNKNOWN


def known(value: object) -> str:
    """Return a value as text, and what stands for None."""
    return UNKNOWN if value is None else str(value)


def commit(run: Run) -> str:
    """Return a run's commit, shortened; the plus sign of a changed tree stays."""
    full = known(run.info.get("commit"))
    return full[:7] + "+" * full.endswith("+")


def memory(mib: float | None) -> str:
    """Format an amount of memory."""
    return UNKNOWN if mib is None else f"{mib / 1024:.1f} GiB"


def seconds(value: float | None, decimals: int) -> str:
    """Format a time."""
    return UNKNOWN if value is None else f"{value:.{decimals}f}"


def seconds_per_frame(run: Run) -> float | None:
    """Return the time of propagation per frame."""
    propagate = run.seconds.get("propagate")
    return None if propagate is None or not run.frames else propagate / run.frames


def seconds_to_adapt(run: Run) -> float | None:
    """Return the time of adaptation per sequence."""
    adapt = run.seconds.get("adapt")
    return None if adapt is None or not run.scored else adapt / len(run.scored)


def config_text(run: Run) -> str:
    """Return the path of a run's config as one would type it here."""
    path = run.config
    if path is None:
        return UNKNOWN
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _with_interval(numbers: Sequence[str], heading: str) -> tuple[str, ...]:
    return (*numbers[:1], heading, *numbers[1:])


def _number_cells(entry: Entry, names: Sequence[str]) -> tuple[str, ...]:
    cells = [number(entry.numbers.get(name, math.nan)) for name in names]
    return (*cells[:1], interval(entry), *cells[1:])


def _counts(run: Run | None) -> tuple[str, str]:
    if run is None:
        return UNKNOWN, UNKNOWN
    return str(len(run.scored) or UNKNOWN), known(run.objects)
