"""The published sizes of the datasets, and what a folder is that does not have them.

Counts are those of the released files, as stated by the evaluation packages and web sites of the
benchmarks; where papers differ (the tables of arXiv:1704.00675), the files count. Test-challenge of
DAVIS 2017 is left out: its sequences are not listed anywhere we could check.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from datasets_vos import open_dataset
from datasets_vos.clips import ImageClip
from datasets_vos.images import image_mode
from datasets_vos.integrity.findings import KINDS, Finding, from_error
from datasets_vos.integrity.mask_files import look_at
from vos_core.errors import DatasetError, VOSError


class Counts(NamedTuple):
    """Numbers of frames and objects of one clip."""

    frames: int
    objects: int | None  # None where damage hides some


@dataclass(frozen=True)
class Usage:
    """What is usual in a dataset.

    Attributes:
        modes: Pixel modes of its mask images; empty where anything is.
        sparse: Few frames of a clip are meant to have masks.
        ids_skip: Ids of a clip are not always 1..N.
    """

    modes: frozenset[str] = frozenset()
    sparse: bool = False
    ids_skip: bool = False


class Edition(NamedTuple):
    """One split, or a whole set, as published.

    Attributes:
        title: What it is called.
        items: How many videos or images there are.
        objects: How many objects there are; None where this is not fixed or not known.
        frames: How many frames there are; likewise.
        noun: What the items are.
    """

    title: str
    items: int
    objects: int | None = None
    frames: int | None = None
    noun: str = "videos"


_INDEXED = frozenset({"P"})
_GRAY = frozenset({"L", "1"})
_USAGE = {
    "davis2016": Usage(_GRAY),
    "davis2017": Usage(_INDEXED),
    "davis2017_unsupervised": Usage(_INDEXED),
    "dut_omron": Usage(_GRAY),
    "duts": Usage(_GRAY),
    "ecssd": Usage(_GRAY),
    "folder": Usage(sparse=True),
    "hku_is": Usage(_GRAY),
    "kitti_mots": Usage(frozenset({"I;16", "I"}), ids_skip=True),
    "mots20": Usage(frozenset({"I;16", "I"}), ids_skip=True),
    "msra10k": Usage(_GRAY),
    "pascal_s": Usage(_GRAY),
    "segtrack_v2": Usage(frozenset({"RGB", "L", "1"})),
    "toy": Usage(_INDEXED),
    "voc2012": Usage(_INDEXED),
    "youtube_objects": Usage(sparse=True),
    "youtube_vos2018": Usage(_INDEXED, ids_skip=True),
    "youtube_vos2019": Usage(_INDEXED, ids_skip=True),
}

# DAVIS: part -> sequence and number of frames. The year 2017 holds 2016's and more.
_DAVIS_2016 = {
    "train": """bear 82, bmx-bumps 90, boat 75, breakdance-flare 71, bus 80, car-turn 80,
        dance-jump 60, dog-agility 25, drift-turn 64, elephant 80, flamingo 80, hike 80, hockey 75,
        horsejump-low 60, kite-walk 80, lucia 70, mallard-fly 70, mallard-water 80,
        motocross-bumps 60, motorbike 43, paragliding 70, rhino 90, rollerblade 35,
        scooter-gray 75, soccerball 48, stroller 91, surf 55, swing 60, tennis 70, train 80""",
    "val": """blackswan 50, bmx-trees 80, breakdance 84, camel 90, car-roundabout 75,
        car-shadow 40, cows 104, dance-twirl 90, dog 60, drift-chicane 52, drift-straight 50,
        goat 90, horsejump-high 50, kite-surf 50, libby 49, motocross-jump 40,
        paragliding-launch 80, parkour 100, scooter-black 43, soapbox 99""",
}
_DAVIS_2017_ONLY = {
    "train": """boxing-fisheye 87, cat-girl 89, classic-car 63, color-run 84, crossing 52,
        dancing 62, disc-jockey 76, dog-gooses 86, dogs-scale 83, drone 91, kid-football 68,
        koala 100, lady-running 65, lindy-hop 73, longboard 52, miami-surf 70, night-race 46,
        planes-water 38, rallye 50, schoolgirls 80, scooter-board 91, sheep 68, skate-park 80,
        snowboard 66, stunt 71, tractor-sand 76, tuk-tuk 59, upside-down 65, varanus-cage 67,
        walking 72""",
    "val": """bike-packing 69, dogs-jump 66, gold-fish 78, india 81, judo 34, lab-coat 47,
        loading 50, mbike-trick 79, pigs 79, shooting 40""",
    "test-dev": """aerobatics 71, car-race 31, carousel 69, cats-car 67, chamaleon 85, deer 79,
        giant-slalom 127, girl-dog 86, golf 79, guitar-violin 55, gym 60, helicopter 49,
        horsejump-stick 58, hoverboard 81, lock 43, man-bike 75, monkeys-trees 83, mtb-race 69,
        orchid 57, people-sunset 67, planes-crossing 31, rollercoaster 70, salsa 86, seasnake 80,
        skate-jump 68, slackline 60, subway 88, tandem 72, tennis-vest 75, tractor 65""",
}
_DAVIS_OBJECTS = {
    "davis2016": {"train": 30, "val": 20},
    "davis2017": {"train": 144, "val": 61, "test-dev": 89},
}

_YOUTUBE_VOS = {
    "youtube_vos2018": {
        "train": Edition("YouTube-VOS 2018 train", 3471, 5945),
        "valid": Edition("YouTube-VOS 2018 valid", 474, 894),
        "test": Edition("YouTube-VOS 2018 test", 508, 915),
    },
    "youtube_vos2019": {
        "train": Edition("YouTube-VOS 2019 train", 3471, 6459),
        "valid": Edition("YouTube-VOS 2019 valid", 507, 1063),
        "test": Edition("YouTube-VOS 2019 test", 541, 1092),
    },
    # has no name of its own here, but is often taken for one of the others
    "youtube_vos2022": {"test": Edition("YouTube-VOS 2022 test", 746, 1409)},
}
# None is the whole set.
_EDITIONS: dict[str, dict[str | None, Edition]] = {
    "ecssd": {None: Edition("ECSSD", 1000, noun="images")},
    "fss1000": {None: Edition("FSS-1000", 10000, noun="images")},
    "kitti_mots": {
        None: Edition("KITTI-MOTS train and val", 21, frames=8008),
        "train": Edition("KITTI-MOTS train", 12, frames=5027),
        "val": Edition("KITTI-MOTS val", 9, frames=2981),
        "test": Edition("KITTI-MOTS test", 29, frames=11095),
    },
    "mots20": {None: Edition("MOTS20 train", 4, frames=2862)},
    "msra10k": {None: Edition("MSRA10K", 10000, noun="images")},
    "pascal_s": {None: Edition("PASCAL-S", 850, noun="images")},
    "segtrack_v2": {None: Edition("SegTrack-v2", 14, 24)},
    "sod": {None: Edition("SOD", 300, noun="images")},
}
_LISTS = {
    "davis2016": ("ImageSets/2016", "ImageSets/480p"),
    "davis2017": ("ImageSets/2017",),
    "davis2017_unsupervised": ("ImageSets/2017",),
    "toy": ("ImageSets/2017",),
}


def usage(dataset: str) -> Usage:
    """Return what is usual in a dataset."""
    return _USAGE.get(dataset, Usage())


_YOUTUBE_NAME = re.compile(r"[0-9a-f]{10}")


@cache
def davis_frames(dataset: str) -> dict[str, dict[str, int]]:
    """Return part -> sequence -> number of frames of ``davis2016`` or of the sets of 2017."""
    tables = (_DAVIS_2016,) if dataset == "davis2016" else (_DAVIS_2016, _DAVIS_2017_ONLY)
    parts: dict[str, dict[str, int]] = {}
    for table in tables:
        for part, text in table.items():
            entries = (entry.split() for entry in text.split(","))
            parts.setdefault(part, {}).update({name: int(count) for name, count in entries})
    return parts


def edition_of(names: Collection[str]) -> str | None:
    """Return the title of the published split that has these sequences; None if none is known.

    Videos of YouTube-VOS, whose names are not kept here, are told by their number.
    """
    for dataset in ("davis2016", "davis2017"):
        parts = davis_frames(dataset)
        for part, frames in parts.items():
            if set(names) == set(frames):
                return f"DAVIS {dataset[5:]} {part}"
        if set(names) == set(parts["train"]) | set(parts["val"]):
            return f"DAVIS {dataset[5:]} train and val"
    if not all(_YOUTUBE_NAME.fullmatch(name) for name in names):
        return None
    known = [each for editions in _YOUTUBE_VOS.values() for each in editions.values()]
    titles = [each.title for each in known if each.items == len(names)]
    return " or ".join(titles) or None


def other_edition(dataset: str, clips: Iterable[object]) -> str | None:
    """Tell by its masks what a dataset is taken for and is not, whatever part of it is there.

    Every sequence of DAVIS 2016 is in DAVIS 2017 too, with the same frames. But masks of 2016 show
    one object in white, those of 2017 have a palette.

    Args:
        dataset: Name under which the clips were opened.
        clips: All or some of its clips; of a right one no more than one header is read.

    Returns:
        What it is and why, in words; None if nothing speaks against the name.
    """
    if dataset != "davis2017":
        return None
    shared = {name for names in davis_frames("davis2016").values() for name in names}
    white = [
        clip.name
        for clip in clips
        if isinstance(clip, ImageClip) and clip.name in shared and _is_black_and_white(clip)
    ]
    if not white:
        return None
    return f"masks of {_some(white)} are black and white: this is DAVIS 2016, not DAVIS 2017"


def require_edition(dataset: str, root: Path, clips: Iterable[object]) -> None:
    """Refuse what :func:`other_edition` can tell.

    Raises:
        DatasetError: If the clips are of another edition.
    """
    if other := other_edition(dataset, clips):
        raise DatasetError(f"{root}: {other}; {KINDS['edition'].cure}.")


def _is_black_and_white(clip: ImageClip) -> bool:
    """Tell whether no mask has a palette or colours, and grays are not ids."""
    try:
        files = [path for paths in clip.mask_paths.values() for path in paths]
        gray = bool(files) and all(image_mode(path) in _GRAY for path in files)
        return gray and not any(look_at(path, clip.format).dark for path in files[:1])
    except VOSError:  # damage is told by those who read the clip
        return False


def check_edition(
    dataset: str,
    split: str | None,
    counts: Mapping[str, Counts],
    root: Path,
    *,
    chosen: bool = False,
) -> Iterator[Finding]:
    """Compare what is there with what was published.

    Args:
        dataset: Name under which it was opened.
        split: The split that was opened; None is everything found.
        counts: Clip or image -> what it holds.
        root: Named as the place of what is found.
        chosen: Only some sequences were asked for, so their number says nothing.

    Yields:
        Sequences of the wrong length, what is missing or foreign, and wrong editions.
    """
    if dataset.startswith("davis"):
        yield from _check_davis(dataset, split, counts, root, chosen)
    elif not chosen and dataset in _YOUTUBE_VOS:
        yield from _check_youtube_vos(dataset, split, counts, root)
    elif not chosen:
        edition = _EDITIONS.get(dataset, {}).get(split)
        if edition is not None:
            yield from _compare(edition, counts, root)


def check_split_lists(dataset: str, root: Path) -> Iterator[Finding]:
    """Try every split list that lies in a DAVIS folder.

    Yields:
        A note where there is none, an error for each that names what is not there.
    """
    if dataset not in _LISTS:
        return
    folders = [root / folder for folder in _LISTS[dataset]]
    lists = sorted(path for folder in folders for path in folder.glob("[!.]*.txt"))
    if not lists:
        yield Finding("note", "no-list", folders[0], "holds none")
    for path in lists:
        try:
            open_dataset(dataset, root, path.stem)
        except VOSError as err:
            yield from_error("list", err, path)


def _check_davis(
    dataset: str, split: str | None, counts: Mapping[str, Counts], root: Path, chosen: bool
) -> Iterator[Finding]:
    title = f"DAVIS {dataset[5:9]}"
    parts = davis_frames(dataset)
    published = {name: frames for part in parts.values() for name, frames in part.items()}
    for name in sorted(counts.keys() & published.keys()):
        if counts[name].frames != published[name]:
            message = f"has {counts[name].frames} frames, {published[name]} in {title}"
            yield Finding("error", "count", root / "JPEGImages" / "480p" / name, message)
    foreign = [name for name in counts if name not in published]
    if foreign:
        shown = f"{len(foreign)} of {len(counts)} sequences: {_some(foreign)}"
        yield Finding("note", "foreign", root, f"{shown}; not of {title}")
    if chosen or len(foreign) == len(counts):
        return
    present = {part: counts.keys() & names.keys() for part, names in parts.items()}
    wanted = [part for part in parts if (present[part] if split is None else part == split)]
    if split is None and dataset == "davis2016":
        wanted = list(parts)
    total = sum(len(parts[part]) for part in wanted)
    held = sum(len(present[part]) for part in wanted)
    if held < total:
        where = f"{title} ({', '.join(wanted)})" if len(wanted) < len(parts) else title
        yield Finding("note", "subset", root, f"{held} of the {total} sequences of {where}")
    for part in wanted:
        known = _DAVIS_OBJECTS.get(dataset, {}).get(part)
        objects = _objects(counts[name] for name in present[part])
        if len(present[part]) == len(parts[part]) and _differ(objects, known):
            message = f"{title} {part} has {known} objects, here are {objects}"
            yield Finding("warning", "edition", root, message)


def _check_youtube_vos(
    dataset: str, split: str | None, counts: Mapping[str, Counts], root: Path
) -> Iterator[Finding]:
    split = split and split.removesuffix("_all_frames")
    own = _YOUTUBE_VOS[dataset]
    expected = [own[split]] if split in own else list(own.values())
    videos, objects = len(counts), _objects(counts.values())
    if any((each.items, each.objects) == (videos, objects) for each in expected):
        return
    known = [each for editions in _YOUTUBE_VOS.values() for each in editions.values()]
    twins = [each for each in known if (each.items, each.objects) == (videos, objects)]
    # Videos without their objects tell the edition too, but for train, which has 3471 in both.
    twins = twins or [each for each in known if each.items == videos]
    if twins and twins[0] not in expected:
        others = " or ".join(each.title for each in expected)
        seen = f"{videos} videos" if objects is None else f"{videos} videos, {objects} objects"
        message = f"{seen}: this is {twins[0].title}, not {others}"
        yield Finding("error", "edition", root, message)
    elif len(expected) == 1:
        yield from _compare(expected[0], counts, root)


def _compare(edition: Edition, counts: Mapping[str, Counts], root: Path) -> Iterator[Finding]:
    title, items, noun, held = edition.title, edition.items, edition.noun, len(counts)
    if held < items:
        yield Finding("note", "subset", root, f"{held} of the {items} {noun} of {title}")
        return
    if held > items:
        yield Finding("warning", "edition", root, f"{held} {noun}, though {title} has {items}")
        return
    frames, objects = sum(each.frames for each in counts.values()), _objects(counts.values())
    for what, here, known in (
        ("frames", frames, edition.frames),
        ("objects", objects, edition.objects),
    ):
        if _differ(here, known):
            yield Finding("warning", "edition", root, f"{here} {what}, though {title} has {known}")


def _objects(counts: Iterable[Counts]) -> int | None:
    """Return the number of all objects, if it is known of each."""
    numbers = [each.objects for each in counts]
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _differ(here: int | None, published: int | None) -> bool:
    """Tell whether two numbers are known to be different."""
    return here is not None and published is not None and here != published


def _some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
