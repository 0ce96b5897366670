"""The part of ``evaluate`` for still images: saliency scores of stored maps."""

import argparse
import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from datasets_vos import StillImage, open_stills
from datasets_vos.commands import make_folder
from datasets_vos.commands.evaluate import results_folder
from datasets_vos.commands.output import write_bytes
from datasets_vos.commands.parallel import work_through
from datasets_vos.images import IMAGE_SUFFIXES, load_pillow, natural_key
from datasets_vos.mask_formats import BinaryMasks
from datasets_vos.masks import read_mask
from datasets_vos.saliency import GradedMasks
from vos_core.errors import ConfigError, DatasetError, MaskError
from vos_core.types import LabelMap

# --help does not wait for the metrics and what they import
if TYPE_CHECKING:
    from vos_core.metrics.saliency import ImageScores, LevelCounts, SaliencyResult

_NAMED = 5


@dataclass(frozen=True)
class _Scored:
    """Scores of a set, those of each image by name, and the rule in words."""

    total: "SaliencyResult"
    images: "dict[str, ImageScores]"
    rule: str


def main(options: argparse.Namespace) -> None:
    """Score stored saliency maps, print a table, and write ``scores.json`` if asked to.

    Every image of the dataset needs ``<results>/<name>.png``: 8-bit gray saliency, or masks of 0
    and 255, or palette masks. If all files together hold no other level than 0 and 1, they are
    masks, too.

    Args:
        options: ``dataset`` (one of ``list_still_datasets()``), ``root``, ``split``,
            ``sequences`` (must be unset), ``results``, ``out`` and ``workers``, as parsed by
            ``evaluate``.

    Raises:
        ConfigError: If an option is missing or does not apply.
        DatasetError: If data or maps are missing, or there are maps of other images; the message
            names them.
        CorruptFileError: If a file cannot be decoded.
        MaskError: If a map is unusable, e.g. of another size than its image.
    """
    if options.root is None:
        raise ConfigError(f"dataset {options.dataset!r} needs --root, the path of its data.")
    if options.sequences:
        raise ConfigError(f"dataset {options.dataset!r} has no sequences; leave out --sequences.")
    stills = list(open_stills(options.dataset, options.root, options.split))
    folder = results_folder(options.results)
    absent = _missing([still.name for still in stills], folder, allowed=options.allow_missing)
    stills = [still for still in stills if still.name not in absent]
    if options.out:
        make_folder(options.out.parent)

    count = partial(_count, folder=folder)
    counts = work_through(
        "scoring images", count, stills, files=2 * len(stills), workers=options.workers
    )
    scored = _score(stills, counts, folder, len(absent))
    _print(scored)
    _judge(scored.total, allow_perfect=options.allow_perfect)
    if options.out:
        _write(options.out, scored, options)


def _missing(names: Sequence[str], folder: Path, *, allowed: bool) -> set[str]:
    """Return the images without a map; refuse them, and files that suggest another dataset."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; check the path of the results.")
    expected = {f"{name}.png" for name in names}
    stored = {
        (parent / path.name).as_posix()
        for parent in {PurePosixPath(name).parent for name in names}
        if (folder / parent).is_dir()
        for path in (folder / parent).glob("[!.]*")
        if path.suffix.lower() in IMAGE_SUFFIXES
    }
    problems = []
    missing = expected - stored
    if missing and not (allowed and missing < expected):
        problems.append(f"{len(missing)} of {len(names)} images have no map ({_some(missing)})")
    if strangers := stored - expected:
        problems.append(f"files are there that belong to no image ({_some(strangers)})")
    if problems:
        raise DatasetError(
            f"{folder}: {' and '.join(problems)}; there must be <name>.png for each image of the "
            "set and nothing else, so check the dataset and the split, or run the method again."
            f"{' --allow-missing leaves out images without a map.' if missing else ''}"
        )
    return {file.removesuffix(".png") for file in missing}


def _some(files: set[str]) -> str:
    ordered = sorted(files, key=natural_key)
    shown = ", ".join(ordered[:_NAMED])
    return shown if len(ordered) <= _NAMED else f"{shown} and {len(ordered) - _NAMED} more"


def _count(still: StillImage, folder: Path) -> "LevelCounts":
    from vos_core.metrics.saliency import level_counts

    path = folder / f"{still.name}.png"
    levels, truth = _read_map(path), still.mask()
    if levels.shape != truth.shape:
        (height, width), (true_height, true_width) = levels.shape, truth.shape
        raise MaskError(
            f"{path}: the map is {width}x{height} pixels but the image is "
            f"{true_width}x{true_height} (width x height); store it at the image's size."
        )
    try:
        return level_counts(levels, truth)
    except MaskError as err:
        raise MaskError(f"{path}: {err}.") from err


def _read_map(path: Path) -> LabelMap:
    """Return (H, W) uint8 levels of saliency; a mask with a coloured palette is 0 and 255."""
    image = load_pillow(path)
    if image.mode == "L":
        return np.asarray(image)
    if image.mode == "1":
        return np.where(np.asarray(image), np.uint8(255), np.uint8(0))
    if image.mode not in ("P", "RGB"):
        raise MaskError(
            f"{path}: pixel mode {image.mode} is no 8-bit gray; save the map as 8-bit gray."
        )
    rgb = np.asarray(image.convert("RGB"))
    if (rgb == rgb[..., :1]).all():
        return rgb[..., 0]
    if image.mode == "P":
        return read_mask(path, binary=True) * np.uint8(255)
    raise MaskError(f"{path}: has colours where gray values should be; save the map as 8-bit gray.")


def _score(
    stills: Sequence[StillImage], counts: "list[LevelCounts]", folder: Path, absent: int
) -> _Scored:
    from vos_core.metrics.saliency import SaliencyScorer

    masks = _are_masks(counts)
    scorer = SaliencyScorer()
    images = {}
    for still, each in zip(stills, counts, strict=True):
        images[still.name] = scorer.update_counts(_spread(each) if masks else each)
    total = scorer.result()
    if total.without_object == total.images:
        raise DatasetError(f"{folder}: no image of the set has an object; check the dataset.")
    return _Scored(total, images, _rule(stills, total, absent, masks=masks))


def _are_masks(counts: "list[LevelCounts]") -> bool:
    """Tell whether the highest level of all maps is 1."""
    used = np.any([each.any(axis=0) for each in counts], axis=0)
    return int(np.flatnonzero(used)[-1]) == 1


def _spread(counts: "LevelCounts") -> "LevelCounts":
    """Return the counts of a mask of 0 and 1 as those of 0 and 255."""
    spread = np.zeros_like(counts)
    spread[:, [0, -1]] = counts[:, :2]
    return spread


def _rule(
    stills: Sequence[StillImage], total: "SaliencyResult", absent: int, *, masks: bool
) -> str:
    if isinstance(stills[0].format, BinaryMasks | GradedMasks):
        truth = "truth above 127"
    else:
        truth = "all objects of the truth as one, void left out"
    parts = [f"over {total.images} images", truth]
    if absent:
        parts.append(f"{absent} without a map left out")
    if masks:
        parts.append("maps hold only 0 and 1 and are read as masks")
    if total.without_object:
        parts.append(
            f"{total.without_object} image{'s' * (total.without_object != 1)} without an object "
            "left out of F but not of MAE and J"
        )
    return ", ".join(parts) + (
        "; max-F and mean-F are those of precision and recall averaged over images at 256 "
        "thresholds, adaptive-F and J are means over images; map >= threshold, beta^2 = 0.3"
    )


def _write(out: Path, scored: _Scored, options: argparse.Namespace) -> None:
    from datasets_vos.commands.evaluate.origin import origin

    total = scored.total
    scores = {
        "protocol": "saliency",
        "rule": scored.rule,
        "global": {
            "MAE": total.mae,
            "max_F": total.max_f,
            "max_F_threshold": total.max_f_threshold,
            "mean_F": total.mean_f,
            "adaptive_F": total.adaptive_f,
            "J_mean": total.jaccard,
        },
        "images": total.images,
        "without_object": total.without_object,
        "per_image": {name: {"MAE": s.mae, "J": s.jaccard} for name, s in scored.images.items()},
        "curve": {"precision": total.precision, "recall": total.recall},
    } | origin(options)
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("image", "MAE", "J"))
    writer.writerows((name, s.mae, s.jaccard) for name, s in scored.images.items())
    text = json.dumps(scores, allow_nan=False, indent=1) + "\n"
    write_bytes(out.with_suffix(".csv"), table.getvalue().encode())
    write_bytes(out, text.encode())


def _print(scored: _Scored) -> None:
    total = scored.total
    console = Console()
    table = Table("images", box=box.SIMPLE_HEAD)
    for heading in ("MAE", "max-F", "at", "mean-F", "adaptive-F", "J at 0.5"):
        table.add_column(heading, justify="right")
    f_measures = (total.max_f, total.max_f_threshold, total.mean_f, total.adaptive_f)
    numbers = (total.mae, *f_measures, total.jaccard)
    table.add_row(str(total.images), *(f"{number:.3f}" for number in numbers))
    console.print(table)
    console.print(
        f"max-F {total.max_f:.3f} (saliency: {scored.rule})", highlight=False, soft_wrap=True
    )


def _judge(total: "SaliencyResult", *, allow_perfect: bool) -> None:
    """Name what made scores but looks like a mistake.

    Raises:
        MaskError: If the maps equal the truth, and that is not allowed.
    """
    if total.mae > 0.5:
        print(
            "warning: the maps look inverted (objects must be white): turned round, MAE would be "
            f"{1 - total.mae:.3f}.",
            file=sys.stderr,
        )
    if total.jaccard == 1 and not allow_perfect:  # graded truth has an error, but not once cut
        raise MaskError(
            "prediction equals ground truth: is the results folder the annotation folder? Nothing "
            "was written; pass --allow-perfect if that is how it should be."
        )
