"""Fills the run folder: masks, overlay videos, scores, report; and tells the loggers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT

from lightning_modules.callbacks.progress import announce, report_progress
from lightning_modules.recording import ClipRecord, record_clip
from vos_core.metrics import Scores, collect_scores, headline_number, protocol, write_scores
from vos_core.provenance import RunInfo, describe_run
from vos_core.types import LabelMap, SegmentedClip
from vos_core.visual import ReportRun, ReportSequence, write_report
from vos_core.wording import counted


class RecordRun(L.Callback):
    """Draws the label maps of each clip and keeps what is worth keeping.

    ``test`` writes masks, overlays, ``scores.json``, ``per_sequence.csv`` and ``report.html`` into
    the run folder, ``predict`` masks and overlays; ``validate`` and the validation within ``fit``
    only score. On several ranks each writes its own clips and rank 0 the rest, and the peak memory
    in ``scores.json`` and report is that of rank 0 alone.

    Args:
        fps: Frames per second of the overlay videos.
        worst_frames: How many of each clip's worst frames the report shows.
    """

    def __init__(self, fps: float = 12.0, worst_frames: int = 4) -> None:
        self.fps = fps
        self.worst_frames = worst_frames
        self._records: list[ClipRecord] = []
        self._folder = Path()

    def setup(self, trainer: L.Trainer, module: L.LightningModule, stage: str) -> None:
        """Find the run folder; the ranks agree on it here, so all of them must ask."""
        self._folder = Path(trainer.log_dir or trainer.default_root_dir)

    def on_validation_epoch_start(self, *args: Any) -> None:
        """Forget the last stage."""
        self._records = []

    def on_test_epoch_start(self, *args: Any) -> None:
        """Forget the last stage."""
        self._records = []

    def on_predict_epoch_start(self, *args: Any) -> None:
        """Forget the last stage."""
        self._records = []

    def on_validation_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: STEP_OUTPUT, *args: Any
    ) -> None:
        """Score a clip."""
        self._keep(trainer, outputs, folder=None)

    def on_test_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: STEP_OUTPUT, *args: Any
    ) -> None:
        """Write and score a clip."""
        self._keep(trainer, outputs, folder=self._folder)

    def on_predict_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: STEP_OUTPUT, *args: Any
    ) -> None:
        """Write a clip."""
        self._keep(trainer, outputs, folder=self._folder)

    def on_validation_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Log J&F, J and F of the weights as they are."""
        records = gather(trainer, self._records)
        variants = self._collect(records)
        if variants:
            scores = next(iter(variants.values()))
            module.log_dict(_to_log("val", scores), sync_dist=False, rank_zero_only=False)
            announce(trainer, f"validation, not adapted: {_sentence(scores)}")
        _log_images(trainer, "val/overlay", records)

    def on_test_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Write the scores and the report; log the numbers."""
        records = gather(trainer, self._records)
        variants = self._collect(records)
        if not variants:
            announce(
                trainer,
                "There are no scores, for lack of ground truth or of rules for this dataset; the "
                f"masks are in {self._folder / 'masks'}",
            )
            return
        scores = next(iter(variants.values()))
        module.log_dict(_to_log("test", scores), sync_dist=False, rank_zero_only=False)
        if trainer.is_global_zero:
            report = _write(self._folder, trainer, variants, records)
            _log_images(trainer, "test/overlay", records)
            for label, other in list(variants.items())[1:]:
                announce(trainer, f"  {label}: {other['headline']} {headline_number(other):.3f}")
            scored = [record for record in records if record.results]
            on = ", ".join(filter(None, [counted(len(scored), "sequence"), _given(scored)]))
            announce(trainer, f"{_sentence(scores)} on {on}; see {report}")

    def on_predict_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Say where the masks are."""
        records = gather(trainer, self._records)
        where = f"{self._folder / 'masks'} and {self._folder / 'overlays'}"
        announce(trainer, f"{counted(len(records), 'clip')} segmented; see {where}")

    def _keep(self, trainer: L.Trainer, outputs: STEP_OUTPUT, folder: Path | None) -> None:
        if outputs is None:  # this rank had no clip
            return
        segmented = _segmented(outputs)
        clip = segmented.job.clip
        segmented = _with_progress(trainer, segmented)
        record = record_clip(segmented, folder, self.fps, self.worst_frames)
        self._records.append(record)
        if folder:
            scores = next(iter(self._collect([record]).values()), None)
            announce(trainer, _clip_line(clip.name, record, scores))

    def _collect(self, records: list[ClipRecord]) -> dict[str, Scores]:
        """Return the scores of each variant over all clips."""
        scored = [record for record in records if record.results]
        name = next((record.protocol for record in records if record.protocol), None)
        if name is None:
            return {}
        rules = protocol(name)
        categories = {record.name: record.categories for record in scored}
        variants = {
            label: collect_scores(rules, [record.results[label] for record in scored], categories)
            for label in scored[0].results
        }
        if given := _given(scored):
            for scores in variants.values():
                scores["rule"] += f", {given}"
        adapt = sum(record.seconds_adapt for record in scored)
        propagate = sum(record.seconds_propagate for record in scored)
        next(iter(variants.values()))["seconds"] = {
            "adapt": adapt,
            "propagate": propagate,
            "total": adapt + propagate,
        }
        return variants


def gather(trainer: L.Trainer, records: list[ClipRecord]) -> list[ClipRecord]:
    """Return the records of all ranks, sorted by name, on every rank."""
    if trainer.world_size > 1:
        shares: list[list[ClipRecord]] = [[] for _ in range(trainer.world_size)]
        torch.distributed.all_gather_object(shares, records)
        records = [record for share in shares for record in share]
    return sorted(records, key=lambda record: record.name)


def _segmented(outputs: STEP_OUTPUT) -> SegmentedClip:
    if not isinstance(outputs, Mapping):
        raise TypeError("a task's test_step must return {'segmented': SegmentedClip(...)}.")
    segmented: SegmentedClip = outputs["segmented"]
    return segmented


def _with_progress(trainer: L.Trainer, segmented: SegmentedClip) -> SegmentedClip:
    label, maps = next(iter(segmented.variants.items()))
    clip = segmented.job.clip

    def watched() -> Iterator[LabelMap]:
        for index, label_map in enumerate(maps):
            report_progress(trainer, f"{clip.name}: propagating", index + 1, len(clip.frame_names))
            yield label_map

    return replace(segmented, variants={**segmented.variants, label: watched()})


def _to_log(stage: str, scores: Scores) -> dict[str, float]:
    numbers = scores["global"]
    return {
        f"{stage}/J&F": numbers["J&F_mean"],
        f"{stage}/J": numbers["J"]["mean"],
        f"{stage}/F": numbers["F"]["mean"],
    }


def _sentence(scores: Scores) -> str:
    """Say the headline number, and in parentheses the others."""
    j, f = (scores["global"]["J"]["mean"], scores["global"]["F"]["mean"])
    others = f"J {j:.3f}, F {f:.3f}" if scores["headline"] == "J&F" else f"F {f:.3f}"
    return f"{scores['headline']} {headline_number(scores):.3f} ({others})"


def _given(records: Sequence[ClipRecord]) -> str:
    """Say how many frames count that were given beyond what the dataset gives; empty if none."""
    given = sum(record.annotated for record in records)
    return f"{counted(given, 'annotated frame')} scored as given" if given else ""


def _clip_line(name: str, record: ClipRecord, scores: Scores | None) -> str:
    line = f"{name}: adapted in {record.seconds_adapt:.0f} s, "
    line += f"{len(record.frame_names)} frames in {record.seconds_propagate:.1f} s"
    line = f"{line}, {_sentence(scores)}" if scores else line
    return "; ".join([line, *record.notes])


def _write(
    folder: Path, trainer: L.Trainer, variants: dict[str, Scores], records: list[ClipRecord]
) -> Path:
    """Write the scores and the report, and return the path of the report."""
    from lightning_modules.datamodules import BaseVOSDataModule  # which imports the tasks, and us

    scores = next(iter(variants.values()))
    config = folder / "config.yaml"
    run = describe_run(torch.initial_seed(), config if config.is_file() else None)
    scores["run"] = run
    scores["baselines"] = {label: other["global"] for label, other in list(variants.items())[1:]}
    data = getattr(trainer, "datamodule", None)
    if isinstance(data, BaseVOSDataModule):
        scores["data"] = data.describe()
    if tuned := {record.name: record.crf for record in records if record.crf}:
        scores["crf"] = tuned
    write_scores(folder, scores)
    sequences = [
        ReportSequence(
            r.name, r.frame_names, r.worst, r.seconds_adapt, r.seconds_propagate, r.video, r.notes
        )
        for r in records
        if r.results
    ]
    report = folder / "report.html"
    metadata = _metadata(scores, run, trainer.world_size)
    write_report(report, ReportRun(folder.parent.name, metadata, variants, sequences))
    return report


def _metadata(scores: Scores, run: RunInfo, ranks: int) -> dict[str, object]:
    """Return what the report tells about the run; what is unknown is left out."""
    seconds = scores["seconds"]
    where = ", rank 0" if ranks > 1 else ""
    told = {
        "command": run["command"],
        "config": run["config"],
        "commit": run["commit"],
        "seed": run["seed"],
        "protocol": scores["protocol"],
        "rule": scores["rule"],
        "hardware": run["hardware"],
        "ranks": ranks,
        "seconds": f"{seconds['adapt']:.0f} adapting, {seconds['propagate']:.0f} propagating",
        f"peak memory{where}": _mebibytes(run["peak_memory_mib"]),
        f"peak GPU memory{where}": _mebibytes(run["peak_gpu_memory_mib"]),
        "finished": run["finished"],
    }
    return {key: value for key, value in told.items() if value is not None}


def _mebibytes(value: float | None) -> str | None:
    return None if value is None or math.isnan(value) else f"{value:,.0f} MiB"


def _log_images(trainer: L.Trainer, key: str, records: list[ClipRecord]) -> None:
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger) and records and trainer.is_global_zero:
            logger.log_image(
                key,
                [record.preview for record in records],
                caption=[record.name for record in records],
            )
