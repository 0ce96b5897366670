"""The leaderboard's tables as text, for the terminal, Markdown and HTML alike."""

import math
import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from datasets_vos.commands.leaderboard.entry import Entry, metric_of
from datasets_vos.commands.leaderboard.pairs import Pair
from datasets_vos.commands.leaderboard.run import Run
from datasets_vos.commands.leaderboard.search import printable
from datasets_vos.commands.leaderboard.table import Group
from vos_core.wording import counted

UNKNOWN = "-"
INFERRED = "*"
_IN_BRACKETS = re.compile(r" \([^)]*\)")  # the short name of a paper

# Headings of columns that hold words; all others hold numbers.
_WORDS = frozenset(
    {"run", "run or method", "scored on", "source and note", "training", "sequence"}
    | {"commit", "finished", "hardware", "config"}
)


@dataclass(frozen=True)
class Sheet:
    """A table of text; ``-`` stands where nothing is known."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def without_empty(self, kept: Collection[str] = (), least: int = 1) -> "Sheet":
        """Return the columns that some rows have, at least so many, and those to be kept anyway."""
        columns = zip(self.headings, zip(*self.rows, strict=True), strict=True)
        used = [
            heading
            for heading, cells in columns
            if heading in kept or sum(cell != UNKNOWN for cell in cells) >= least
        ]
        return self.only(used)

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
    inferred = [f"{entry.name}: {each}." for entry in group.entries for each in inferences(entry)]
    return [*group.remarks, *inferred]


def speed_remark(group: Group, sheet: Sheet) -> list[str]:
    """Return what must be known to compare speeds, if a table shows those of our runs."""
    if "FPS" not in sheet.headings or not any(run.fps for run in group.runs):
        return []
    return ["FPS of our runs is that of propagation, without adaptation; the hardware differs."]


def title(group: Group) -> str:
    """Return the heading of a group."""
    parts = [group.dataset or "dataset not recorded"]
    if group.dataset != group.protocol:
        parts.append(f"rules of {group.protocol}")
    return ", ".join((*parts, f"ranked by {group.ranked_by}"))


def score_sheet(group: Group, level: float) -> Sheet:
    """Return all rows of a group with most of what is known, but no column that one row has."""
    numbers = (*group.columns, *group.details)
    headings = (
        *("run or method", *_number_headings(numbers, level)),
        *("scored on", "training", "FPS", "source and note"),
    )
    rows = [
        (
            entry.name,
            *_number_cells(entry, numbers),
            size(entry),
            (entry.published.training if entry.published else None) or UNKNOWN,
            fps(entry),
            "; ".join(filter(None, (source(entry), note(entry)))),
        )
        for entry in group.entries
    ]
    kept = {"run or method", "scored on", "source and note", *map(_heading, group.columns)}
    if any(entry.interval for entry in group.entries):
        kept.add(_interval_heading(group.ranked_by, level))
    return Sheet(headings, tuple(rows)).without_empty(kept, least=min(2, len(rows)))


def short_score_sheet(group: Group, level: float) -> Sheet:
    """Return all rows of a group in few columns."""
    headings = ("run or method", *_number_headings(group.columns, level), "scored on")
    rows = [
        (entry.name, *_number_cells(entry, group.columns), scored_on(entry))
        for entry in group.entries
    ]
    return Sheet(headings, tuple(rows)).without_empty([_heading(name) for name in group.columns])


def provenance_sheet(runs: Sequence[Run]) -> Sheet:
    """Return where the scores of our runs come from."""
    headings = (
        *("run", "propagation, s/frame", "adaptation, s/sequence", "memory, peak"),
        *("GPU memory, peak", "seed", "commit", "finished", "hardware"),
    )
    rows = [
        (
            run.name,
            seconds(run.seconds_per_frame, 3),
            seconds(run.seconds_to_adapt, 1),
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


def fps(entry: Entry) -> str:
    """Format the speed of a row."""
    if entry.fps is None:
        return UNKNOWN
    return f"{entry.fps:.3g}" if entry.fps else "<0.005"  # published with two decimals


def source(entry: Entry) -> str:
    """Say where a row's numbers come from."""
    if entry.published is None:
        return f"baseline: {entry.run.baseline}" if entry.run and entry.run.baseline else "ours"
    return f"{entry.published.source}, {entry.published.table}"


def note(entry: Entry) -> str:
    """Return what else is to be known of a published row."""
    return "; ".join(filter(None, (*inferences(entry), entry.note)))


def inferences(entry: Entry) -> list[str]:
    """Say which numbers are not those that the paper prints."""
    return [
        f"{name} {entry.numbers[name]:.3f}{INFERRED} is inferred; the paper prints {printed:.3f}"
        for name, printed in entry.printed.items()
    ]


def scored_on(entry: Entry) -> str:
    """Say in few words what a row was scored on, and where it is from unless it is a run."""
    if entry.published:
        return f"{entry.split}; {_IN_BRACKETS.sub('', source(entry))}"
    return size(entry) if entry.kind == "run" else f"{source(entry)}; {size(entry)}"


def size(entry: Entry) -> str:
    """Say how much was scored."""
    parts = [entry.split]
    if entry.run:
        run = entry.run
        parts.append(counted(len(run.scored), run.unit) if run.scored else None)
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


def config_text(run: Run) -> str:
    """Return the path of a run's config as one would type it here."""
    path = run.config
    if path is None:
        return UNKNOWN
    here = Path.cwd()
    return printable(path.relative_to(here) if path.is_relative_to(here) else path)


def link(target: Path | None, page: Path) -> str:
    """Return a relative link, percent-encoded; empty without a target.

    Args:
        target: The file to link to.
        page: The file that holds the link.
    """
    if target is None:
        return ""
    relative = os.path.relpath(target.resolve(), page.parent.resolve())
    return quote(os.fsencode(Path(relative).as_posix()))


def _number_headings(names: Sequence[str], level: float) -> tuple[str, ...]:
    headings = [_heading(name) for name in names]
    return (headings[0], _interval_heading(names[0], level), *headings[1:])


def _interval_heading(name: str, level: float) -> str:
    return f"{100 * level:g} % interval of {name}"


def _heading(name: str) -> str:
    remark = {"MAE": " (lower is better)", "IDS": " (count)"}.get(metric_of(name), "")
    return f"{name}{remark}"


def _number_cells(entry: Entry, names: Sequence[str]) -> tuple[str, ...]:
    cells = [
        number(entry.numbers.get(name, math.nan)) + INFERRED * (name in entry.printed)
        for name in names
    ]
    return (*cells[:1], interval(entry), *cells[1:])
