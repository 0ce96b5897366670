"""How ``evaluate`` shows the scores of videos on the terminal."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from datasets_vos.commands.output import number_table, plain_console
from vos_core.wording import counted

if TYPE_CHECKING:
    from vos_core.metrics import GlobalScores, ObjectScores, Scores

_OF_G = {"seen", "unseen"}


def show(scores: "Scores") -> None:
    """Print sequences, global numbers, and each number's rule."""
    console = plain_console()
    console.print(_sequences(scores))
    console.print(_total(scores))
    for heading, rows in (
        ("category", scores["per_category"]),
        ("attribute", scores.get("per_attribute", {})),
    ):
        if rows:
            console.print(_groups(heading, rows))
    if quantiles := scores["quantiles"]:
        row = number_table("quantile of J over all frames", *(f"{q} %" for q in quantiles))
        row.add_row("", *map(_number, quantiles.values()))
        console.print(row)
    for line in _rules(scores):
        console.print(line, soft_wrap=True)


def _sequences(scores: "Scores") -> Table:
    from vos_core.metrics import objects_of, per_sequence_rows

    stability = "T" in scores["global"]
    headings = ("objects", "frames", "J", "F", "J&F", *(["T"] if stability else []))
    table = number_table("sequence", *headings)
    for row in per_sequence_rows(scores):
        numbers = [row["J_mean"], row["F_mean"], row["J&F_mean"]]
        if stability:
            known = _known_stabilities(objects_of(scores, row["sequence"]).values())
            numbers.append(sum(known) / len(known) if known else math.nan)
        counts = (str(row["objects"]), str(row["frames"]))
        table.add_row(row["sequence"], *counts, *map(_number, numbers))
    return table


def _total(scores: "Scores") -> Table:
    table = number_table("", "mean", "recall", "decay")
    numbers = scores["global"]
    for metric, values in (("J", numbers["J"]), ("F", numbers["F"])):
        table.add_row(metric, *map(_number, (values["mean"], values["recall"], values["decay"])))
    if "T" in numbers:
        table.add_row("T", _number(numbers["T"]))
    return table


def _groups(heading: str, rows: Mapping[str, "GlobalScores"]) -> Table:
    table = number_table(heading, "J", "F", "J&F")
    for name, each in rows.items():
        table.add_row(name, *map(_number, (each["J"]["mean"], each["F"]["mean"], each["J&F_mean"])))
    return table


def _rules(scores: "Scores") -> list[str]:
    """Return a line for each global number, and each kind of row: what it is, and means."""
    of = f", of the baseline {scores['baseline']}" if "baseline" in scores else ""
    lines = []
    for k, (average, each) in enumerate(scores["averages"].items()):
        rule = scores["rule"] if k == 0 else each["rule"]
        name, number, rest = "J", each["J"]["mean"], ""
        if scores["headline"] == "J&F":
            name, number = "J&F", each["J&F_mean"]
            if average == "category":
                name, rest = _of_categories(scores)
        lines.append(f"{name} {_number(number)} ({scores['protocol']}: {rule}{of}{rest})")
    lines.append("recall: share of frames above 0.5; decay: first quarter of the frames minus last")
    if scores["per_category"]:
        lines.append("category: mean over its objects")
    if "per_attribute" in scores:
        lines.append("attribute: mean over the sequences that bear it, each the mean over objects")
    if "T" in scores["global"]:
        known = _known_stabilities(scores["per_object"].values())
        lines.append(
            f"T {_number(scores['global']['T'])} (mean over {counted(len(known), 'object')}{of}): "
            "instability of the contour between frames; 0 is best"
        )
    return lines


def _of_categories(scores: "Scores") -> tuple[str, str]:
    """Return the name of J&F over categories, and what is to be said of one that is missing.

    YouTube-VOS calls it G: the mean of J and F over seen and over unseen categories.
    """
    rows = scores["per_category"].items()
    scored = {name for name, each in rows if not math.isnan(each["J"]["mean"])}
    if scored == _OF_G:
        return "G", ""
    missing = sorted(_OF_G - scored) if scored < _OF_G else []
    return "J&F", "".join(f", not G because no {name} object is scored" for name in missing)


def _known_stabilities(objects: Iterable["ObjectScores"]) -> list[float]:
    """Return T of each object that has one."""
    return [o["T"] for o in objects if not math.isnan(o.get("T", math.nan))]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
