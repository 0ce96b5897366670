"""A run on one page: ``report.html``, which needs no other file and no network."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jinja2
from PIL import Image as PILImage

from vos_core.files import whole_file
from vos_core.metrics.protocols import Headline
from vos_core.metrics.scores import (
    GlobalScores,
    Scores,
    SequenceRow,
    objects_of,
    per_sequence_rows,
)
from vos_core.types import Image
from vos_core.visual import curves
from vos_core.visual.worst import WorstFrame
from vos_core.wording import counted

_TEMPLATE = "report.html.j2"
_JPEG_QUALITY = 85
_NO_VALUE = "\N{EN DASH}"


@dataclass(frozen=True)
class ReportSequence:
    """What the report shows of a sequence beside its scores.

    Attributes:
        name: Its name in the scores.
        frame_names: Stem of each frame's file, scored or not.
        worst: Its worst frames, worst first.
        seconds_adapt: Wall-clock time of adapting to the sequence.
        seconds_propagate: Wall-clock time of segmenting it.
        video: The overlay video, as a path relative to the report, or None.
        notes: What happened while it was segmented.
    """

    name: str
    frame_names: Sequence[str]
    worst: Sequence[WorstFrame]
    seconds_adapt: float
    seconds_propagate: float
    video: str | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class ReportRun:
    """What the report is made from.

    Attributes:
        title: Heading.
        metadata: What to know about the run (command, commit, rule, ...), in display order.
        variants: Label -> scores of one way to get the masks, e.g. ``adapted`` and
            ``not adapted``. The first is the run's own result; others are compared with it.
        sequences: The sequences of the first variant, in any order.
    """

    title: str
    metadata: Mapping[str, object]
    variants: Mapping[str, Scores]
    sequences: Sequence[ReportSequence]


def write_report(path: str | Path, run: ReportRun) -> None:
    """Write the report, replacing an older one only when complete.

    Scores are shown as on the terminal, from 0 to 1. Where a single number stands for all, it is
    the one by which the first variant's protocol ranks, J&F or J. Sequences come worst first, by
    this number of the first variant.

    Args:
        path: The HTML file; its folder must exist.
        run: What to show.

    Raises:
        ValueError: If there is no variant.
    """
    if not run.variants:
        raise ValueError(f"the report {path} needs the scores of at least one variant")
    path = Path(path)
    with whole_file(path) as temporary:
        temporary.write_text(_render(run), encoding="utf-8")


def _render(run: ReportRun) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        score=_score, signed=_signed, seconds=_seconds, counted=counted, jpeg=_jpeg
    )
    rows = {
        label: {row["sequence"]: row for row in per_sequence_rows(scores)}
        for label, scores in run.variants.items()
    }
    main = next(iter(run.variants.values()))
    headline = main["headline"]
    main_rows = next(iter(rows.values()))
    ordered = sorted(run.sequences, key=lambda s: _worst_first(main_rows[s.name], headline))
    return environment.get_template(_TEMPLATE).render(
        run=run,
        main=main,
        headline=headline,
        number=partial(_headline_of, headline=headline),
        others=[metric for metric in ("J", "F") if metric != headline],
        labels=list(run.variants),
        sections=[_section(sequence, run.variants, rows) for sequence in ordered],
        plot=curves,
    )


def _section(
    sequence: ReportSequence,
    variants: Mapping[str, Scores],
    rows: Mapping[str, Mapping[str, SequenceRow]],
) -> dict[str, object]:
    """Gather what the template shows of one sequence."""
    main = next(iter(variants.values()))
    return {
        "sequence": sequence,
        "row": next(iter(rows.values()))[sequence.name],
        "means": [_mean(known.get(sequence.name), main["headline"]) for known in rows.values()],
        "objects": {
            object_id: (curves.css_colour(int(object_id)), scores)
            for object_id, scores in objects_of(main, sequence.name).items()
        },
        "extra_ids": main["sequences"][sequence.name]["extra_ids"],
        "charts": [
            curves.chart(metric, sequence.name, sequence.frame_names, variants)
            for metric in ("J", "F")
        ],
    }


def _headline_of(numbers: GlobalScores, headline: Headline) -> float:
    return numbers["J&F_mean"] if headline == "J&F" else numbers["J"]["mean"]


def _mean(row: SequenceRow | None, headline: Headline) -> float:
    if row is None:
        return math.nan
    return row["J&F_mean"] if headline == "J&F" else row["J_mean"]


def _worst_first(row: SequenceRow, headline: Headline) -> tuple[bool, float, str]:
    """Sort by the headline number; sequences without a score come last."""
    mean = _mean(row, headline)
    return (math.isnan(mean), 0.0 if math.isnan(mean) else mean, row["sequence"])


def _score(value: float) -> str:
    return _NO_VALUE if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    """Format a difference of scores, with a true minus sign."""
    return _NO_VALUE if math.isnan(value) else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _seconds(value: float) -> str:
    return _NO_VALUE if math.isnan(value) else f"{value:,.1f}"


def _jpeg(image: Image) -> str:
    """Return the picture as a data URI."""
    stored = io.BytesIO()
    PILImage.fromarray(image).save(stored, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stored.getvalue()).decode("ascii")
