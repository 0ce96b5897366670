"""The leaderboard on the terminal."""

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasets_vos.commands.leaderboard import cells
from datasets_vos.commands.leaderboard.table import Board, Group
from datasets_vos.commands.output import FULL_WIDTH

_NUMBER_HEADING = 8  # columns of a heading above numbers, where it can be folded
_LONGEST = 20  # columns of a part of a heading that cannot
_NARROWEST = 10  # columns of words
_AFTER_SLASH_OR_SPACE = re.compile(r"(?<=[/ ])")


def show(board: Board) -> None:
    """Print each group's scores and where ours come from, then the comparison if there is one."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = FULL_WIDTH  # a line for each row, for grep and the like
    for group in board.groups:
        console.print(Text(cells.title(group), style="bold"))
        _print(console, cells.short_score_sheet(group, board.level), _styles(group))
        for line in cells.explanations(group):
            console.print(Text(line), soft_wrap=True)
        for origins in _provenance(group):
            if len(origins.headings) > 1:
                _print(console, origins, [])
    if board.pair:
        console.print(Text(board.pair.sentence, style="bold"), soft_wrap=True)
        _print(console, cells.pair_sheet(board.pair), [])


def fit(text: str, width: int) -> str:
    r"""Break text into lines after spaces and slashes; what is still too long loses its middle.

    Example:
        >>> fit("lucid/version_0, toy", 10)
        'lucid/\nversion_0,\ntoy'
        >>> fit("a_very_long_name", 9)
        'a_ve…name'
    """
    lines = [""]
    for piece in _AFTER_SLASH_OR_SPACE.split(text):
        shown = _shorten(piece, width)
        if lines[-1] and cell_len((lines[-1] + shown).rstrip()) > width:
            lines.append("")
        lines[-1] += shown
    return "\n".join(line.rstrip() for line in lines)


def _shorten(piece: str, width: int) -> str:
    shown, kept = piece, len(piece)
    while cell_len(shown.rstrip()) > width and kept > 0:
        kept -= 1
        shown = f"{piece[: (kept + 1) // 2]}…{piece[len(piece) - kept // 2 :]}"
    return shown


def _print(console: Console, sheet: cells.Sheet, styles: Sequence[str]) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    headings = [_fold_heading(heading) for heading in sheet.headings]
    width = console.width
    widths = _widths(sheet, headings, width)
    for name, heading in zip(sheet.headings, headings, strict=True):
        justify: Literal["right", "left"] = "right" if cells.is_number(name) else "left"
        table.add_column(Text(heading), justify=justify, no_wrap=True)
    for index, row in enumerate(sheet.rows):
        fitted = map(fit, row, widths)
        table.add_row(*map(Text, fitted), style=styles[index] if styles else "")
    # a narrower terminal breaks the lines, but no number loses a digit
    console.width = max(width, sum(widths) + 2 * len(widths))
    console.print(table, crop=False)
    console.width = width


def _fold_heading(heading: str) -> str:
    width = _NUMBER_HEADING if cells.is_number(heading) else _LONGEST
    parts = re.split(", |(?<=%) | (?=[(])| (?=of )", heading)
    lines = [line for part in parts for line in wrap(part, width, break_long_words=False)]
    return "\n".join(fit(line, _LONGEST) for line in lines)


def _widths(sheet: cells.Sheet, headings: Sequence[str], total: int) -> list[int]:
    """Share a width among columns: numbers get what they need, words as even a share as needed."""
    least = [max(map(cell_len, heading.splitlines())) for heading in headings]
    columns = zip(least, zip(*sheet.rows, strict=True), strict=True)
    needed = [max(width, *map(cell_len, column)) for width, column in columns]
    widths = [*needed]
    words = [i for i, heading in enumerate(sheet.headings) if not cells.is_number(heading)]
    # there is a space at both ends of the table, and two between columns
    left = total - 2 * len(widths) - sum(w for i, w in enumerate(widths) if i not in words)
    for done, index in enumerate(sorted(words, key=lambda i: needed[i])):
        share = max(left // (len(words) - done), least[index], _NARROWEST)
        widths[index] = min(needed[index], share)
        left -= widths[index]
    return widths


def _styles(group: Group) -> list[str]:
    styles = {"run": "", "baseline": "italic", "published": "dim italic"}
    return [styles[entry.kind] for entry in group.entries]


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
