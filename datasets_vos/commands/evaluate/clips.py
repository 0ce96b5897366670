"""The part of ``evaluate`` for videos: J and F of stored masks, or of a baseline."""

import argparse
import math
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datasets_vos import PROTOCOLS, DiskClip, open_dataset
from datasets_vos.commands import make_folder
from datasets_vos.commands.evaluate import checks, results_folder
from datasets_vos.commands.evaluate.checks import Scored
from datasets_vos.commands.output import write_bytes
from datasets_vos.commands.parallel import work_through
from datasets_vos.integrity import require_edition
from datasets_vos.results import StoredResults
from vos_core.errors import ConfigError, DatasetError, MaskError
from vos_core.types import LabelMap

# --help does not wait for the metrics and what they import
if TYPE_CHECKING:
    from vos_core.metrics import Protocol, Scores
    from vos_core.metrics.baselines import Baseline
    from vos_core.metrics.stability import StabilityScorer


class Prediction(NamedTuple):
    """A (H, W) uint8 label map, and the ids that were merged into it."""

    label_map: LabelMap
    merged_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class StoredMasks:
    """Masks in a folder."""

    stored: StoredResults
    binary: bool

    def read(self, clip: DiskClip, wanted: Collection[int]) -> Iterator[Prediction | None]:
        """Yield the mask of each frame; None where it is not stored or not wanted."""
        stored = set(self.stored.frame_names(clip.name))
        for index, name in enumerate(clip.frame_names):
            there = index in wanted and name in stored
            yield self._read(clip, name) if there else None

    def _read(self, clip: DiskClip, name: str) -> Prediction:
        if self.binary:
            prediction = Prediction(*self.stored.read_merged(clip.name, name))
        else:
            prediction = Prediction(self.stored.read(clip.name, name))
        (height, width), (true_height, true_width) = prediction.label_map.shape, clip.size
        if (height, width) != clip.size:
            raise MaskError(
                f"{self.stored.root / clip.name / name}.png: the mask is {width}x{height} pixels "
                f"but the frame is {true_width}x{true_height}; write masks at the native size."
            )
        return prediction


@dataclass(frozen=True)
class BaselineMasks:
    """Masks that are made from the truth."""

    name: "Baseline"
    every: int | None

    def read(self, clip: DiskClip, wanted: Collection[int]) -> Iterator[Prediction | None]:
        """Yield the mask of each frame; None where the truth that it needs is missing."""
        from datasets_vos.scoring import truth_to_score
        from vos_core.metrics.baselines import baseline_masks

        truth = partial(truth_to_score, clip)
        for label_map in baseline_masks(self.name, clip, self.every, truth=truth):
            yield None if label_map is None else Prediction(label_map)


Source = StoredMasks | BaselineMasks


@dataclass(frozen=True)
class _Settings:
    """What every sequence is scored with."""

    source: Source
    rules: "Protocol"
    stability: bool = False
    seen: frozenset[str] | None = field(default=None)


def main(options: argparse.Namespace) -> None:
    """Score the sequences of a dataset; see :mod:`datasets_vos.commands.evaluate`.

    Args:
        options: As parsed by ``evaluate``.
    """
    from datasets_vos.commands.evaluate import table
    from datasets_vos.scoring import seen_categories
    from vos_core.metrics import per_attribute, protocol

    rules = protocol(options.protocol or PROTOCOLS[options.dataset])
    rules = replace(rules, wrap_decay=options.official_decay)
    if options.stability and rules.proposals:
        raise ConfigError(f"--stability does not go with {rules.name!r}; leave it out.")
    attributes = checks.read_attributes(options.attributes) if options.attributes else None
    seen = seen_categories(options.seen) if options.seen else None
    clips: Sequence[DiskClip] = list(
        open_dataset(options.dataset, options.root, options.split, sequences=options.sequences)
    )
    require_edition(options.dataset, options.root, clips)
    if attributes is not None:
        checks.require_tags(attributes, clips, options.attributes)
    absent: list[str] = []
    if options.baseline:
        source: Source = BaselineMasks(options.baseline, options.annotate_every)
    else:
        folder = results_folder(options.results)
        source = StoredMasks(StoredResults(folder, binary=rules.binary), rules.binary)
        clips, absent = checks.require_complete(clips, source.stored, allowed=options.allow_missing)
    if not any(clip.truth_frames for clip in clips):
        raise _no_truth(options.dataset)
    if options.out:
        make_folder(options.out.parent)

    settings = _Settings(source, rules, options.stability, seen)
    scored = _score_all(clips, settings, options.workers)
    scores = _collect(scored, rules, options, absent)
    if attributes is not None:
        scores["per_attribute"] = per_attribute(scores, attributes)
    found = []
    if not options.baseline:
        one_object = protocol(PROTOCOLS[options.dataset]).binary
        found = checks.suspicions(scored, one_object=one_object)
    checks.warn(scored, absent)
    checks.judge(found, options)
    if options.out:
        _write(options.out, scores)  # first, because whoever reads the tables may stop
    table.show(scores)


def _no_truth(dataset: str) -> DatasetError:
    return DatasetError(
        f"{dataset}: no scored frame has a true mask; choose another split (those of a test split "
        "are scored on the benchmark's server)."
    )


def _score_all(clips: Sequence[DiskClip], settings: _Settings, workers: int | None) -> list[Scored]:
    """Score every sequence, in several processes where that is faster."""
    # longest first, so that no process is left with a long sequence at the end
    clips = sorted(clips, key=lambda clip: -len(clip.frame_names))
    frames = sum(len(clip.frame_names) for clip in clips)
    score = partial(_score, settings=settings)
    scored = work_through("scoring sequences", score, clips, files=2 * frames, workers=workers)
    return sorted(scored, key=lambda each: each.result.sequence)


def _score(clip: DiskClip, settings: _Settings) -> Scored:
    from datasets_vos.scoring import categories_of, truth_to_score
    from vos_core.metrics import make_scorer

    rules = settings.rules
    scorer = make_scorer(rules, clip.name, len(clip.frame_names))
    stability = _stability_scorer(clip.name) if settings.stability else None
    with_truth, required = set(clip.truth_frames), set(clip.required_names)
    counted = range(rules.drop_first, len(clip.frame_names) - rules.drop_last)
    wanted = with_truth.union(counted) if stability else with_truth
    missing, merged_ids = 0, tuple[int, ...]()
    empty = Prediction(np.zeros(clip.size, dtype=np.uint8))
    for index, found in enumerate(settings.source.read(clip, wanted)):
        prediction = found or empty
        merged_ids = max(merged_ids, prediction.merged_ids, key=len)
        if stability and index in counted:
            one = (prediction.label_map > 0).view(np.uint8)
            stability.update(one if rules.binary else prediction.label_map)
        truth = truth_to_score(clip, index) if index in with_truth else None
        if truth is None:
            scorer.skip(index)
            continue
        missing += found is None and clip.frame_names[index] in required
        scorer.update(index, prediction.label_map, truth)
    return Scored(
        result=scorer.result(),
        categories=categories_of(clip, settings.seen),
        stability=stability.result() if stability else {},
        without_truth=len(required - {clip.frame_names[i] for i in with_truth}),
        missing=missing,
        merged_ids=merged_ids,
    )


def _stability_scorer(sequence: str) -> "StabilityScorer":
    from vos_core.metrics.stability import StabilityScorer

    return StabilityScorer(sequence)


def _collect(
    scored: Sequence[Scored],
    rules: "Protocol",
    options: argparse.Namespace,
    absent: Sequence[str],
) -> "Scores":
    from datasets_vos.commands.evaluate.origin import origin
    from vos_core.metrics import collect_scores, headline_number

    categories = {each.result.sequence: each.categories for each in scored}
    scores = collect_scores(rules, [each.result for each in scored], categories)
    if options.seen and "seen" not in scores["per_category"]:
        raise ConfigError(f"--seen {options.seen}: names no category of what was scored.")
    if math.isnan(headline_number(scores)):
        raise _no_truth(options.dataset)
    if options.stability:
        _add_stability(scores, scored)
    if absent:
        scores["rule"] += f", {len(absent)} of {len(absent) + len(scored)} sequences left out"
    if missing := sum(each.missing for each in scored):
        scores["rule"] += f", {missing} missing frames taken as empty"
    return {**scores, **origin(options)}


def _add_stability(scores: "Scores", scored: Sequence[Scored]) -> None:
    """Enter T of each object that is scored, and their mean."""
    for each in scored:
        for object_id, value in each.stability.items():
            name = f"{each.result.sequence}_{object_id}"
            if name in scores["per_object"]:
                scores["per_object"][name]["T"] = value
    values = [each.get("T", math.nan) for each in scores["per_object"].values()]
    known = [value for value in values if not math.isnan(value)]
    scores["global"]["T"] = sum(known) / len(known) if known else math.nan


def _write(out: Path, scores: "Scores") -> None:
    from vos_core.metrics import write_scores

    with tempfile.TemporaryDirectory() as folder:
        write_scores(folder, scores)
        write_bytes(out.with_suffix(".csv"), Path(folder, "per_sequence.csv").read_bytes())
        write_bytes(out, Path(folder, "scores.json").read_bytes())
