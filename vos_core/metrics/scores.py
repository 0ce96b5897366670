"""Scores of a whole run: ``scores.json`` and ``per_sequence.csv``."""

import csv
import io
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict

from vos_core.errors import MaskError
from vos_core.metrics.protocols import Protocol
from vos_core.metrics.sequence import ObjectScores, SequenceResult
from vos_core.metrics.statistics import Statistics, mean_statistics

GlobalScores = TypedDict("GlobalScores", {"J": Statistics, "F": Statistics, "J&F_mean": float})


class Seconds(TypedDict):
    """Wall-clock time of a run, summed over its sequences."""

    adapt: float
    propagate: float
    total: float


class SequenceScores(TypedDict):
    """What ``scores.json`` tells about a sequence beside its objects' scores.

    ``scored`` holds, per object id, the index of each frame that ``J_frames`` speaks of;
    ``extra_ids`` the number of frames per predicted id that the truth never has. Ids are strings,
    as JSON wants them.
    """

    frames: int
    scored: dict[str, list[int]]
    extra_ids: dict[str, int]


# The content of scores.json; a number that does not exist is NaN (in JSON: null).
Scores = TypedDict(
    "Scores",
    {
        "protocol": str,
        "global": GlobalScores,
        "per_object": dict[str, ObjectScores],  # "<sequence>_<id>"
        "sequences": dict[str, SequenceScores],
        "seconds": NotRequired[Seconds],
        "baselines": NotRequired[dict[str, GlobalScores]],  # what the method is compared with
    },
)

# One line of per_sequence.csv; the scores are means over the sequence's objects.
SequenceRow = TypedDict(
    "SequenceRow",
    {
        "sequence": str,
        "objects": int,
        "frames": int,  # in the sequence, scored or not
        "J_mean": float,
        "F_mean": float,
        "J&F_mean": float,
    },
)


def collect_scores(protocol: Protocol, results: Iterable[SequenceResult]) -> Scores:
    """Put the scores of all sequences together.

    Global numbers are means over objects, not over sequences; an object without a scored frame
    (it appears in the last but one frame or later) has NaN statistics and takes no part.

    Raises:
        MaskError: If there is no sequence, or one comes twice.
    """
    per_object: dict[str, ObjectScores] = {}
    sequences: dict[str, SequenceScores] = {}
    for result in sorted(results, key=lambda r: r.sequence):
        if result.sequence in sequences:
            raise MaskError(f"sequence {result.sequence!r} was scored twice; pass each one once")
        per_object.update({f"{result.sequence}_{i}": s for i, s in result.objects.items()})
        sequences[result.sequence] = SequenceScores(
            frames=result.frames,
            scored={str(i): frames for i, frames in result.scored.items()},
            extra_ids={str(i): n for i, n in result.extra_ids.items()},
        )
    if not sequences:
        raise MaskError("no sequence was scored; check the split and the folder of results")
    j = mean_statistics([s["J"] for s in per_object.values()])
    f = mean_statistics([s["F"] for s in per_object.values()])
    return {
        "protocol": protocol.name,
        "global": {"J": j, "F": f, "J&F_mean": (j["mean"] + f["mean"]) / 2},
        "per_object": per_object,
        "sequences": sequences,
    }


def objects_of(scores: Scores, sequence: str) -> dict[str, ObjectScores]:
    """Return object id -> scores of one sequence."""
    ids = scores["sequences"][sequence]["scored"]
    return {i: scores["per_object"][f"{sequence}_{i}"] for i in ids}


def per_sequence_rows(scores: Scores) -> list[SequenceRow]:
    """Return one row per sequence, in order of the names."""
    return [_sequence_row(scores, sequence) for sequence in scores["sequences"]]


def write_scores(folder: str | Path, scores: Scores) -> None:
    """Write ``scores.json`` and ``per_sequence.csv``, replacing older ones only when complete.

    Args:
        folder: An existing folder.
        scores: May hold more keys than :class:`Scores` names, if their values are plain.
    """
    folder = Path(folder)
    _replace(folder / "scores.json", json.dumps(_strict(scores), allow_nan=False, indent=1) + "\n")
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(SequenceRow.__annotations__), lineterminator="\n")
    writer.writeheader()
    for row in per_sequence_rows(scores):
        writer.writerow({key: "" if _is_nan(value) else value for key, value in row.items()})
    _replace(folder / "per_sequence.csv", table.getvalue())


def _sequence_row(scores: Scores, sequence: str) -> SequenceRow:
    objects = objects_of(scores, sequence).values()
    j = mean_statistics([s["J"] for s in objects])["mean"]
    f = mean_statistics([s["F"] for s in objects])["mean"]
    return {
        "sequence": sequence,
        "objects": len(objects),
        "frames": scores["sequences"][sequence]["frames"],
        "J_mean": j,
        "F_mean": f,
        "J&F_mean": (j + f) / 2,
    }


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _strict(value: object) -> object:
    """Replace NaN, which JSON lacks, by None."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if _is_nan(value) else value


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
