"""``evaluate``: the official scores of stored masks; no frame is decoded and no GPU is used."""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from datasets_vos import PROTOCOLS, DiskClip, list_still_datasets, open_dataset
from datasets_vos.commands import CommandParser, at_least, make_folder, user_path
from datasets_vos.commands.output import require_file_name
from datasets_vos.commands.parallel import work_through
from datasets_vos.results import StoredResults
from vos_core.errors import ConfigError, DatasetError, nearest

# --help does not wait for the metrics and what they import
if TYPE_CHECKING:
    from vos_core.metrics import Protocol, Scores, SequenceResult

_DESCRIPTION = """Score stored masks by the rules of their benchmark. Every sequence and frame (of
still images: every image) of the dataset must be there. An object that enters late is scored from
the frame after its first. In the unsupervised task ids are the method's own, 1 to 20 in a sequence;
they are matched to the objects of the first frame, and all frames count."""


class _Scored(NamedTuple):
    """A sequence's scores, and the number of its frames that have no true mask."""

    result: "SequenceResult"
    without_truth: int


def main(args: Sequence[str]) -> None:
    """Score stored masks, print a table, and write ``scores.json`` if asked to.

    Args:
        args: The command line after ``evaluate``.

    Raises:
        ConfigError: If an option is wrong.
        DatasetError: If data, sequences or frames are missing; the message names them.
        CorruptFileError: If a mask cannot be decoded.
        MaskError: If a mask is unusable, e.g. of another size than the truth.
    """
    options = _parse(args)
    if options.dataset in list_still_datasets():
        from datasets_vos.commands import evaluate_stills

        evaluate_stills.main(options)
    else:
        _score_clips(options)


def _score_clips(options: argparse.Namespace) -> None:
    from vos_core.metrics import collect_scores, protocol

    rules = protocol(PROTOCOLS[options.dataset])
    clips = list(
        open_dataset(options.dataset, options.root, options.split, sequences=options.sequences)
    )
    inner = options.results / "masks"
    folder = inner if inner.is_dir() else options.results
    stored = StoredResults(folder, binary=rules.binary)
    _require_complete(clips, stored.sequences, folder)
    if not any(clip.truth_frames for clip in clips):
        raise _no_truth(options.dataset)
    if options.out:
        make_folder(options.out.parent)

    scored = _score_all(clips, stored, rules, options.workers)
    scores = collect_scores(rules, [sequence.result for sequence in scored])
    if math.isnan(scores["global"]["J&F_mean"]):
        raise _no_truth(options.dataset)
    if options.out:
        _write(options.out, scores)
    _print(scores, rules)
    for sequence in sorted(scored, key=lambda s: s.result.sequence):
        _warn(sequence)


def _parse(args: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("evaluate", _DESCRIPTION)
    videos, stills = ", ".join(PROTOCOLS), ", ".join(list_still_datasets())
    parser.add_argument("--dataset", required=True, help=f"videos: {videos}; stills: {stills}")
    parser.add_argument("--root", type=user_path, help="the dataset's folder")
    parser.add_argument("--split", help="split list; default: every sequence found")
    parser.add_argument(
        "--results",
        type=user_path,
        required=True,
        help="folder with <sequence>/<frame>.png (of still images: <image>.png), or a run folder "
        "with that under masks/",
    )
    parser.add_argument(
        "--out",
        type=user_path,
        help="scores.json to write; a line per sequence or image goes beside it, into scores.csv",
    )
    parser.add_argument("--sequences", nargs="+", help="score only these; videos only")
    parser.add_argument(
        "--workers", type=at_least(1), help="processes; default: one a CPU, or 1 for short work"
    )
    options = parser.parse(args)
    known = [*PROTOCOLS, *list_still_datasets()]
    if options.dataset not in known:
        raise ConfigError(
            f"--dataset {options.dataset!r} cannot be scored; there are {', '.join(known)}."
            f"{nearest(options.dataset, known)}"
        )
    if options.out:
        require_file_name(options.out, ".json")
    return options


def _require_complete(clips: Sequence[DiskClip], stored: Sequence[str], folder: Path) -> None:
    """Refuse to score a part: an official score is that of the whole split."""
    missing = [clip.name for clip in clips if clip.name not in stored]
    if missing:
        raise DatasetError(
            f"{folder}: {len(missing)} of {len(clips)} sequences have no masks "
            f"({', '.join(missing)}); run the method on them, or choose others with --sequences."
        )
    gaps = []
    for clip in clips:
        files = {path.name for path in (folder / clip.name).iterdir()}
        absent = [f"{name}.png" for name in clip.frame_names if f"{name}.png" not in files]
        if absent:
            gaps.append(
                f"{clip.name} lacks {len(absent)} of {len(clip.frame_names)}, first {absent[0]}"
            )
    if gaps:
        raise DatasetError(
            f"{folder}: masks of frames are missing ({'; '.join(gaps)}); run the method again."
        )


def _no_truth(dataset: str) -> DatasetError:
    return DatasetError(
        f"{dataset}: no scored frame has a true mask; choose another split (those of a test split "
        "are scored on the benchmark's server)."
    )


def _score_all(
    clips: Sequence[DiskClip], stored: StoredResults, rules: "Protocol", workers: int | None
) -> list[_Scored]:
    """Score every sequence, in several processes where that is faster."""
    # longest first, so that no process is left with a long sequence at the end
    clips = sorted(clips, key=lambda clip: -len(clip.frame_names))
    frames = sum(len(clip.frame_names) for clip in clips)
    score = partial(_score, stored=stored, rules=rules)
    return work_through("scoring sequences", score, clips, files=2 * frames, workers=workers)


def _score(clip: DiskClip, stored: StoredResults, rules: "Protocol") -> _Scored:
    from vos_core.metrics import make_scorer

    scorer = make_scorer(rules, clip.name, len(clip.frame_names))
    without_truth = 0
    for index, name in enumerate(clip.frame_names):
        truth = clip.ground_truth(index)
        without_truth += truth is None
        scorer.update(index, stored.read(clip.name, name), truth)
    return _Scored(scorer.result(), without_truth)


def _write(out: Path, scores: "Scores") -> None:
    from vos_core.metrics import write_scores

    with tempfile.TemporaryDirectory(prefix=".scores.", dir=out.parent) as folder:
        write_scores(folder, scores)
        (Path(folder) / "scores.json").replace(out)
        (Path(folder) / "per_sequence.csv").replace(out.with_suffix(".csv"))


def _print(scores: "Scores", rules: "Protocol") -> None:
    from vos_core.metrics import per_sequence_rows

    console = Console()
    sequences = Table("sequence", box=box.SIMPLE_HEAD)
    for heading in ("objects", "frames", "J", "F", "J&F"):
        sequences.add_column(heading, justify="right")
    for row in per_sequence_rows(scores):
        means = (row["J_mean"], row["F_mean"], row["J&F_mean"])
        sequences.add_row(
            row["sequence"], str(row["objects"]), str(row["frames"]), *map(_number, means)
        )
    console.print(sequences)

    total = Table("", box=box.SIMPLE_HEAD)
    for heading in ("mean", "recall", "decay"):
        total.add_column(heading, justify="right")
    numbers = scores["global"]
    for metric, values in (("J", numbers["J"]), ("F", numbers["F"])):
        statistics = (values["mean"], values["recall"], values["decay"])
        total.add_row(metric, *map(_number, statistics))
    console.print(total)

    counted = sum(1 for each in scores["per_object"].values() if each["J_frames"])
    first, last = "1" if rules.drop_first else "0", "T-2" if rules.drop_last else "T-1"
    matched = "" if rules.proposals is None else ", one proposal for each"
    console.print(
        f"J&F {numbers['J&F_mean']:.3f} ({scores['protocol']}: mean over {counted} "
        f"object{'s' * (counted != 1)}{matched}, frames {first}..{last})",
        highlight=False,
        soft_wrap=True,
    )


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _warn(sequence: _Scored) -> None:
    """Tell on stderr what made no score but may be a mistake."""
    result = sequence.result
    if result.extra_ids:
        ids = ", ".join(
            f"{i} (in {frames} of {result.frames} frames)" for i, frames in result.extra_ids.items()
        )
        print(
            f"warning: {result.sequence}: the masks hold ids that the truth never has: {ids}.",
            file=sys.stderr,
        )
    if result.left_out:
        print(
            f"warning: {result.sequence}: the rules score the objects of the first frame only, so "
            f"{', '.join(map(str, result.left_out))} took no part.",
            file=sys.stderr,
        )
    if sequence.without_truth:
        print(
            f"warning: {result.sequence}: {sequence.without_truth} of {result.frames} frames have "
            "no true mask and are not scored.",
            file=sys.stderr,
        )
