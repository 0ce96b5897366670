"""Archives of results as the benchmarks' servers take them, checked before they are written.

Masks are read from ``<results>/<sequence>/<frame>.png``, or ``<results>/<image>.png`` for still
images. What is checked: every required file is there and readable, of the frames' size, and holds
no id that the dataset has not introduced by then. All problems are collected.

Sources of the rules: DAVIS, the evaluation script of its CodaLab competition (sequence folders at
the root of the archive, every frame, the ids of the first annotation; in the unsupervised task up
to 20 proposals with ids of the method's choice); YouTube-VOS, the submission page of its servers
(``Annotations/<video>/<frame>.png``, exactly the frames that ``meta.json`` names).
"""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image

from datasets_vos.base import DiskClip
from datasets_vos.masks import encode_mask, read_mask
from datasets_vos.stills import StillImage
from vos_core.errors import DatasetError, MaskError, VOSError
from vos_core.palette import davis_palette
from vos_core.types import VOID, LabelMap

# Archives of the same masks are the same bytes; this is the first date that a zip can hold.
_DATE = (1980, 1, 1, 0, 0, 0)
_PNG_DEPTH = 24  # offset of the bit depth, which follows the signature and the size


@dataclass(frozen=True)
class ArchiveRules:
    """What an archive must look like.

    Attributes:
        server: Who takes it; None where results are not sent anywhere.
        prefix: Folder of the archive in which the sequences lie; empty for its root.
        binary: There is one object; whatever is stored for it (1, 255, a gray level above 127)
            becomes 1.
        gray: Masks are gray PNGs of 0 and 255, as tools for saliency expect; else they are palette
            PNGs of object ids.
        proposals: Ids are the method's own, from 1 to this; None allows those of the dataset.
    """

    server: str | None = None
    prefix: str = ""
    binary: bool = False
    gray: bool = False
    proposals: int | None = None


STILL_RULES = ArchiveRules(binary=True, gray=True)
"""Rules of every dataset of still images."""

_CLIP_RULES = {
    "davis2016": ArchiveRules(binary=True),
    "davis2017": ArchiveRules("DAVIS 2017, semi-supervised"),
    "davis2017_unsupervised": ArchiveRules("DAVIS 2017, unsupervised", proposals=20),
    "youtube_objects": ArchiveRules(binary=True),
    "youtube_vos2018": ArchiveRules("YouTube-VOS 2018", prefix="Annotations"),
    "youtube_vos2019": ArchiveRules("YouTube-VOS 2019", prefix="Annotations"),
}


class Member(NamedTuple):
    """A file of the archive."""

    name: str  # in the archive
    path: Path
    ready: bool  # its bytes can be taken as they are


class Problem(NamedTuple):
    """Something that a server would refuse, or score wrongly."""

    sequence: str
    file: str  # empty if it concerns the whole sequence
    what: str


@dataclass(frozen=True)
class CheckedResults:
    """The results for one clip or image.

    Attributes:
        members: What goes into the archive.
        problems: Why it must not be written.
        left_out: Files that are not asked for, as ``<sequence>/<frame>.png``.
    """

    members: tuple[Member, ...]
    problems: tuple[Problem, ...]
    left_out: tuple[str, ...] = ()


def clip_rules(dataset: str) -> ArchiveRules:
    """Return the rules for a video dataset; those without a server have a plain layout."""
    return _CLIP_RULES.get(dataset, ArchiveRules())


def servers() -> dict[str, str]:
    """Return dataset -> the server that takes its archives."""
    return {name: rules.server for name, rules in _CLIP_RULES.items() if rules.server}


def check_clip(clip: DiskClip, results: Path, rules: ArchiveRules) -> CheckedResults:
    """Check the masks stored for one clip; each is decoded.

    Args:
        clip: The clip.
        results: Folder of sequence folders.
        rules: What the archive must look like.

    Raises:
        VOSError: If the dataset itself is unusable; what is wrong with results is returned.
    """
    folder = results / clip.name
    if not folder.is_dir():
        return CheckedResults((), (Problem(clip.name, "", "has no masks"),))
    required, size = _required(clip), clip.size
    entering = {}
    if rules.proposals is None:
        entering = {i: given.frame for given in clip.annotations for i in given.object_ids}
    members, problems = [], []
    for name, index in required.items():
        path = folder / f"{name}.png"
        try:
            label_map = _read(path, size, rules)
            _require_ids(label_map, index, entering, clip.frame_names, rules)
        except VOSError as err:
            problems.append(Problem(clip.name, path.name, str(err).removeprefix(f"{path}: ")))
            continue
        member = "/".join(filter(None, (rules.prefix, clip.name, path.name)))
        members.append(Member(member, path, _is_ready(path, label_map, rules)))
    left_out = sorted(path.name for path in folder.glob("*.png") if path.stem not in required)
    return CheckedResults(
        tuple(members), tuple(problems), tuple(f"{clip.name}/{name}" for name in left_out)
    )


def check_still(still: StillImage, results: Path, rules: ArchiveRules) -> CheckedResults:
    """Check the mask stored for one still image; arguments as of :func:`check_clip`.

    Raises:
        VOSError: If the picture is unusable; what is wrong with the result is returned.
    """
    path = results / f"{still.name}.png"
    size = still.size
    try:
        label_map = _read(path, size, rules)
    except VOSError as err:
        what = str(err).removeprefix(f"{path}: ")
        return CheckedResults((), (Problem("", f"{still.name}.png", what),))
    member = Member(f"{still.name}.png", path, _is_ready(path, label_map, rules))
    return CheckedResults((member,), ())


def describe(problems: Sequence[Problem]) -> list[str]:
    """Return one line for each kind of problem of each sequence.

    For example ``dog/00003.png and 12 more: is 427x240, must be 854x480 (width x height)``.
    """
    grouped: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        grouped.setdefault((problem.sequence, problem.what), []).append(problem.file)
    lines = []
    for (sequence, what), files in grouped.items():
        where = "/".join(filter(None, (sequence, files[0])))
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        lines.append(f"{where}{more}: {what}")
    return lines


def write_archive(
    path: Path, members: Sequence[Member], rules: ArchiveRules, advance: Callable[[], None]
) -> None:
    """Write checked masks into a zip, sorted by name; the same masks give the same bytes.

    Args:
        path: File to write, whose folder exists.
        members: What :func:`check_clip` or :func:`check_still` found, all of it.
        rules: The rules by which they were checked.
        advance: Called after each file.
    """
    # PNGs are compressed already
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for member in sorted(members):
            entry = zipfile.ZipInfo(member.name, _DATE)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, wherever this runs
            archive.writestr(entry, _encoded(member, rules))
            advance()


def _required(clip: DiskClip) -> dict[str, int]:
    """Return name -> index of the frames that the archive must hold."""
    index_of = {name: index for index, name in enumerate(clip.frame_names)}
    missing = [name for name in clip.required_names if name not in index_of]
    if missing:
        raise DatasetError(
            f"sequence {clip.name!r} lacks frame {missing[0]}, of which a mask is required; "
            "unpack the dataset again."
        )
    return {name: index_of[name] for name in clip.required_names}


# The next two leave the file's name out of their messages: a Problem names it.
def _read(path: Path, size: tuple[int, int], rules: ArchiveRules) -> LabelMap:
    if not path.is_file():
        raise MaskError("is missing")
    label_map = read_mask(path, binary=rules.binary)
    if label_map.shape != size:
        height, width = label_map.shape
        raise MaskError(f"is {width}x{height}, must be {size[1]}x{size[0]} (width x height)")
    return label_map


def _require_ids(
    label_map: LabelMap,
    index: int,
    entering: Mapping[int, int],
    frame_names: Sequence[str],
    rules: ArchiveRules,
) -> None:
    """Refuse ids that are unknown, or known only from a later frame on."""
    ids = [int(i) for i in np.flatnonzero(np.bincount(label_map.ravel()))]
    if VOID in ids:
        raise MaskError(f"holds void (index {VOID})")
    if rules.proposals is not None:
        if ids[-1] > rules.proposals:
            raise MaskError(f"holds id {ids[-1]}; proposals are 1 to {rules.proposals}")
        return
    unknown = [i for i in ids if i and i not in entering]
    if unknown:
        raise MaskError(
            f"holds unknown ids {_listed(unknown)}; known are {_listed(sorted(entering))}"
        )
    early = [i for i in ids if i and entering[i] > index]
    if early:
        enters = frame_names[entering[early[0]]]
        raise MaskError(f"holds id {early[0]}, which enters only in frame {enters}")


def _listed(ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, ids[:8]))
    return shown + (", ..." if len(ids) > 8 else "")


def _is_ready(path: Path, label_map: LabelMap, rules: ArchiveRules) -> bool:
    """Tell whether a file is stored just as the archive needs it."""
    data = path.read_bytes()
    with PIL.Image.open(io.BytesIO(data)) as image:
        if image.format != "PNG" or data[_PNG_DEPTH] != 8:
            return False
        if rules.gray:
            return image.mode == "L" and np.array_equal(np.asarray(image), label_map * 255)
        if image.mode != "P" or image.palette is None:
            return False
        colours = bytes(image.palette.palette)
        # files may hold no more colours than they need
        if not davis_palette().tobytes().startswith(colours) or "transparency" in image.info:
            return False
        return not rules.binary or np.array_equal(np.asarray(image), label_map)


def _encoded(member: Member, rules: ArchiveRules) -> bytes:
    if member.ready:
        return member.path.read_bytes()
    label_map = read_mask(member.path, binary=rules.binary)
    if not rules.gray:
        return encode_mask(label_map)
    encoded = io.BytesIO()
    PIL.Image.fromarray(label_map * 255).save(encoded, "PNG")
    return encoded.getvalue()
