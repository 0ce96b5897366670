"""The leaderboard as Markdown."""

import re
from collections.abc import Sequence
from pathlib import Path

from datasets_vos.commands.leaderboard import cells
from datasets_vos.commands.leaderboard.cells import link
from datasets_vos.commands.leaderboard.entry import Entry
from datasets_vos.commands.leaderboard.table import Board, Group
from datasets_vos.commands.output import write_bytes

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def write_markdown(path: Path, board: Board) -> None:
    """Write all groups, and the comparison if there is one.

    Args:
        path: The file, written whole; links are relative to it.
        board: What to write.

    Raises:
        DatasetError: If it cannot be written.
    """
    blocks = ["# Leaderboard"]
    if pair := board.pair:
        sheet = cells.pair_sheet(pair)
        blocks += [f"## {_text(pair.a.name)} against {_text(pair.b.name)}", _text(pair.sentence)]
        blocks.append(_table(sheet.headings, [list(map(_text, row)) for row in sheet.rows]))
    for group in board.groups:
        blocks += _group(group, path, board.level)
    write_bytes(path, ("\n\n".join(blocks) + "\n").encode())


def _group(group: Group, path: Path, level: float) -> list[str]:
    scores = cells.score_sheet(group, level)
    rows = [
        [_name(entry, path), *map(_text, row[1:])]
        for entry, row in zip(group.entries, scores.rows, strict=True)
    ]
    made = cells.provenance_sheet(group.runs)
    origins = [
        [*map(_text, row), _link("config.yaml", link(run.config, path)) or cells.UNKNOWN]
        for run, row in zip(group.runs, made.rows, strict=True)
    ]
    return [
        f"## {_text(cells.title(group))}",
        _table(scores.headings, rows),
        *map(_text, (*cells.explanations(group), *cells.speed_remark(group, scores))),
        _table((*made.headings, "config"), origins),
    ]


def _name(entry: Entry, path: Path) -> str:
    name = _text(entry.name)
    if entry.run is None or entry.kind == "baseline":
        return f"*{name}*"
    return _link(name, link(entry.run.report, path)) or name


def _link(text: str, target: str) -> str:
    return f"[{text}]({target})" if target else ""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown."""
    rule = ["---:" if cells.is_number(heading) else "---" for heading in headings]
    lines = [list(map(_text, headings)), rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """Return text as Markdown that shows it as it is."""
    return _SPECIAL.sub(r"\\\1", text)
