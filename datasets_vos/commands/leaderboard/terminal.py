"""The leaderboard on the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasets_vos.commands.leaderboard import cells
from datasets_vos.commands.leaderboard.pairs import Pair
from datasets_vos.commands.leaderboard.table import Group
from datasets_vos.commands.output import FULL_WIDTH

_ROOMY = 100
"""Columns of a terminal on which only long names are folded."""


def show(groups: Sequence[Group], pair: Pair | None, level: float) -> None:
    """Print each group's scores and where ours come from, then the comparison if there is one."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = FULL_WIDTH  # a line for each row, for grep and the like
    for group in groups:
        console.print(Text(cells.title(group), style="bold"))
        _print(console, cells.short_score_sheet(group, level), _styles(group))
        for line in (*cells.explanations(group), *_misprints(group)):
            console.print(Text(line), soft_wrap=True)
        for origins in _provenance(group):
            if len(origins.headings) > 1:
                _print(console, origins, [])
    if pair:
        console.print(Text(pair.sentence, style="bold"), soft_wrap=True)
        _print(console, cells.pair_sheet(pair), [])


def _print(console: Console, sheet: cells.Sheet, styles: Sequence[str]) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    whole = ("commit", "finished", *(["scored on"] if console.width >= _ROOMY else []))
    for heading in sheet.headings:
        numeric = cells.is_number(heading)
        table.add_column(
            Text(heading.replace(", ", "\n").replace("% ", "%\n")),
            justify="right" if numeric else "left",
            no_wrap=numeric or heading in whole,
            overflow="fold",
        )
    for index, row in enumerate(sheet.rows):
        table.add_row(*map(Text, row), style=styles[index] if styles else "")
    console.print(table)


def _styles(group: Group) -> list[str]:
    return ["" if entry.run else "dim italic" for entry in group.entries]


def _misprints(group: Group) -> list[str]:
    return [f"{entry.name}: {each}." for entry in group.entries for each in entry.misprints]


def _provenance(group: Group) -> tuple[cells.Sheet, cells.Sheet]:
    """Return numbers and places apart, so that each table fits a terminal."""
    sheet = cells.provenance_sheet(group.runs)
    places = cells.Sheet(
        (*sheet.headings, "config"),
        tuple(
            (*row, cells.config_text(run)) for row, run in zip(sheet.rows, group.runs, strict=True)
        ),
    )
    return (
        sheet.only({*sheet.headings} - {"hardware"}),
        places.only(("run", "hardware", "config")).without_empty(),
    )
