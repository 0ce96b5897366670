"""Published numbers: the score tables of the papers this project follows, to put runs beside.

Each CSV file holds one paper, a line for each number, in the paper's order, with the unit and the
digits it prints. Beside the tables, a file has the scores that its paper gives in running text for
a case that no table covers. A paper's own method has its usual name; the names of the others are
as the paper prints them, unless that is the name of another variant: then the note has the printed
name. Where a number contradicts others, both it and the number that fits are kept. Scores in notes
are shares, whatever the unit of the line.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["METRICS", "PublishedNumber", "parse_numbers", "published_numbers"]

METRICS = (
    "J",  # also called mIoU
    "F",
    "J&F",
    "J_q20",  # the J that 20 % of the frames do not reach
    "G",
    "J_seen",
    "J_unseen",
    "F_seen",
    "F_unseen",
    "AUC",  # interactive
    "J&F@60s",
)
"""Names of the metrics; all of them are shares, and more is better."""

_COLUMNS = [
    "method",
    "dataset",
    "split",
    "metric",
    "value",
    "printed",
    "unit",
    "source",
    "table",
    "training",
    "fps",
    "note",
]
_OPTIONAL = {"printed", "training", "fps", "note"}
_SCALE = {"percent": 100, "fraction": 1}


@dataclass(frozen=True)
class PublishedNumber:
    """One score of one method, as published.

    Attributes:
        method: Name of the method or variant.
        dataset: One of ``datasets_vos.list_datasets()``.
        split: Name of the split as in our dataset; ``all`` is every sequence.
        metric: One of :data:`METRICS`.
        value: Share in [0, 1].
        printed: What the source shows, share in [0, 1], where that contradicts other numbers;
            ``value`` is then one that fits them. None where the source shows ``value``.
        source: Authors, year and short name of the paper that shows the number.
        table: Table or section of the paper.
        training: Data the method was trained on, or how much; None where the paper does not say.
        fps: Frames a second of the method, 0 where they round to that; None where the paper does
            not say. Robinson et al. measure it on the validation set of DAVIS 2016, whatever the
            dataset of the number.
        note: What else is needed to compare; the note of an ablation starts with ``ablation``.
            Numbers in brackets are entries of the paper's bibliography.
    """

    method: str
    dataset: str
    split: str
    metric: str
    value: float
    printed: float | None
    source: str
    table: str
    training: str | None
    fps: float | None
    note: str | None


def published_numbers(dataset: str | None = None) -> tuple[PublishedNumber, ...]:
    """Return the published numbers, in the order of the papers' tables.

    Args:
        dataset: Only those on this dataset; None returns all.

    Example:
        >>> [best] = [n for n in published_numbers("davis2016") if n.method == "LucidTracker"]
        >>> best.metric, best.value, best.table
        ('J', 0.912, 'Table 1')
    """
    return tuple(each for each in _all_numbers() if dataset in (None, each.dataset))


def parse_numbers(text: str, where: str) -> list[PublishedNumber]:
    """Read the content of one file of published numbers.

    Args:
        text: The CSV text, with its line of column names.
        where: Name of the file, for messages.

    Raises:
        ValueError: If a line is malformed; the message names the file and the line.
    """
    lines = csv.reader(text.splitlines())
    if next(lines, None) != _COLUMNS:
        raise ValueError(f"{where}: the first line must be {','.join(_COLUMNS)}")
    numbers = []
    for cells in lines:
        try:
            numbers.append(_number(cells))
        except ValueError as err:
            raise ValueError(f"{where}, line {lines.line_num}: {err}") from err
    return numbers


@cache
def _all_numbers() -> tuple[PublishedNumber, ...]:
    files = [each for each in resources.files(__name__).iterdir() if each.name.endswith(".csv")]
    return tuple(
        number
        for file in sorted(files, key=lambda each: each.name)
        for number in parse_numbers(file.read_text(encoding="utf-8"), file.name)
    )


def _number(line: list[str]) -> PublishedNumber:
    if len(line) != len(_COLUMNS):
        raise ValueError(f"{len(line)} cells instead of {len(_COLUMNS)}")
    cells = dict(zip(_COLUMNS, line, strict=True))
    for column, cell in cells.items():
        if cell != cell.strip():
            raise ValueError(f"{column} has spaces around it: {cell!r}")
        if not cell and column not in _OPTIONAL:
            raise ValueError(f"{column} is empty")
    if cells["metric"] not in METRICS:
        raise ValueError(f"unknown metric {cells['metric']!r}; known are {', '.join(METRICS)}")
    value = _share(cells["value"], cells["unit"])
    printed = _share(cells["printed"], cells["unit"]) if cells["printed"] else None
    if printed == value:
        raise ValueError("printed repeats value; leave it empty")
    fps = float(cells["fps"]) if cells["fps"] else None
    if fps is not None and not 0 <= fps < float("inf"):
        raise ValueError(f"fps must be a number from 0, not {cells['fps']}")
    return PublishedNumber(
        method=cells["method"],
        dataset=cells["dataset"],
        split=cells["split"],
        metric=cells["metric"],
        value=value,
        printed=printed,
        source=cells["source"],
        table=cells["table"],
        training=cells["training"] or None,
        fps=fps,
        note=cells["note"] or None,
    )


def _share(text: str, unit: str) -> float:
    if unit not in _SCALE:
        raise ValueError(f"unit must be one of {', '.join(_SCALE)}, not {unit!r}")
    share = round(float(text) / _SCALE[unit], 6)  # 66.6 / 100 is a little less than 0.666
    if not 0 <= share <= 1:
        raise ValueError(f"{text} is no share in {unit}")
    return share
