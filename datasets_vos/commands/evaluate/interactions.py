"""The part of ``evaluate`` for interactive sessions: AUC and J&F@60s of a report.

A report is a CSV file with a header and one line for each object in each round of each sample, in
any order. Its columns are, in any order and beside others, which are not read:

* ``sequence``: name of the sequence;
* ``scribble``: number of the set of scribbles with which the sequence was played;
* ``round``: number of the round, from 1;
* ``object``: id of the object, from 1;
* ``J``, ``F``: of this object after this round, means over all frames, in [0, 1];
* ``seconds``: time from the scribbles to the masks of this round, the same on all its lines.
"""

import argparse
import csv
import io
import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datasets_vos.commands.evaluate.origin import origin
from datasets_vos.commands.output import number_table, plain_console, write_bytes
from vos_core.errors import CorruptFileError, DatasetError, MaskError
from vos_core.wording import counted

# --help does not wait for the metrics and what they import
if TYPE_CHECKING:
    from vos_core.metrics.interactive import InteractiveScores, Round

_COLUMNS = ("sequence", "scribble", "round", "object", "J", "F", "seconds")

_Key = tuple[str, int, int]  # sequence, scribble, round


def main(options: argparse.Namespace) -> None:
    """Score a report, print its rounds, and write scores and a picture of the curve if asked to.

    Args:
        options: As parsed by ``evaluate``: ``interactions``, the report; ``dataset`` and ``split``,
            of what it is; ``out``, the JSON file to write (and beside it the picture, a ``.png``).

    Raises:
        DatasetError: If the report is missing or cannot be read, or nothing can be written.
        CorruptFileError: If its header or a line is malformed; the message names the line.
        MaskError: If rounds are missing, or their objects differ.
    """
    from vos_core.metrics.interactive import interactive_scores

    rounds = read_report(options.interactions)
    try:
        scores = interactive_scores(rounds)
    except MaskError as err:
        raise MaskError(f"{options.interactions}: {err}.") from err
    if options.out:
        write_bytes(options.out.with_suffix(".png"), _curve_png(scores))
        text = json.dumps({**scores, **origin(options)}, allow_nan=False, indent=1) + "\n"
        write_bytes(options.out, text.encode())
    _print(scores)
    _warn(rounds)


def read_report(path: Path) -> "list[Round]":
    """Read the rounds of a report.

    Args:
        path: A CSV file as the head of this module describes it.

    Raises:
        DatasetError: If the file is missing or cannot be read.
        CorruptFileError: If its header or a line is malformed.
    """
    from vos_core.metrics.interactive import Round

    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as err:
        msg = f"{path}: cannot be read ({err.strerror}); give the CSV report of a session."
        raise DatasetError(msg) from err
    except UnicodeDecodeError as err:
        raise CorruptFileError(f"{path}: is no text; give the CSV report of a session.") from err
    reader = csv.DictReader(io.StringIO(text, newline=""))
    seconds: dict[_Key, float] = {}
    objects: defaultdict[_Key, dict[int, float]] = defaultdict(dict)
    try:
        _require_columns(reader.fieldnames or ())
        for row in reader:
            key, object_id, value, time = _parse_line(row)
            if seconds.setdefault(key, time) != time:
                raise ValueError(f"seconds are {time:g}, but {seconds[key]:g} before in this round")
            if object_id in objects[key]:
                raise ValueError(f"object {object_id} comes twice in this round")
            objects[key][object_id] = value
    except (ValueError, csv.Error) as err:
        raise CorruptFileError(f"{path}, line {max(reader.line_num, 1)}: {err}.") from err
    return [Round(*key, seconds[key], objects[key]) for key in objects]


def _require_columns(header: Sequence[str]) -> None:
    if missing := [name for name in _COLUMNS if name not in header]:
        raise ValueError(
            f"the header lacks {', '.join(missing)}; there must be {','.join(_COLUMNS)}, and a "
            "line for each object in each round with its mean J and F over all frames"
        )


def _parse_line(row: dict[str, str]) -> tuple[_Key, int, float, float]:
    """Return the round, the object, its J&F, and the seconds.

    Raises:
        ValueError: If a value is unusable.
    """
    if None in row or None in row.values():
        raise ValueError("has another number of values than the header")
    if not row["sequence"]:
        raise ValueError("has no sequence")
    key = row["sequence"], _whole(row, "scribble", 0), _whole(row, "round", 1)
    value = (_number(row, "J", 1) + _number(row, "F", 1)) / 2
    return key, _whole(row, "object", 1), value, _number(row, "seconds", sys.float_info.max)


def _whole(row: dict[str, str], column: str, lowest: int) -> int:
    text = row[column].strip()
    if not text.isdecimal() or int(text) < lowest:
        raise ValueError(f"{column} is {text!r}, but must be a whole number from {lowest} on")
    return int(text)


def _number(row: dict[str, str], column: str, highest: float) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not 0 <= value <= highest:
        limits = "from 0 to 1" if highest == 1 else "of seconds from 0 on"
        raise ValueError(f"{column} is {row[column]!r}, but must be a number {limits}")
    return value


def _curve_png(scores: "InteractiveScores") -> bytes:
    # importing it takes half a second and builds a font list the first time
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((6.4, 4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    curve, rounds = scores["curve"], scores["rounds"]
    axes.plot(curve["seconds"], curve["quality"], color="#3b6ea5")
    seconds, quality = zip(*((each["seconds"], each["quality"]) for each in rounds), strict=True)
    axes.plot(seconds, quality, "o", color="#3b6ea5", label="rounds")
    at_60 = scores["J&F@60s"]
    axes.plot([60], [at_60], "D", color="#c2410c", label=f"J&F@60s {at_60:.3f}")
    axes.set_title(f"AUC {scores['AUC']:.3f}", fontsize=12)
    axes.set_xlabel("seconds since the start, mean over samples")
    axes.set_ylabel("J&F, mean over objects")
    axes.set_xlim(0, max(scores["budget_seconds"], 61))
    axes.set_ylim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    stored = io.BytesIO()
    figure.savefig(stored, format="png")
    return stored.getvalue()


def _print(scores: "InteractiveScores") -> None:
    console = plain_console()
    table = number_table("round", "samples", "seconds", "J&F")
    for number, each in enumerate(scores["rounds"], start=1):
        cells = (str(each["played"]), f"{each['seconds']:.1f}", f"{each['quality']:.3f}")
        table.add_row(str(number), *cells)
    console.print(table)
    console.print(
        f"AUC {scores['AUC']:.3f}, J&F@60s {scores['J&F@60s']:.3f} (interactive: {scores['rule']})",
        soft_wrap=True,
    )


def _warn(rounds: "Sequence[Round]") -> None:
    """Tell on stderr which samples took longer than the benchmark allows."""
    from vos_core.metrics.interactive import ROUNDS_ALLOWED, SECONDS_PER_OBJECT

    spent: defaultdict[tuple[str, int], float] = defaultdict(float)
    allowed = {}
    for each in rounds:
        sample = each.sequence, each.scribble
        spent[sample] += each.seconds
        allowed[sample] = len(each.objects) * ROUNDS_ALLOWED * SECONDS_PER_OBJECT
    over = [sample for sample in spent if spent[sample] > allowed[sample]]
    if over:
        sequence, scribble = over[0]
        print(
            f"warning: {len(over)} of {counted(len(spent), 'sample')} took longer than the "
            "benchmark allows, which would have ended them earlier; first "
            f"{sequence}, scribbles {scribble}: {spent[over[0]]:g} s of {allowed[over[0]]:g} s.",
            file=sys.stderr,
        )
