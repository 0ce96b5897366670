"""Scores of a whole run: ``scores.json`` and ``per_sequence.csv``."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np

from vos_core.errors import MaskError
from vos_core.files import whole_file
from vos_core.metrics.protocols import Average, Headline, Protocol
from vos_core.metrics.sequence import ObjectScores, SequenceResult
from vos_core.metrics.statistics import Statistics, mean_statistics
from vos_core.provenance import RunInfo
from vos_core.types import TunedCRF

Categories = Mapping[str, Mapping[int, str]]
"""Sequence -> object id -> category."""

# T is there where temporal stability was asked for: its mean over objects.
GlobalScores = TypedDict(
    "GlobalScores", {"J": Statistics, "F": Statistics, "J&F_mean": float, "T": NotRequired[float]}
)

# One way to average, how many units it is over, and what it is in words.
AverageScores = TypedDict(
    "AverageScores",
    {"J": Statistics, "F": Statistics, "J&F_mean": float, "units": int, "rule": str},
)


class Seconds(TypedDict):
    """Wall-clock time of a run, summed over its sequences."""

    adapt: float
    propagate: float
    total: float


class SequenceScores(TypedDict):
    """What ``scores.json`` tells about a sequence beside its objects' scores.

    ``scored`` holds, per object id, the index of each frame that ``J_frames`` speaks of;
    ``extra_ids`` the number of frames per predicted id that the truth never has; ``categories``
    the category per object id, where known. Ids are strings, as JSON wants them.
    """

    frames: int
    scored: dict[str, list[int]]
    extra_ids: dict[str, int]
    categories: dict[str, str]


class DataInfo(TypedDict):
    """What was scored; ``split`` is None where every sequence found was taken.

    ``annotate`` says which frames were given, where it was more than the dataset gives: every K-th,
    or those of a list.
    """

    dataset: str
    split: str | None
    root: str
    annotate: NotRequired[int | list[int]]


# The content of scores.json; a number that does not exist is NaN (in JSON: null).
Scores = TypedDict(
    "Scores",
    {
        "protocol": str,
        "headline": Headline,  # the number by which the benchmark ranks
        "rule": str,  # what the global numbers are, in words
        "global": GlobalScores,  # the first of the averages
        "averages": dict[Average, AverageScores],
        "per_category": dict[str, GlobalScores],  # means over objects; empty without categories
        "per_attribute": NotRequired[dict[str, GlobalScores]],  # means over sequences
        "quantiles": dict[str, float],  # percentage -> J; empty where the protocol has none
        "per_object": dict[str, ObjectScores],  # "<sequence>_<id>"
        "sequences": dict[str, SequenceScores],
        "seconds": NotRequired[Seconds],  # of the run
        "baselines": NotRequired[dict[str, GlobalScores]],  # what the method is compared with
        "crf": NotRequired[dict[str, TunedCRF]],  # sequence -> what sharpened it, if tuned
        "data": NotRequired[DataInfo],
        "run": NotRequired[RunInfo],  # that made the masks
        "scored_by": NotRequired[RunInfo],  # where that was another one
        "baseline": NotRequired[str],  # what was scored in the place of a method
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


def collect_scores(
    protocol: Protocol, results: Iterable[SequenceResult], categories: Categories | None = None
) -> Scores:
    """Put the scores of all sequences together.

    An object without a scored frame (it appears in the last but one frame or later) has NaN
    statistics and takes no part.

    Args:
        protocol: The rules; they say what the global numbers are means over.
        results: One for each sequence.
        categories: Of every object, for protocols that average over categories.

    Raises:
        MaskError: If there is no sequence, one comes twice, or the category of an object is needed
            and missing.

    Example:
        >>> from vos_core.metrics import DAVIS2017, SequenceScorer
        >>> scorer = SequenceScorer(DAVIS2017, "bear", length=3)
        >>> mask = np.array([[0, 1, 1, 0]], dtype=np.uint8)
        >>> _ = [scorer.update(t, mask, mask) for t in range(3)]
        >>> scores = collect_scores(DAVIS2017, [scorer.result()])
        >>> scores["global"]["J&F_mean"], scores["rule"]
        (1.0, 'mean over 1 object, frames 1..T-2, void as background')
    """
    known = categories or {}
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
            categories={str(i): name for i, name in known.get(result.sequence, {}).items()},
        )
    if not sequences:
        raise MaskError("no sequence was scored; check the split and the folder of results")
    groups = {each: _groups(each, sequences, per_object) for each in protocol.averages}
    averages = {each: _average(protocol, each, groups[each].values()) for each in groups}
    first = averages[protocol.averages[0]]
    all_j = [j for scores in per_object.values() for j in scores["J_frames"]]
    return {
        "protocol": protocol.name,
        "headline": protocol.headline,
        "rule": first["rule"],
        "global": {"J": first["J"], "F": first["F"], "J&F_mean": first["J&F_mean"]},
        "averages": averages,
        "per_category": {
            name: mean_scores(each) for name, each in groups.get("category", {}).items()
        },
        "quantiles": {str(q): float(np.percentile(all_j, q)) for q in protocol.quantiles if all_j},
        "per_object": per_object,
        "sequences": sequences,
    }


def _groups(
    average: Average,
    sequences: Mapping[str, SequenceScores],
    per_object: Mapping[str, ObjectScores],
) -> dict[str, list[ObjectScores]]:
    """Return name -> objects of every unit that counts the same."""
    if average == "object":
        return {name: [scores] for name, scores in per_object.items()}
    groups: dict[str, list[ObjectScores]] = {}
    for sequence, each in sequences.items():
        for object_id in each["scored"]:
            if average == "category" and object_id not in each["categories"]:
                raise MaskError(
                    f"sequence {sequence!r}: the category of object {object_id} is unknown, and "
                    "the rules average over categories; choose a protocol that does not"
                )
            name = sequence if average == "sequence" else each["categories"][object_id]
            groups.setdefault(name, []).append(per_object[f"{sequence}_{object_id}"])
    return dict(sorted(groups.items()))


def _average(
    protocol: Protocol, average: Average, groups: Iterable[list[ObjectScores]]
) -> AverageScores:
    """Return the mean over the groups of the mean over each one's objects."""
    means = [each for each in map(mean_scores, groups) if not math.isnan(each["J"]["mean"])]
    j = mean_statistics([each["J"] for each in means])
    f = mean_statistics([each["F"] for each in means])
    return {
        "J": j,
        "F": f,
        "J&F_mean": (j["mean"] + f["mean"]) / 2,
        "units": len(means),
        "rule": protocol.rule(average, len(means)),
    }


def mean_scores(parts: Iterable[ObjectScores | GlobalScores]) -> GlobalScores:
    """Return the mean of each statistic over objects, or over groups of objects.

    Example:
        >>> from vos_core.metrics.sequence import object_scores
        >>> means = mean_scores([object_scores([0.5], [1.0]), object_scores([0.0], [0.0])])
        >>> means["J"]["mean"], means["F"]["mean"], means["J&F_mean"]
        (0.25, 0.5, 0.375)
    """
    each = list(parts)
    j, f = mean_statistics([s["J"] for s in each]), mean_statistics([s["F"] for s in each])
    return {"J": j, "F": f, "J&F_mean": (j["mean"] + f["mean"]) / 2}


def headline_number(scores: Scores) -> float:
    """Return the number by which the benchmark ranks methods: J&F or J, in [0, 1].

    Example:
        >>> from vos_core.metrics import DAVIS2017
        >>> from vos_core.metrics.sequence import object_scores
        >>> bear = SequenceResult("bear", 3, {1: object_scores([0.5], [1.0])}, {1: [1]}, {})
        >>> headline_number(collect_scores(DAVIS2017, [bear]))
        0.75
    """
    numbers = scores["global"]
    return numbers["J&F_mean"] if scores["headline"] == "J&F" else numbers["J"]["mean"]


def objects_of(scores: Scores, sequence: str) -> dict[str, ObjectScores]:
    """Return object id -> scores of one sequence.

    Example:
        >>> from vos_core.metrics import DAVIS2017
        >>> from vos_core.metrics.sequence import object_scores
        >>> bear = SequenceResult("bear", 3, {1: object_scores([0.5], [1.0])}, {1: [1]}, {})
        >>> objects_of(collect_scores(DAVIS2017, [bear]), "bear")["1"]["J_frames"]
        [0.5]
    """
    ids = scores["sequences"][sequence]["scored"]
    return {i: scores["per_object"][f"{sequence}_{i}"] for i in ids}


def per_sequence_rows(scores: Scores) -> list[SequenceRow]:
    """Return one row per sequence, in order of the names.

    Example:
        >>> from vos_core.metrics import DAVIS2017
        >>> from vos_core.metrics.sequence import object_scores
        >>> bear = SequenceResult("bear", 3, {1: object_scores([0.5], [1.0])}, {1: [1]}, {})
        >>> row = per_sequence_rows(collect_scores(DAVIS2017, [bear]))[0]
        >>> row["sequence"], row["objects"], row["J&F_mean"]
        ('bear', 1, 0.75)
    """
    return [_sequence_row(scores, sequence) for sequence in scores["sequences"]]


def write_scores(folder: str | Path, scores: Scores) -> None:
    """Write ``scores.json`` and ``per_sequence.csv``, replacing older ones only when complete.

    Args:
        folder: An existing folder.
        scores: May hold more keys than :class:`Scores` names, if their values are plain.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from vos_core.metrics import DAVIS2017
        >>> from vos_core.metrics.sequence import object_scores
        >>> bear = SequenceResult("bear", 3, {1: object_scores([0.5], [1.0])}, {1: [1]}, {})
        >>> with TemporaryDirectory() as folder:
        ...     write_scores(folder, collect_scores(DAVIS2017, [bear]))
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['per_sequence.csv', 'scores.json']
    """
    folder = Path(folder)
    _replace(
        folder / "scores.json", json.dumps(without_nan(scores), allow_nan=False, indent=1) + "\n"
    )
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(SequenceRow.__annotations__), lineterminator="\n")
    writer.writeheader()
    for row in per_sequence_rows(scores):
        writer.writerow({key: "" if _is_nan(value) else value for key, value in row.items()})
    _replace(folder / "per_sequence.csv", table.getvalue())


def without_nan(value: object) -> object:
    """Return plain content with None in the place of NaN, which JSON lacks.

    Args:
        value: Dictionaries, lists and tuples of each other and of plain values; tuples become
            lists.

    Example:
        >>> without_nan({"J": (0.5, float("nan")), "name": "bear"})
        {'J': [0.5, None], 'name': 'bear'}
    """
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if _is_nan(value) else value


def _sequence_row(scores: Scores, sequence: str) -> SequenceRow:
    objects = objects_of(scores, sequence).values()
    means = mean_scores(objects)
    return {
        "sequence": sequence,
        "objects": len(objects),
        "frames": scores["sequences"][sequence]["frames"],
        "J_mean": means["J"]["mean"],
        "F_mean": means["F"]["mean"],
        "J&F_mean": means["J&F_mean"],
    }


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _replace(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
