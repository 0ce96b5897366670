"""How ``evaluate`` shows the scores of videos on the terminal."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vos_core.metrics import GlobalScores, Scores


def show(scores: "Scores") -> None:
    """Print sequences, global numbers, and each number's rule."""
    console = Console()
    console.print(_sequences(scores))
    console.print(_total(scores))
    for heading, rows in (
        ("category", scores["per_category"]),
        ("attribute", scores.get("per_attribute", {})),
    ):
        if rows:
            console.print(_groups(heading, rows))
    if quantiles := scores["quantiles"]:
        row = _table("quantile of J over all frames", *(f"{q} %" for q in quantiles))
        row.add_row("", *map(_number, quantiles.values()))
        console.print(row)
    for line in _rules(scores):
        console.print(line, highlight=False, soft_wrap=True)


def _sequences(scores: "Scores") -> Table:
    from vos_core.metrics import objects_of, per_sequence_rows

    stability = "T" in scores["global"]
    table = _table("sequence", "objects", "frames", "J", "F", "J&F", *(["T"] if stability else []))
    for row in per_sequence_rows(scores):
        numbers = [row["J_mean"], row["F_mean"], row["J&F_mean"]]
        if stability:
            each = [o["T"] for o in objects_of(scores, row["sequence"]).values() if "T" in o]
            known = [t for t in each if not math.isnan(t)]
            numbers.append(sum(known) / len(known) if known else math.nan)
        counts = (str(row["objects"]), str(row["frames"]))
        table.add_row(row["sequence"], *counts, *map(_number, numbers))
    return table


def _total(scores: "Scores") -> Table:
    table = _table("", "mean", "recall", "decay")
    numbers = scores["global"]
    for metric, values in (("J", numbers["J"]), ("F", numbers["F"])):
        table.add_row(metric, *map(_number, (values["mean"], values["recall"], values["decay"])))
    if "T" in numbers:
        table.add_row("T", _number(numbers["T"]))
    return table


def _groups(heading: str, rows: Mapping[str, "GlobalScores"]) -> Table:
    table = _table(heading, "J", "F", "J&F")
    for name, each in rows.items():
        table.add_row(name, *map(_number, (each["J"]["mean"], each["F"]["mean"], each["J&F_mean"])))
    return table


def _rules(scores: "Scores") -> list[str]:
    """Return a line for each global number: what it is called, is, and means."""
    lines = []
    for k, (average, each) in enumerate(scores["averages"].items()):
        name, number = "J", each["J"]["mean"]
        if scores["headline"] == "J&F":
            # the mean of J and F over seen and unseen categories has a name of its own
            name, number = ("G" if average == "category" else "J&F"), each["J&F_mean"]
        rule = scores["rule"] if k == 0 else each["rule"]
        lines.append(f"{name} {_number(number)} ({scores['protocol']}: {rule})")
    lines.append("recall: share of frames above 0.5; decay: first quarter of the frames minus last")
    if "T" in scores["global"]:
        lines.append("T: instability of the contour between frames, mean over objects; 0 is best")
    return lines


def _table(first: str, *others: str) -> Table:
    table = Table(first, box=box.SIMPLE_HEAD)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
