"""The leaderboard as one HTML page, which needs no other file and no network."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets_vos.commands.leaderboard import cells
from datasets_vos.commands.leaderboard.links import link
from datasets_vos.commands.leaderboard.pairs import Pair, PairRow
from datasets_vos.commands.leaderboard.table import Entry, Group
from datasets_vos.commands.output import write_bytes

_TEMPLATE = "leaderboard.html.j2"
_WIDTH = 200.0  # of a picture, in its own units
_MARGIN = 8.0  # room for the marks at the ends
_STEP = 0.05  # the ends of a scale are multiples of it


@dataclass(frozen=True)
class Mark:
    """A row's headline number on the scale of its group, in units of the picture."""

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


def write_page(path: Path, groups: Sequence[Group], pair: Pair | None, level: float) -> None:
    """Write all groups, and the comparison if there is one.

    Args:
        path: The file, written whole; links are relative to it.
        groups: The rows.
        pair: The comparison of two runs.
        level: Of the confidence intervals.

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
        sections=[_section(group, level) for group in groups],
        pair=pair,
        bars=_bars(pair.rows) if pair else [],
        level=f"{100 * level:g} %",
        cells=cells,
        link=partial(link, page=path),
        width=_WIDTH,
    )
    write_bytes(path, text.encode())


def _section(group: Group, level: float) -> dict[str, object]:
    """Gather what the template shows of one group."""
    headline = group.columns[0]
    scale = _scale(group)
    scores, origins = cells.score_sheet(group, level), cells.provenance_sheet(group.runs)
    marks = [_mark(entry, headline, scale) for entry in group.entries]
    return {
        "group": group,
        "scale": scale,
        "headings": scores.headings,
        "rows": list(zip(group.entries, marks, scores.rows, strict=True)),
        "origin_headings": origins.headings,
        "origins": list(zip(group.runs, origins.rows, strict=True)),
    }


def _scale(group: Group) -> Scale:
    """Return the range of all headline numbers and intervals, rounded outwards."""
    headline = group.columns[0]
    values = [entry.numbers.get(headline, math.nan) for entry in group.entries]
    values += [end for entry in group.entries for end in entry.interval or ()]
    present = [value for value in values if not math.isnan(value)] or [0.0, 1.0]
    low = math.floor(round(min(present) / _STEP, 6)) * _STEP
    high = math.ceil(round(max(present) / _STEP, 6)) * _STEP
    return Scale(low, high if high > low else low + _STEP)


def _mark(entry: Entry, headline: str, scale: Scale) -> Mark:
    value = entry.numbers.get(headline, math.nan)
    low, high = map(scale.position, entry.interval) if entry.interval else (None, None)
    return Mark(None if math.isnan(value) else scale.position(value), low, high)


def _bars(rows: Iterable[PairRow]) -> list[tuple[float, float]]:
    """Return where the bar of each difference begins and how wide it is; 0 is in the middle."""
    differences = [row.difference for row in rows]
    largest = max(map(abs, differences)) or 1.0
    reach = _WIDTH / 2 - _MARGIN
    lengths = [reach * difference / largest for difference in differences]
    return [(round(_WIDTH / 2 + min(x, 0.0), 1), round(abs(x), 1)) for x in lengths]
