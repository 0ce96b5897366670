"""Every file of one clip or one still image, decoded once and compared with the others."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from datasets_vos.base import DiskClip
from datasets_vos.clips import ImageClip
from datasets_vos.images import image_mode, read_image
from datasets_vos.integrity.complaints import decoder_complaints
from datasets_vos.integrity.editions import Usage
from datasets_vos.integrity.findings import (
    Finding,
    Inspection,
    ModeUse,
    Severity,
    from_error,
    refusal,
    spans,
)
from datasets_vos.integrity.mask_files import is_picture, keeps_ids, look_at, solid_ids
from datasets_vos.mask_formats import INDEXED, MaskFormat
from datasets_vos.masks import object_ids
from datasets_vos.stills import StillImage
from datasets_vos.video import VideoClip
from vos_core.errors import CorruptFileError, VOSError
from vos_core.types import VOID, LabelMap

# Ours: what is smaller is more often a slip of the brush than an object.
_TINY = 10
# PIL has three names for the colour modes that cameras and browsers write every day.
_COLOUR_MODES = frozenset({"RGB", "RGBA", "YCbCr"})
_NUMBERED = re.compile(r"(.*?)([0-9]+)", re.DOTALL)


@runtime_checkable
class _Categorised(Protocol):
    def categories(self) -> dict[int, str]: ...


@dataclass
class _Marks:
    """What repeats over the masks of a clip is gathered, and told in one finding for all.

    Each list holds (frame index, file) pairs.
    """

    palette: list[tuple[int, Path]] = field(default_factory=list)
    moved: list[tuple[int, Path]] = field(default_factory=list)
    dark: list[tuple[int, Path]] = field(default_factory=list)
    soft: list[tuple[int, Path]] = field(default_factory=list)
    graded: list[tuple[int, Path]] = field(default_factory=list)
    empty: list[tuple[int, Path]] = field(default_factory=list)
    tiny: list[tuple[int, Path]] = field(default_factory=list)
    softest: float = 0.0  # the largest share of soft pixels
    smallest: str = ""  # the first tiny object, in words


def inspect_clip(clip: DiskClip, root: Path, usage: Usage) -> Inspection:
    """Decode every frame and mask of a clip.

    Args:
        clip: A clip of image files or a video.
        root: Named where a video's trouble has no file of its own.
        usage: What is usual in the dataset.

    Returns:
        What stands out. Whenever a reader of the clip would fail, there is an error among it.
    """
    found = Inspection(clip.name)
    if isinstance(clip, VideoClip):
        _inspect_video(clip, root, found)
    if not isinstance(clip, ImageClip):
        return found
    try:
        found.frames = len(clip.frame_names)
    except VOSError as err:
        found.findings.append(refusal(err, root))
        return found
    try:
        size = clip.size
    except VOSError as err:
        found.findings.append(from_error("unreadable", err, clip.frame_paths[0]))
        _inspect_frames(clip.frame_paths[1:], None, found)
        return found  # no mask can be compared with the first frame
    _inspect_frames(clip.frame_paths, size, found)
    _inspect_names(clip, found)
    if found.frames == 2:
        found.add("note", "short", clip.where, "")
    try:
        mask_paths = clip.mask_paths
    except VOSError as err:
        found.findings.append(from_error("match", err, clip.where))
        return found  # which mask is of which frame is unknown
    found.masks = len(mask_paths)
    _inspect_places(clip, found)
    ids = _inspect_masks(clip, found)
    found.objects = len(ids)
    if not usage.sparse and not clip.partial_masks:
        _inspect_coverage(clip, found)
    if not found.broken:
        _start(clip, ids, usage, found)
    return found


def inspect_still(still: StillImage) -> Inspection:
    """Decode one picture and its masks.

    Returns:
        What stands out. Whenever a reader of the image would fail, there is an error among it.
    """
    found = Inspection(still.name, frames=1, masks=int(bool(still.mask_paths)))
    path = still.image_path
    try:
        size = still.size
    except VOSError as err:
        found.findings.append(from_error("unreadable", err, path))
        return found
    _inspect_frames((path,), size, found)
    if not still.mask_paths:
        found.add("note", "withheld", path, "")
        return found
    marks = _Marks()
    readable = [
        _inspect_mask_file(0, p, still.format, size, marks, found) for p in still.mask_paths
    ]
    if not all(readable):
        return found
    where = still.mask_paths[0]
    try:
        labels = still.instances()
        _mark_objects(0, where, labels, marks)
        found.objects = len(object_ids(labels))
        still.check()
        if isinstance(still, _Categorised):
            still.categories()
    except VOSError as err:
        found.findings.append(from_error("mask-values", err, where))
    _tell_marks(marks, still.mask_paths, ("",), "note", found)
    return found


def check_modes(inspections: Iterable[Inspection], usage: Usage) -> Iterator[Finding]:
    """Compare the pixel modes of all masks with what is usual in the dataset.

    Yields:
        A warning for each mode that is not; where nothing is usual, that differs from most masks.
    """
    total: dict[str, ModeUse] = {}
    for each in inspections:
        for mode, use in each.modes.items():
            total.setdefault(mode, ModeUse(0, use.first)).count += use.count
    count = sum(use.count for use in total.values())
    usual = usage.modes or {max(total, key=lambda mode: total[mode].count, default="")}
    for mode, use in total.items():
        if mode not in usual:
            message = f"{mode}: {use.count} of {count} masks; usual is {' or '.join(sorted(usual))}"
            yield Finding("warning", "mode", use.first, message)


def _inspect_video(clip: VideoClip, root: Path, found: Inspection) -> None:
    marks, path = _Marks(), clip.mask_path
    try:
        found.frames = len(clip.frame_names)
        for _ in clip.frames():
            pass
        if _inspect_mask_file(0, path, INDEXED, clip.size, marks, found):
            labels = clip.ground_truth(0)
            if labels is not None:
                _tell_lines(_mark_objects(0, path, labels, marks) - solid_ids(labels), path, found)
    except VOSError as err:
        found.findings.append(refusal(err, root))
    _tell_marks(marks, (path,), ("",), "warning", found)
    if found.broken:
        return
    try:
        clip.check()
        found.masks = len(clip.annotations)
        found.objects = sum(len(given.object_ids) for given in clip.annotations)
    except VOSError as err:
        found.findings.append(_no_start(err, root))


def _inspect_frames(paths: Sequence[Path], size: tuple[int, int] | None, found: Inspection) -> None:
    with decoder_complaints() as complaints:
        for path in paths:
            _inspect_frame(path, size, found)
            complaint = complaints()
            if complaint:
                found.add("warning", "damaged", path, complaint)


def _inspect_frame(path: Path, size: tuple[int, int] | None, found: Inspection) -> None:
    try:
        image = read_image(path)
        mode = image_mode(path)
    except VOSError as err:
        found.findings.append(from_error("unreadable", err, path))
        return
    height, width = image.shape[:2]
    if size is not None and (height, width) != size:
        message = f"is {width}x{height} pixels, the first frame {size[1]}x{size[0]}"
        found.add("error", "frame-size", path, message)
    if mode not in _COLOUR_MODES:
        found.add("note", "picture", path, f"pixel mode {mode}")


def _inspect_names(clip: ImageClip, found: Inspection) -> None:
    names = clip.frame_names
    if list(names) != sorted(names):
        after = next(b for a, b in pairwise(names) if b < a)
        found.add("warning", "order", clip.where, f"as text, {after} would come before others")
    parts = [_NUMBERED.fullmatch(name) for name in names]
    if len({part and part[1] for part in parts}) > 1:
        found.add("note", "order", clip.where, "not all names are one word and a number")
        return
    numbers = [int(part[2]) for part in parts if part]
    steps = Counter(b - a for a, b in pairwise(numbers))
    usual = min(steps, key=lambda step: (-steps[step], step), default=1)
    gaps = [(a, b) for a, b in pairwise(range(len(numbers))) if numbers[b] - numbers[a] != usual]
    if gaps:
        shown = ", ".join(f"{names[a]} to {names[b]}" for a, b in gaps[:3])
        more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        found.add("warning", "gap", clip.where, f"the numbers go up by {usual}, but {shown}{more}")


def _inspect_places(clip: ImageClip, found: Inspection) -> None:
    names, folder = {path.name for path in clip.frame_paths}, clip.frame_paths[0].parent.resolve()
    for path in chain.from_iterable(clip.mask_paths.values()):
        if path.name in names and path.parent.resolve() == folder:
            found.add("warning", "among", path, "")


def _inspect_masks(clip: ImageClip, found: Inspection) -> set[int]:
    """Decode every mask and return the ids that occur."""
    marks = _Marks()
    ids: set[int] = set()
    solid: set[int] = set()
    late: dict[int, int] = {}  # id -> frame of its first appearance
    files: list[Path] = []
    for index, paths in clip.mask_paths.items():
        files += paths
        readable = [
            _inspect_mask_file(index, p, clip.format, clip.size, marks, found) for p in paths
        ]
        if not all(readable):
            continue
        try:
            labels = clip.read_labels(index)
        except VOSError as err:
            found.findings.append(from_error("mask-values", err, paths[0]))
            continue
        present = _mark_objects(index, paths[0], labels, marks)
        late.update({i: index for i in present - ids if ids})
        ids |= present
        if keeps_ids(clip.format):
            solid |= solid_ids(labels)
    _tell_marks(marks, files, clip.frame_names, "warning", found)
    if keeps_ids(clip.format) and files:
        _tell_lines(ids - solid, files[0].parent, found)
    if late and not clip.late_start and not clip.partial_masks:
        told = ", ".join(f"{i} in {clip.frame_names[t]}" for i, t in sorted(late.items())[:6])
        found.add("note", "late", clip.where, f"object {told}")
    return ids


def _inspect_mask_file(
    index: int,
    path: Path,
    format: MaskFormat,
    size: tuple[int, int],
    marks: _Marks,
    found: Inspection,
) -> bool:
    """Look at how a mask is stored; return whether it is worth reading."""
    if not is_picture(path, format):
        return True
    try:
        file = look_at(path, format)
    except VOSError as err:
        found.findings.append(from_error("unreadable", err, path))
        return False
    found.modes.setdefault(file.mode, ModeUse(0, path)).count += 1
    if file.size != size:
        (height, width), (rows, columns) = file.size, size
        found.add(
            "error", "mask-size", path, f"is {width}x{height} pixels, its frame {columns}x{rows}"
        )
        return False
    if file.moved:
        marks.moved.append((index, path))
    elif not file.palette and keeps_ids(format):
        marks.palette.append((index, path))
    if file.dark:
        marks.dark.append((index, path))
    if file.soft:
        (marks.graded if file.graded else marks.soft).append((index, path))
        marks.softest = max(marks.softest, file.soft)
    return True


def _mark_objects(index: int, path: Path, labels: LabelMap, marks: _Marks) -> set[int]:
    """Note what is odd about the objects of one mask, and return their ids."""
    areas = np.bincount(labels.ravel(), minlength=VOID + 1)[1:VOID]
    present = {int(i) + 1 for i in np.flatnonzero(areas)}
    if not present:
        marks.empty.append((index, path))
    tiny = [i for i in sorted(present) if areas[i - 1] < _TINY]
    if tiny:
        area = int(areas[tiny[0] - 1])
        marks.smallest = marks.smallest or f"object {tiny[0]} has {area} pixel{'s' * (area != 1)}"
        marks.tiny.append((index, path))
    return present


def _tell_marks(
    marks: _Marks,
    files: Sequence[Path],
    names: Sequence[str],
    severity: Severity,
    found: Inspection,
) -> None:
    share = f"{100 * marks.softest:.0f} % of the object is neither 0 nor 255"
    told: tuple[tuple[Severity, str, list[tuple[int, Path]], str], ...] = (
        ("error", "moved", marks.moved, "black is not at index 0"),
        ("warning", "palette", marks.palette, ""),
        ("warning", "dark", marks.dark, ""),
        (severity, "soft", marks.soft, share),
        ("note", "graded", marks.graded, share),
        ("note", "empty", marks.empty, ""),
        ("note", "tiny", marks.tiny, marks.smallest),
    )
    for level, code, marked, detail in told:
        if not marked:
            continue
        message = detail
        if len(files) > 1:
            indices = sorted({index for index, _ in marked})
            which = f"{len(marked)} of {len(files)} masks: {spans(names, indices)}"
            message = f"{which}; {detail}" if detail else which
        found.add(level, code, marked[0][1], message)


def _tell_lines(ids: set[int], where: Path, found: Inspection) -> None:
    if ids:
        found.add("warning", "lines", where, f"ids {_listed(ids)}")


def _inspect_coverage(clip: ImageClip, found: Inspection) -> None:
    names, masks = clip.frame_names, clip.mask_paths
    without = [i for i in range(len(names)) if i not in masks]
    if not without or not masks:
        return
    if list(masks) == [0]:
        found.add("note", "first-only", clip.where, "")
        return
    where = next(iter(masks.values()))[0].parent
    found.add(
        "warning",
        "unmasked",
        where,
        f"{len(without)} of {len(names)} frames: {spans(names, without)}",
    )


def _start(clip: ImageClip, ids: set[int], usage: Usage, found: Inspection) -> None:
    """Read the clip as a method would, and compare the ids with those that are introduced."""
    try:
        clip.check()
        if not clip.mask_paths:
            found.add("note", "withheld", clip.where, "")
            return
        introduced = {i for given in clip.annotations for i in given.object_ids}
    except VOSError as err:
        found.findings.append(_no_start(err, clip.where))
        return
    where = next(iter(clip.mask_paths.values()))[0].parent
    found.objects = len(introduced)
    extra = sorted(ids - introduced)
    if extra:
        found.add("warning", "unlisted", where, f"ids {_listed(extra)}")
    if introduced != set(range(1, len(introduced) + 1)):
        severity: Severity = "note" if usage.ids_skip else "warning"
        found.add(severity, "ids", where, f"ids {_listed(introduced)}")


def _no_start(err: VOSError, where: Path) -> Finding:
    return from_error("unreadable" if isinstance(err, CorruptFileError) else "start", err, where)


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ids)))
