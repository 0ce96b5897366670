"""``data stats``: sizes, motion and lengths of a dataset, as a table and a picture."""

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from datasets_vos import StillDataset, VOSDataset
from datasets_vos.commands import CommandParser, at_least, make_folder, user_path
from datasets_vos.commands.data.source import add_source_options, open_source
from datasets_vos.commands.output import FULL_WIDTH, require_file_name, write_bytes
from datasets_vos.commands.parallel import work_through
from datasets_vos.integrity import other_edition
from datasets_vos.statistics import (
    ClipStatistics,
    StillStatistics,
    Summary,
    clip_statistics,
    still_statistics,
    summarise,
)
from datasets_vos.stills import StillImage
from vos_core.wording import counted

_STILLS_PER_JOB = 50
_DESCRIPTION = """Measure a dataset: object sizes, motion, absence, lengths. Only frames with truth
count. Motion is how far an object's centroid moves from frame to frame, in pixels and in percent
of its size, the square root of its area. Absence counts from an object's first appearance."""


class _Quantity(NamedTuple):
    """Something measured: its key in JSON, what it is called in tables, and its values."""

    key: str
    label: str
    values: list[float]


class _Panel(NamedTuple):
    """A histogram of one quantity."""

    key: str
    title: str
    ylabel: str
    log: bool = False


@dataclass(frozen=True)
class _Report:
    """What is told of a dataset."""

    headline: str
    quantities: Sequence[_Quantity]
    panels: Sequence[_Panel]
    records: Sequence[ClipStatistics] | Sequence[StillStatistics]


def main(args: Sequence[str]) -> None:
    """Measure a dataset, print tables, and write histograms.

    Args:
        args: The command line after ``data stats``.

    Raises:
        ConfigError: If an option is wrong.
        VOSError: If data is missing, damaged or unusable; the message names the file.
    """
    parser = CommandParser("data stats", _DESCRIPTION)
    add_source_options(parser)
    parser.add_argument("--per-clip", action="store_true", help="also print a line per clip")
    parser.add_argument(
        "--out", type=user_path, help="PNG of histograms; default: <dataset>_stats.png here"
    )
    parser.add_argument("--json", type=user_path, help="file for all numbers")
    parser.add_argument(
        "--workers", type=at_least(1), help="processes; default: one a CPU, or 1 for short work"
    )
    options = parser.parse(args)
    out = options.out or Path(f"{options.dataset}_stats.png")
    require_file_name(out, ".png")
    if options.json:
        require_file_name(options.json, ".json", "--json")
    dataset = open_source(options)
    # before the long work, not after
    for path in filter(None, (out, options.json)):
        make_folder(path.parent)
    if isinstance(dataset, StillDataset):
        if options.per_clip:
            parser.error("--per-clip is for videos, and this dataset holds still images")
        report = _about_stills(_measure_stills(dataset, options.workers))
    else:
        clips = _measure_clips(dataset, options.workers)
        report = _about_clips(clips)
        if other := other_edition(options.dataset, dataset):
            print(f"warning: {options.root}: {other}.", file=sys.stderr)
        if options.per_clip:
            # a narrow terminal would squeeze names and numbers out of it
            Console(width=FULL_WIDTH).print(_per_clip_table(clips))
    title = f"{options.dataset} {options.split or ''}".strip() + f": {report.headline}"
    print(title)
    Console().print(_table(report.quantities))
    if options.json:
        _write_json(options.json, options.dataset, report)
        print(f"numbers in {options.json}")
    _write_histograms(out, title, report)
    print(f"histograms in {out}")


def _measure_clips(dataset: VOSDataset, workers: int | None) -> list[ClipStatistics]:
    clips = list(dataset)
    files = sum(len(clip.frame_names) for clip in clips)
    return work_through("measuring clips", clip_statistics, clips, files=files, workers=workers)


def _measure_stills(dataset: StillDataset, workers: int | None) -> list[StillStatistics]:
    starts = range(0, len(dataset), _STILLS_PER_JOB)
    jobs = [dataset[start : start + _STILLS_PER_JOB] for start in starts]
    measured = work_through(
        "measuring images", _measure_batch, jobs, files=len(dataset), workers=workers
    )
    return [still for batch in measured for still in batch]


def _measure_batch(stills: Sequence[StillImage]) -> list[StillStatistics]:
    return [still_statistics(still) for still in stills]


def _about_clips(clips: Sequence[ClipStatistics]) -> _Report:
    objects = [each for clip in clips for each in clip.objects]
    frames = sum(clip.frames for clip in clips)
    annotated = sum(clip.annotated for clip in clips)
    return _Report(
        headline=f"{counted(len(clips), 'clip')}, {counted(frames, 'frame')} "
        f"({annotated} annotated), {counted(len(objects), 'object')}, "
        f"{_sizes(clip.size for clip in clips)}",
        quantities=[
            _Quantity("frames", "frames a clip", [clip.frames for clip in clips]),
            _Quantity("objects", "objects a clip", [len(clip.objects) for clip in clips]),
            _Quantity("area", "object size, % of the frame", [100 * o.area.mean for o in objects]),
            _Quantity("motion_pixels", "motion, px a frame", [o.motion_pixels for o in objects]),
            _Quantity("motion", "motion, % of its size a frame", [100 * o.motion for o in objects]),
            _Quantity("absent", "absent, % of the frames", [100 * o.absent for o in objects]),
        ],
        panels=[
            _Panel("area", "object size", "objects", log=True),
            _Panel("motion", "motion", "objects"),
            _Panel("frames", "clip length", "clips"),
        ],
        records=clips,
    )


def _about_stills(stills: Sequence[StillStatistics]) -> _Report:
    known = [still.areas for still in stills if still.areas is not None]
    areas = [100 * area for each in known for area in each]
    empty = sum(1 for each in known if not each)
    headline = f"{counted(len(stills), 'image')} ({len(known)} annotated"
    headline += f", {empty} of them without an object)" if empty else ")"
    return _Report(
        headline=f"{headline}, {counted(len(areas), 'instance')}, "
        f"{_sizes(still.size for still in stills)}",
        quantities=[
            _Quantity("height", "image height, px", [still.size[0] for still in stills]),
            _Quantity("width", "image width, px", [still.size[1] for still in stills]),
            _Quantity("instances", "instances an image", [len(each) for each in known]),
            _Quantity("area", "instance size, % of the image", areas),
        ],
        panels=[
            _Panel("area", "instance size", "instances", log=True),
            _Panel("instances", "instances", "images"),
            _Panel("width", "image width", "images"),
        ],
        records=stills,
    )


def _sizes(sizes: Iterable[tuple[int, int]]) -> str:
    """Tell how many sizes (height, width) there are and which is the most frequent."""
    counts = Counter(sizes)
    (height, width), _ = counts.most_common(1)[0]
    if len(counts) == 1:
        return f"{width}x{height} pixels"
    return f"{len(counts)} sizes, mostly {width}x{height} pixels"


def _table(quantities: Sequence[_Quantity]) -> Table:
    table = Table("", box=box.SIMPLE_HEAD)
    for heading in ("mean", "lowest", "median", "highest"):
        table.add_column(heading, justify="right")
    for quantity in quantities:
        table.add_row(quantity.label, *map(_number, summarise(quantity.values)))
    return table


def _per_clip_table(clips: Sequence[ClipStatistics]) -> Table:
    # two lines of headings, so that it fits 80 columns
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("clip")
    for heading in (
        *("frames\n(known)", "ob-\njects", "width x\nheight", "size\n%", "from-to\n%"),
        *("motion\npx", "motion\n%", "absent\n%"),
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for clip in clips:
        known = "" if clip.annotated == clip.frames else f" ({clip.annotated})"
        areas = [each.area for each in clip.objects]
        lowest = 100 * summarise(area.minimum for area in areas).minimum
        highest = 100 * summarise(area.maximum for area in areas).maximum
        table.add_row(
            clip.name,
            f"{clip.frames}{known}",
            str(len(clip.objects)),
            f"{clip.size[1]}x{clip.size[0]}",
            _number(100 * summarise(area.mean for area in areas).mean),
            f"{_number(lowest)}-{_number(highest)}",
            _number(summarise(each.motion_pixels for each in clip.objects).mean),
            _number(100 * summarise(each.motion for each in clip.objects).mean),
            _number(100 * summarise(each.absent for each in clip.objects).mean),
        )
    return table


def _number(value: float) -> str:
    """Format with two decimals, but whole numbers in full."""
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}"


def _write_json(path: Path, dataset: str, report: _Report) -> None:
    totals = {quantity.key: summarise(quantity.values) for quantity in report.quantities}
    records = [asdict(record) for record in report.records]
    content = {"dataset": dataset, "totals": _plain(totals), "records": _plain(records)}
    write_bytes(path, json.dumps(content, indent=1).encode())


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Turn summaries into objects with named numbers, and NaN, which JSON lacks, into null."""
    if isinstance(value, Summary):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _write_histograms(out: Path, title: str, report: _Report) -> None:
    # --help does not wait for this
    from vos_core.visual.charts import Histogram, histograms_png

    known = {quantity.key: quantity for quantity in report.quantities}
    panels = [
        Histogram(
            title=panel.title,
            xlabel=known[panel.key].label,
            values=known[panel.key].values,
            ylabel=panel.ylabel,
            log=panel.log,
        )
        for panel in report.panels
    ]
    write_bytes(out, histograms_png(title, panels))
