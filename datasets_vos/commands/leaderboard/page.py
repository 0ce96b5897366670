"""The leaderboard as one HTML page, which needs no other file and no network."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets_vos.commands.leaderboard import cells
from datasets_vos.commands.leaderboard.entry import Entry
from datasets_vos.commands.leaderboard.pairs import PairRow
from datasets_vos.commands.leaderboard.table import Board, Group
from datasets_vos.commands.output import write_bytes

_TEMPLATE = "leaderboard.html.j2"
_WIDTH = 200.0  # of a picture, in its own units
_MARGIN = 8.0  # room for the marks at the ends
_STEP = 0.05  # the ends of a scale are multiples of it


@dataclass(frozen=True)
class Mark:
    """The number by which a row is ranked, on the scale of its group, in units of the picture."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Scale:
    """A range of scores, drawn from left to right."""

    low: float
    high: float

    def position(self, value: float) -> float:
        """Return where a score lies, in units of the picture."""
        share = (value - self.low) / (self.high - self.low)
        return round(_MARGIN + share * (_WIDTH - 2 * _MARGIN), 1)


def write_page(path: Path, board: Board) -> None:
    """Write all groups, and the comparison if there is one.

    Args:
        path: The file, written whole; links are relative to it.
        board: What to write.

    Raises:
        DatasetError: If it cannot be written.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(_TEMPLATE).render(
        sections=[_section(group, board.level) for group in board.groups],
        pair=board.pair,
        bars=_bars(board.pair.rows) if board.pair else [],
        level=f"{100 * board.level:g} %",
        cells=cells,
        link=partial(cells.link, page=path),
        width=_WIDTH,
    )
    write_bytes(path, text.encode())


def _section(group: Group, level: float) -> dict[str, object]:
    """Gather what the template shows of one group."""
    scale = _scale(group)
    scores, origins = cells.score_sheet(group, level), cells.provenance_sheet(group.runs)
    marks = [_mark(entry, group.ranked_by, scale) for entry in group.entries]
    return {
        "group": group,
        "scale": scale,
        "headings": scores.headings,
        "remarks": [*cells.explanations(group), *cells.speed_remark(group, scores)],
        "rows": list(zip(group.entries, marks, scores.rows, strict=True)),
        "origin_headings": origins.headings,
        "origins": list(zip(group.runs, origins.rows, strict=True)),
    }


def _scale(group: Group) -> Scale:
    """Return the range of all numbers to draw and their intervals, rounded outwards."""
    values = [entry.numbers.get(group.ranked_by, math.nan) for entry in group.entries]
    values += [end for entry in group.entries for end in entry.interval or ()]
    present = [value for value in values if not math.isnan(value)] or [0.0, 1.0]
    low = math.floor(round(min(present) / _STEP, 6)) * _STEP
    high = math.ceil(round(max(present) / _STEP, 6)) * _STEP
    return Scale(low, high if high > low else low + _STEP)


def _mark(entry: Entry, name: str, scale: Scale) -> Mark:
    value = entry.numbers.get(name, math.nan)
    low, high = map(scale.position, entry.interval) if entry.interval else (None, None)
    return Mark(None if math.isnan(value) else scale.position(value), low, high)


def _bars(rows: Iterable[PairRow]) -> list[tuple[float, float]]:
    """Return where the bar of each difference begins and how wide it is; 0 is in the middle."""
    differences = [row.difference for row in rows]
    largest = max(map(abs, differences)) or 1.0
    reach = _WIDTH / 2 - _MARGIN
    lengths = [reach * difference / largest for difference in differences]
    return [(round(_WIDTH / 2 + min(x, 0.0), 1), round(abs(x), 1)) for x in lengths]
