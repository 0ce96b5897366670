"""The leaderboard as CSV: a line for each row, with everything that is known, unrounded."""

import csv
import io
import math
from pathlib import Path

from datasets_vos.commands.leaderboard import cells
from datasets_vos.commands.leaderboard.entry import Entry
from datasets_vos.commands.leaderboard.run import Run
from datasets_vos.commands.leaderboard.search import printable
from datasets_vos.commands.leaderboard.table import Board
from datasets_vos.commands.output import write_bytes


def write_csv(path: Path, board: Board) -> None:
    """Write all groups; cells are empty where nothing is known.

    Args:
        path: The file, written whole.
        board: What to write; the comparison is left out.

    Raises:
        DatasetError: If it cannot be written.
    """
    entries = [(group, entry) for group in board.groups for entry in group.entries]
    # the shown numbers first
    names = dict.fromkeys(
        name for group in board.groups for name in (*group.columns, *group.details)
    )
    names |= dict.fromkeys(name for _, entry in entries for name in entry.numbers)
    records = [
        {"kind": entry.kind, "dataset": group.dataset}
        | {"split": entry.split, "name": entry.name, "ranked_by": group.ranked_by}
        | {name: entry.numbers.get(name) for name in names}
        | _interval(entry, board.level)
        | {f"printed_{name}": value for name, value in entry.printed.items()}
        | {"fps": entry.fps}
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
        "baseline": run.baseline,
        "protocol": run.protocol,
        "rule": run.rule,
        f"{run.unit}s": len(run.scored) or None,
        "objects": run.objects,
        "frames": run.frames,
        "seconds_adapt": run.seconds.get("adapt"),
        "seconds_propagate": run.seconds.get("propagate"),
        "seconds_adapt_per_sequence": run.seconds_to_adapt,
        "seconds_propagate_per_frame": run.seconds_per_frame,
        "peak_memory_mib": info.get("peak_memory_mib"),
        "peak_gpu_memory_mib": info.get("peak_gpu_memory_mib"),
        "seed": info.get("seed"),
        "commit": info.get("commit"),
        "hardware": info.get("hardware"),
        "finished": info.get("finished"),
        "command": info.get("command"),
        "config": printable(run.config.absolute()) if run.config else info.get("config"),
        "scores": printable(run.path.absolute()),
    }


def _published(entry: Entry) -> dict[str, object]:
    if entry.published is None:
        return {}
    return {
        "source": entry.published.source,
        "table": entry.published.table,
        "training": entry.published.training,
        "note": cells.note(entry),
    }


def _cell(value: object) -> object:
    unknown = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if unknown else value
