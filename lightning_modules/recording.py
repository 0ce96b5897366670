"""What is kept of a segmented clip: masks, overlay video, scores, worst frames."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets_vos.results import ResultWriter
from datasets_vos.scoring import truth_to_score
from vos_core.metrics import SequenceResult, make_scorer, protocol
from vos_core.types import ClipJob, Image, LabelMap, SegmentedClip, TunedCRF
from vos_core.visual import Mp4Writer, WorstFrame, WorstFrames, overlay


@dataclass(frozen=True)
class ClipRecord:
    """What remains when a clip has been segmented.

    Attributes:
        name: The clip's name.
        frame_names: Stems of its frames.
        protocol: Name of the rules it is scored by; ``None`` where it is not scored.
        categories: Object id -> category, where the dataset has some.
        results: Variant -> scores; empty where it is not scored.
        worst: The frames of lowest J, worst first.
        preview: (H, W, 3) overlay of the middle frame.
        seconds_adapt: Wall-clock time of the adaptation.
        seconds_propagate: Wall-clock time of the first variant's propagation, reading included.
        video: Overlay video, relative to the run folder; ``None`` if none was written.
        annotated: How many frames were given; 0 if as few as the dataset gives.
        notes: What happened while it was segmented, and how often.
        crf: The dense CRF that sharpened the first variant, if it was tuned.
    """

    name: str
    frame_names: tuple[str, ...]
    protocol: str | None
    categories: Mapping[int, str]
    results: dict[str, SequenceResult]
    worst: tuple[WorstFrame, ...]
    preview: Image
    seconds_adapt: float
    seconds_propagate: float
    video: str | None
    annotated: int = 0
    notes: tuple[str, ...] = ()
    crf: TunedCRF | None = None


class _Timed:
    """Iterates and counts the seconds that the items took to make."""

    def __init__(self, items: Iterator[LabelMap]) -> None:
        self._items = items
        self.seconds = 0.0

    def __iter__(self) -> Iterator[LabelMap]:
        return self

    def __next__(self) -> LabelMap:
        began = time.monotonic()
        try:
            return next(self._items)
        finally:
            self.seconds += time.monotonic() - began


class _Scoring:
    """Scores the variants of a clip, frame by frame, and keeps the worst frames of the first.

    Without rules or truth it does nothing.
    """

    def __init__(self, job: ClipJob, variants: Iterable[str], worst_frames: int) -> None:
        self._clip = job.clip
        self._scorers = {
            label: make_scorer(protocol(job.protocol), job.clip.name, len(job.clip.frame_names))
            for label in variants
            if job.protocol
        }
        self._worst = WorstFrames(worst_frames)

    def update(self, index: int, image: Image, predictions: Sequence[LabelMap]) -> None:
        """Score the next frame, given the prediction of each variant."""
        if not self._scorers:
            return
        truth = truth_to_score(self._clip, index)
        if truth is None:
            for scorer in self._scorers.values():
                scorer.skip(index)
            return
        scores = [
            scorer.update(index, prediction, truth)
            for scorer, prediction in zip(self._scorers.values(), predictions, strict=True)
        ]
        # where objects overlap, the label map shows those on top
        shown = truth if isinstance(truth, np.ndarray) else self._clip.ground_truth(index)
        if shown is not None:
            name = self._clip.frame_names[index]
            self._worst.offer(name, image, predictions[0], shown, scores[0])

    def results(self) -> dict[str, SequenceResult]:
        """Return the scores of each variant over all frames."""
        return {label: scorer.result() for label, scorer in self._scorers.items()}

    def worst(self) -> tuple[WorstFrame, ...]:
        """Return the frames of lowest J, worst first."""
        return tuple(self._worst.thumbnails())


def record_clip(
    segmented: SegmentedClip, folder: Path | None, fps: float = 12.0, worst_frames: int = 4
) -> ClipRecord:
    """Draw a clip's label maps, frame by frame; score them and write what is asked for.

    All variants advance together, so each frame and its truth are read once and memory does not
    grow with the clip. Masks and video appear under their names only when the clip is complete.

    Args:
        segmented: The clip and its label maps, not yet computed.
        folder: Run folder for ``masks/`` and ``overlays/``; ``None`` writes nothing.
        fps: Frames per second of the video.
        worst_frames: How many of the worst frames to keep.
    """
    job = segmented.job
    clip = job.clip
    middle = len(clip.frame_names) // 2
    scoring = _Scoring(job, segmented.variants, worst_frames)
    answer, *others = (_Timed(maps) for maps in segmented.variants.values())
    video = f"overlays/{clip.name}.mp4" if folder else None
    with ExitStack() as stack:
        if folder and video:
            masks = stack.enter_context(ResultWriter(folder / "masks").sequence(clip.name))
            (folder / video).parent.mkdir(parents=True, exist_ok=True)
            film = stack.enter_context(Mp4Writer(folder / video, fps))
        for index, (image, *predictions) in enumerate(
            zip(clip.frames(), answer, *others, strict=True)
        ):
            scoring.update(index, image, predictions)
            if folder or index == middle:
                painted = overlay(image, predictions[0])
            if folder:
                masks.write(clip.frame_names[index], predictions[0])
                film.write(painted)
            if index == middle:
                preview = painted
    return ClipRecord(
        name=clip.name,
        frame_names=tuple(clip.frame_names),
        protocol=job.protocol,
        categories=job.categories,
        results=scoring.results(),
        worst=scoring.worst(),
        preview=preview,
        seconds_adapt=segmented.seconds_adapt,
        seconds_propagate=answer.seconds,
        video=video,
        annotated=len(job.given) if job.both_ways else 0,
        notes=tuple(f"{what}: {count}" for what, count in segmented.counts.items()),
        crf=segmented.crf,
    )
