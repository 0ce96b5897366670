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

from datasets_vos import StillImage, open_stills
from datasets_vos.commands import make_folder
from datasets_vos.commands.evaluate import results_folder
from datasets_vos.commands.output import (
    number_table,
    plain_console,
    some,
    write_bytes,
)
from datasets_vos.commands.parallel import work_through
from datasets_vos.images import IMAGE_SUFFIXES, load_pillow, natural_key
from datasets_vos.mask_formats import BinaryMasks
from datasets_vos.masks import read_mask
from datasets_vos.saliency import GradedMasks
from vos_core.errors import ConfigError, DatasetError, MaskError
from vos_core.types import LabelMap
from vos_core.wording import counted

# --help does not wait for the metrics and what they import
if TYPE_CHECKING:
    from vos_core.metrics.saliency import ImageScores, LevelCounts, SaliencyResult

_NEARLY_BLACK = 0.01  # highest share of pixels of level 1 in a graded map without higher ones


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

    A map whose highest level is 1 is refused beside maps that hold higher ones: it may be a mask,
    or nearly black. It is taken as nearly black only if some map of the set has more than two
    levels, so that they are graded, and at most one in a hundred of its own pixels is 1.

    Args:
        options: ``dataset`` (one of ``list_still_datasets()``), ``root``, ``split``,
            ``sequences`` (must be unset), ``results``, ``out`` and ``workers``, as parsed by
            ``evaluate``.

    Raises:
        ConfigError: If an option is missing or does not apply.
        DatasetError: If data or maps are missing, or there are maps of other images; the message
            names them.
        CorruptFileError: If a file cannot be decoded.
        MaskError: If a map is unusable, e.g. of another size than its image, some are masks of 0
            and 1 and others not, or all equal the truth.
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
    if not options.allow_perfect and _is_truth(stills, scored, folder):
        raise MaskError(
            "prediction equals ground truth: is the results folder the annotation folder? Nothing "
            "was written; pass --allow-perfect if that is how it should be."
        )
    if options.out:
        _write(options.out, scored, options)  # first, because whoever reads the table may stop
    _print(scored)


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
        of = f"{len(missing)} of {counted(len(names), 'image')}"
        problems.append(f"maps of {of} are missing ({_some(missing)})")
    if strangers := stored - expected:
        problems.append(f"files are there that belong to no image ({_some(strangers)})")
    if problems:
        raise DatasetError(
            f"{folder}: {' and '.join(problems)}; there must be <name>.png for each image of the "
            "set and nothing else, so check the dataset and the split, or run the method again."
            + (
                " --allow-missing leaves out those without a map."
                if missing and not allowed
                else ""
            )
        )
    return {file.removesuffix(".png") for file in missing}


def _some(files: set[str]) -> str:
    return some(sorted(files, key=natural_key))


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

    masks = _are_masks(
        {still.name: each for still, each in zip(stills, counts, strict=True)}, folder
    )
    scorer = SaliencyScorer()
    images = {}
    for still, each in zip(stills, counts, strict=True):
        images[still.name] = scorer.update_counts(_spread(each) if masks else each)
    total = scorer.result()
    if total.without_object == total.images:
        raise DatasetError(f"{folder}: no image of the set has an object; check the dataset.")
    return _Scored(total, images, _rule(stills, total, absent, masks=masks))


def _are_masks(counts: "dict[str, LevelCounts]", folder: Path) -> bool:
    """Tell whether the highest level of all maps is 1.

    Raises:
        MaskError: If that is so of some maps only, and they may be masks.
    """
    levels = {name: each.sum(axis=0) for name, each in counts.items()}
    highest = {name: int(np.flatnonzero(each)[-1]) for name, each in levels.items()}
    if max(highest.values()) <= 1:
        return max(highest.values()) == 1
    graded = any(np.count_nonzero(each) > 2 for each in levels.values())
    allowed = _NEARLY_BLACK if graded else 0
    doubtful = {
        f"{name}.png"
        for name, each in levels.items()
        if highest[name] == 1 and each[1] > allowed * each.sum()
    }
    if doubtful:
        higher = {f"{name}.png" for name, level in highest.items() if level > 1}
        raise MaskError(
            f"{folder}: maps hold only 0 and 1 ({_some(doubtful)}) beside others with higher "
            f"levels ({_some(higher)}); save masks as 0 and 255, and saliency as 0 to 255."
        )
    return False


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
    parts = [f"over {counted(total.images, 'image')}", truth]
    if absent:
        parts.append(f"{absent} without a map left out")
    if masks:
        parts.append("maps hold only 0 and 1 and are read as masks")
    if total.without_object:
        parts.append(
            f"{counted(total.without_object, 'image')} without an object left out of F but not of "
            "MAE and J"
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
    console = plain_console()
    table = number_table("images", "MAE", "max-F", "at", "mean-F", "adaptive-F", "J at 0.5")
    f_measures = (total.max_f, total.max_f_threshold, total.mean_f, total.adaptive_f)
    numbers = (total.mae, *f_measures, total.jaccard)
    table.add_row(str(total.images), *(f"{number:.3f}" for number in numbers))
    console.print(table)
    console.print(f"max-F {total.max_f:.3f} (saliency: {scored.rule})", soft_wrap=True)
    if total.mae > 0.5:
        print(
            "warning: the maps look inverted (objects must be white): turned round, MAE would be "
            f"{1 - total.mae:.3f}.",
            file=sys.stderr,
        )


def _is_truth(stills: Sequence[StillImage], scored: _Scored, folder: Path) -> bool:
    """Tell whether every map equals its truth, cut into object and background or as stored."""
    scores = [scored.images[still.name] for still in stills]
    if any(each.jaccard != 1 for each in scores):
        return False  # no file is read again but where the truth itself is not black and white
    return all(
        each.mae == 0 or _is_stored_truth(still, folder / f"{still.name}.png")
        for still, each in zip(stills, scores, strict=True)
    )


def _is_stored_truth(still: StillImage, path: Path) -> bool:
    stored = [each for each in still.mask_paths if each.suffix.lower() in IMAGE_SUFFIXES]
    return any(np.array_equal(_gray(path), _gray(each)) for each in stored)


def _gray(path: Path) -> LabelMap:
    return np.asarray(load_pillow(path).convert("L"))
