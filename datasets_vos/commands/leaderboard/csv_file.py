"""The leaderboard as CSV: a line for each row, with everything that is known, unrounded."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from datasets_vos.commands.leaderboard import cells
from datasets_vos.commands.leaderboard.runs import Run
from datasets_vos.commands.leaderboard.table import Entry, Group
from datasets_vos.commands.output import write_bytes


def write_csv(path: Path, groups: Sequence[Group], level: float) -> None:
    """Write all groups; cells are empty where nothing is known.

    Args:
        path: The file, written whole.
        groups: The rows.
        level: Of the confidence intervals.

    Raises:
        DatasetError: If it cannot be written.
    """
    entries = [(group, entry) for group in groups for entry in group.entries]
    # the shown numbers first
    names = dict.fromkeys(name for group in groups for name in (*group.columns, *group.details))
    names |= dict.fromkeys(name for _, entry in entries for name in entry.numbers)
    records = [
        {"kind": "run" if entry.run else "published", "dataset": group.dataset}
        | {"split": entry.split, "name": entry.name, "headline": group.columns[0]}
        | {name: entry.numbers.get(name) for name in names}
        | _interval(entry, level)
        | (_run(entry.run) if entry.run else _published(entry))
        for group, entry in entries
    ]
    columns = dict.fromkeys(column for record in records for column in record)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in record.items()} for record in records)
    write_bytes(path, text.getvalue().encode())


def _interval(entry: Entry, level: float) -> dict[str, object]:
    low, high = entry.interval or (None, None)
    level_or_none = None if entry.interval is None else level
    return {"interval_low": low, "interval_high": high, "interval_level": level_or_none}


def _run(run: Run) -> dict[str, object]:
    info = run.info
    return {
        "protocol": run.protocol,
        "rule": run.rule,
        f"{run.unit}s": len(run.scored) or None,
        "objects": run.objects,
        "frames": run.frames,
        "seconds_adapt": run.seconds.get("adapt"),
        "seconds_propagate": run.seconds.get("propagate"),
        "seconds_adapt_per_sequence": cells.seconds_to_adapt(run),
        "seconds_propagate_per_frame": cells.seconds_per_frame(run),
        "peak_memory_mib": info.get("peak_memory_mib"),
        "peak_gpu_memory_mib": info.get("peak_gpu_memory_mib"),
        "seed": info.get("seed"),
        "commit": info.get("commit"),
        "hardware": info.get("hardware"),
        "finished": info.get("finished"),
        "command": info.get("command"),
        "config": run.config or info.get("config"),
        "scores": run.path,
    }


def _published(entry: Entry) -> dict[str, object]:
    if entry.published is None:
        return {}
    return {
        "source": entry.published.source,
        "table": entry.published.table,
        "training": entry.published.training,
        "fps": entry.fps,
        "note": cells.note(entry),
    }


def _cell(value: object) -> object:
    unknown = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if unknown else value
