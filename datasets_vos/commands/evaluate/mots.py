"""The part of ``evaluate`` for KITTI-MOTS and MOTS20: scores of segmented tracks."""

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from datasets_vos import open_dataset
from datasets_vos.commands import make_folder
from datasets_vos.commands.evaluate import results_folder
from datasets_vos.commands.evaluate.checks import refuse_gaps
from datasets_vos.commands.evaluate.origin import origin
from datasets_vos.commands.output import (
    number_table,
    plain_console,
    some,
    write_bytes,
)
from datasets_vos.commands.parallel import work_through
from datasets_vos.mask_formats import INSTANCE_CODES
from datasets_vos.mots import CLASSES, MotsClip
from datasets_vos.mots_results import MotsResults
from vos_core.errors import DatasetError, MaskError
from vos_core.metrics.mots import (
    MotsMeasures,
    MotsScorer,
    MotsScores,
    MotsSequenceResult,
    collect_mots,
)
from vos_core.metrics.scores import without_nan
from vos_core.wording import counted

_HEADINGS = ("sMOTSA", "MOTSA", "MOTSP", "recall", "prec.", "FP", "FN", "IDS")
_PERFECT = "prediction equals ground truth: is the results folder the annotation folder?"


class _Scored(NamedTuple):
    """A sequence's counts, and how many of its frames have no prediction file."""

    result: MotsSequenceResult
    missing: int


def main(options: argparse.Namespace) -> None:
    """Score stored tracks, print a table a class, and write ``scores.json`` if asked to.

    Args:
        options: ``dataset`` (``kitti_mots`` or ``mots20``), ``root``, ``split``, ``sequences``,
            ``results``, ``out``, ``workers``, ``allow_missing`` and ``allow_perfect``, as parsed by
            ``evaluate``.

    Raises:
        DatasetError: If data, sequences or frames are missing, or predictions belong to no frame.
        CorruptFileError: If a file cannot be decoded.
        MaskError: If predictions are unusable, or equal the truth.
    """
    found = open_dataset(options.dataset, options.root, options.split, sequences=options.sequences)
    stored = MotsResults(results_folder(options.results))
    clips, absent = _require_complete(
        cast("list[MotsClip]", list(found)), stored, allowed=options.allow_missing
    )
    _require_truth(clips, options.dataset)
    if options.out:
        make_folder(options.out.parent)

    # longest first, so that no process is left with a long sequence at the end
    clips.sort(key=lambda clip: -len(clip.frame_names))
    frames = sum(len(clip.frame_names) for clip in clips)
    score = partial(_score, stored=stored)
    scored = work_through(
        "scoring sequences", score, clips, files=2 * frames, workers=options.workers
    )
    scores = _collect(scored, absent, options)
    perfect = _is_perfect(scores)
    if perfect and not options.allow_perfect:
        raise MaskError(
            f"{_PERFECT} Nothing was written; pass --allow-perfect if that is how it should be."
        )
    if options.out:
        _write(options.out, scores)  # first, because whoever reads the tables may stop
    _print(scores)
    if perfect:
        print(f"warning: {_PERFECT}", file=sys.stderr)


def _require_complete(
    clips: Sequence[MotsClip], stored: MotsResults, *, allowed: bool
) -> tuple[list[MotsClip], list[str]]:
    """Return the clips to score and the names of those left out."""
    present = [clip for clip in clips if clip.name in stored.sequences]
    absent = [clip.name for clip in clips if clip.name not in stored.sequences]
    if not present or (absent and not allowed):
        raise DatasetError(
            f"{stored.root}: predictions of {len(absent)} of {counted(len(clips), 'sequence')} are "
            f"missing ({some(absent)}); without objects it needs an empty .txt. Run the method"
            f"{', or pass --allow-missing to leave them out' if present else ''}."
        )
    gaps, strays = [], []
    for clip in present:
        missing, extra = stored.open(clip.name).compare(clip.frame_names)
        if missing:
            total = len(clip.frame_names)
            gaps.append(f"{clip.name} lacks {len(missing)} of {total}, first {missing[0]}")
        if extra:
            strays.append(f"{clip.name} has {some(extra)}, but begins at {clip.frame_names[0]}")
    if strays:
        raise DatasetError(
            f"{stored.root}: there are predictions for frames that do not exist "
            f"({some(strays, '; ')}); check the dataset, the split and how frames are numbered."
        )
    if not allowed:
        refuse_gaps(gaps, stored.root)
    return present, absent


def _require_truth(clips: Sequence[MotsClip], dataset: str) -> None:
    if not any(clip.mask_paths for clip in clips):
        raise DatasetError(
            f"{dataset}: no frame has true masks; choose another split (those of a test split are "
            "scored on the benchmark's server)."
        )
    for clip in clips:
        bare = [name for i, name in enumerate(clip.frame_names) if i not in clip.mask_paths]
        if bare:
            raise DatasetError(
                f"{clip.where}: true masks of {counted(len(bare), 'frame')} are missing "
                f"({some(bare)}); unpack the instances again."
            )


def _score(clip: MotsClip, stored: MotsResults) -> _Scored:
    frames = stored.open(clip.name)
    missing = set(frames.compare(clip.frame_names)[0])
    scorer = MotsScorer(clip.name, len(clip.frame_names), CLASSES)
    for index, name in enumerate(clip.frame_names):
        truth = INSTANCE_CODES.read_codes(clip.mask_paths[index][0], clip.size)
        prediction = np.zeros_like(truth) if name in missing else frames.read(name, clip.size)
        scorer.update(index, prediction, truth)
    return _Scored(scorer.result(), len(missing))


def _collect(
    scored: Sequence[_Scored], absent: Sequence[str], options: argparse.Namespace
) -> MotsScores:
    scores = collect_mots(each.result for each in scored)
    if not any(each["M"] for each in scores["per_class"].values()):
        raise DatasetError(
            f"{options.dataset}: the true masks show no {' and no '.join(CLASSES.values())}; "
            "choose other sequences."
        )
    if absent:
        left_out = counted(len(absent), "sequence")
        scores["rule"] += f", {left_out} without predictions left out"
    if missing := sum(each.missing for each in scored):
        scores["rule"] += f", {counted(missing, 'missing frame')} taken as empty"
    return {**scores, **origin(options)}


def _is_perfect(scores: MotsScores) -> bool:
    """Tell whether the predictions equal the truth."""
    classes = scores["per_class"].values()
    return all(each["sMOTSA"] == 1 if each["M"] else each["FP"] == 0 for each in classes)


def _print(scores: MotsScores) -> None:
    console = plain_console()
    # a class may be none of the set's, as cars are in MOTS20
    shown = {name: m for name, m in scores["per_class"].items() if m["M"] + m["FP"] + m["ignored"]}
    for name, total in shown.items():
        table = number_table(name, *_HEADINGS)
        for sequence, each in scores["sequences"].items():
            table.add_row(sequence, *_cells(each[name]))
        table.add_section()
        table.add_row("all", *_cells(total))
        console.print(table)
    numbers = ", ".join(f"{name} {_percent(m['sMOTSA'])}" for name, m in shown.items())
    console.print(f"sMOTSA {numbers} (mots: {scores['rule']}; in %)", soft_wrap=True)


def _cells(m: MotsMeasures) -> list[str]:
    shares = (m["sMOTSA"], m["MOTSA"], m["MOTSP"], m["recall"], m["precision"])
    return [*map(_percent, shares), *map(str, (m["FP"], m["FN"], m["IDS"]))]


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def _write(out: Path, scores: MotsScores) -> None:
    table = io.StringIO(newline="")
    measures = list(MotsMeasures.__annotations__)
    writer = csv.DictWriter(table, ["sequence", "class", *measures], lineterminator="\n")
    writer.writeheader()
    for sequence, classes in scores["sequences"].items():
        for name, each in classes.items():
            numbers = {key: without_nan(value) for key, value in each.items()}
            writer.writerow({"sequence": sequence, "class": name} | numbers)
    text = json.dumps(without_nan(scores), allow_nan=False, indent=1) + "\n"
    write_bytes(out.with_suffix(".csv"), table.getvalue().encode())
    write_bytes(out, text.encode())
