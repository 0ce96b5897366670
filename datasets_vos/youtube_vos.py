"""YouTube-VOS 2018 and 2019 (Xu et al., arXiv:1809.03327).

Layout under the root::

    <split>/JPEGImages/<video>/00000.jpg, 00005.jpg, ...    6 of the 30 frames a second
    <split>/Annotations/<video>/00000.png                   palette PNGs
    <split>/meta.json
    all_frames/<split>_all_frames/JPEGImages/<video>/00000.jpg, 00001.jpg, ...

The splits are ``train``, ``valid`` and ``test``. ``meta.json`` names the objects of each video,
with their categories and frames::

    {"videos": {"<video>": {"objects": {"<id>": {"category": "cat", "frames": ["00005", ...]}}}}}

An object is given in the first of its frames, which need not be the video's first; ids may skip
numbers. In train every frame has a full mask. In valid and test a mask exists where an object is
given, and shows only what is given there: 0 means "no label", not background. The two years share
names of videos and folders but not masks.
"""

import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datasets_vos.base import VOSDataset, choose_sequences, did_you_mean, list_folders
from datasets_vos.clips import ImageClip
from vos_core.errors import CorruptFileError, DatasetError
from vos_core.types import VOID

_SPLITS = ("train", "valid", "test")
_ALL_FRAMES = "_all_frames"
_ID = re.compile(r"[1-9][0-9]{0,2}")
_FRAME = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class VideoObject:
    """What ``meta.json`` says of one object.

    Attributes:
        category: Its class, e.g. ``giant_panda``; None where the file keeps it secret.
        frames: Names of the frames that concern it, of every fifth; it is given in the first.
    """

    category: str | None
    frames: tuple[str, ...]


class YouTubeVOSClip(ImageClip):
    """A video and what ``meta.json`` says of its objects.

    Attributes:
        objects: Id -> object, by ascending id.
    """

    def __init__(
        self, name: str, frames: Path, masks: Path, objects: Mapping[int, VideoObject], truth: bool
    ) -> None:
        """Describe a clip; nothing is opened yet.

        Args:
            name: Name of the video.
            frames: Folder of its frames.
            masks: Folder of its masks.
            objects: Id -> object.
            truth: Whether the masks are full; else they show only what is given.
        """
        self.objects = objects
        self._named = sorted({frame for each in objects.values() for frame in each.frames}, key=int)
        introductions: dict[str, list[int]] = {}
        for object_id, each in objects.items():
            introductions.setdefault(each.frames[0], []).append(object_id)
        super().__init__(
            name,
            frames,
            masks,
            introductions=introductions,
            required=None if truth else self._named,
            partial_masks=not truth,
        )

    @property
    def categories(self) -> dict[int, str]:
        """Object id -> category, of the objects whose category is known."""
        return {i: each.category for i, each in self.objects.items() if each.category is not None}

    @property
    def scored_frames(self) -> dict[int, tuple[str, ...]]:
        """Object id -> names of its frames after the one in which it is given."""
        return {i: each.frames[1:] for i, each in self.objects.items()}

    def check(self) -> None:
        """Verify the files, and that every frame named in ``meta.json`` is there.

        Raises:
            DatasetError: If a frame, or in train its mask, is missing; or see ``ImageClip.check``.
            CorruptFileError: If a file is cut short or damaged.
            MaskError: If an object is not in the mask of the frame in which it is given.
        """
        super().check()
        what, present = "frame", set(self.frame_names)
        if not self.partial_masks:
            what, present = "mask of frame", {self.frame_names[i] for i in self.truth_frames}
        missing = [name for name in self._named if name not in present]
        if missing:
            raise DatasetError(
                f"{self.where}: {what} {missing[0]} is missing ({len(missing)} in all), though "
                "meta.json names it; unpack the dataset again."
            )


class YouTubeVOS(VOSDataset):
    """One split of YouTube-VOS; clips are :class:`YouTubeVOSClip`.

    Only ``meta.json`` is read, and one folder listed, before a clip is opened.

    Attributes:
        year: The edition.
        split: Name of the split, such as ``valid`` or ``valid_all_frames``.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        year: Literal["2018", "2019"] = "2019",
        split: str | None = None,
        sequences: Sequence[str] | None = None,
    ) -> None:
        """Read ``meta.json`` and compare it with the folders of the videos.

        A full opening needs them to agree. With ``sequences`` only these videos must be there, so
        a part of the dataset can be used.

        Args:
            root: The folder that holds ``train``, ``valid`` or ``test``, or one of these.
            year: The edition, which cannot be told from the layout.
            split: ``train``, ``valid`` or ``test``, with ``_all_frames`` for 30 frames a second;
                None takes the only one there is.
            sequences: Restrict to these videos, in this order.

        Raises:
            DatasetError: If the split, a folder or a video is missing, or ``meta.json`` does not
                fit; the message names the entry.
            CorruptFileError: If ``meta.json`` cannot be parsed.
        """
        self.year = year
        plain, folder = _find_split(Path(root), split)
        self.split = split or plain
        self._truth = plain == "train"
        self._frames, self._masks = folder / "JPEGImages", folder / "Annotations"
        if self.split.endswith(_ALL_FRAMES):
            self._frames = folder.parent / "all_frames" / self.split / "JPEGImages"
        for needed in (self._frames, self._masks):
            if not needed.is_dir():
                raise DatasetError(f"{needed}: no such folder; unpack YouTube-VOS {year} there.")
        meta = folder / "meta.json"
        videos = _read_videos(meta)
        found = set(list_folders(self._frames))
        if sequences is None:
            names = sorted(videos)
            _refuse(sorted(found - set(names)), self._frames, f"have no entry in {meta}")
        else:
            names = choose_sequences(videos, sequences, meta)
        absent = [name for name in names if name not in found]
        _refuse(absent, meta, f"have no folder in {self._frames}")
        if not names:
            raise DatasetError(f"{meta}: names no video; fetch it again.")
        self._videos = {name: _video(videos[name], name, meta) for name in names}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the videos, sorted, or in the order asked for."""
        return tuple(self._videos)

    def _open(self, name: str) -> YouTubeVOSClip:
        frames, masks = self._frames / name, self._masks / name
        return YouTubeVOSClip(name, frames, masks, self._videos[name], self._truth)


def _find_split(root: Path, split: str | None) -> tuple[str, Path]:
    """Return the plain name of a split, without ``_all_frames``, and its folder."""
    if split is not None and split.removesuffix(_ALL_FRAMES) not in _SPLITS:
        known = [*_SPLITS, *(name + _ALL_FRAMES for name in _SPLITS)]
        raise DatasetError(f"{root}: no split {split!r}{did_you_mean(split, known)}.")
    wanted = split and split.removesuffix(_ALL_FRAMES)
    present = [name for name in _SPLITS if (root / name / "meta.json").is_file()]
    if (root / "meta.json").is_file():
        name = root.resolve().name
        if wanted and (wanted == name or name not in _SPLITS):
            return wanted, root
        if not wanted and name in _SPLITS:
            return name, root
        if not wanted:
            raise DatasetError(f"{root}: name the split that this is: {', '.join(_SPLITS)}.")
    elif wanted in present:
        return wanted, root / wanted
    elif not wanted and len(present) == 1:
        return present[0], root / present[0]
    what = f"no {wanted}/meta.json" if wanted else "choose a split"
    raise DatasetError(
        f"{root}: {what}; splits there are: {', '.join(present) or 'none'}. Point root at the "
        "folder that holds train, valid or test."
    )


def _read_videos(path: Path) -> dict[str, Any]:
    """Read the entries of the videos, of which only the names are checked."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as err:  # not UTF-8 or no JSON
        raise CorruptFileError(f"{path}: is no JSON file ({err}); fetch it again.") from err
    except OSError as err:
        raise CorruptFileError(f"{path}: cannot be read ({err.strerror}).") from err
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        raise DatasetError(f'{path}: has no "videos"; give the meta.json of YouTube-VOS.')
    return videos


def _video(entry: object, name: str, path: Path) -> dict[int, VideoObject]:
    where = f"{path}: videos/{name}"
    objects = entry.get("objects") if isinstance(entry, dict) else None
    if not isinstance(objects, dict) or not objects:
        raise DatasetError(f"{where} has no objects; fetch the file again.")
    parsed = {}
    for key, each in objects.items():
        if not _ID.fullmatch(key) or int(key) >= VOID:
            raise DatasetError(
                f"{where}: object id {reprlib.repr(key)} is no whole number from 1 to {VOID - 1}; "
                "fetch the file again."
            )
        parsed[int(key)] = _object(each, f"{where}/objects/{key}")
    return dict(sorted(parsed.items()))


def _object(entry: object, where: str) -> VideoObject:
    fields = entry if isinstance(entry, dict) else {}
    frames, category = fields.get("frames"), fields.get("category")
    if not isinstance(frames, list) or not frames:
        raise DatasetError(f"{where} has no frames; fetch the file again.")
    for frame in frames:
        if not isinstance(frame, str) or not _FRAME.fullmatch(frame):
            raise DatasetError(
                f"{where}: frame {reprlib.repr(frame)} is no number; fetch the file again."
            )
    if not isinstance(category, str | None):
        raise DatasetError(
            f"{where}: category {reprlib.repr(category)} is no text; fetch it again."
        )
    return VideoObject(category, tuple(frames))


def _refuse(names: Sequence[str], where: Path, problem: str) -> None:
    """Refuse the videos of which something is true, if there are any."""
    if names:
        raise DatasetError(
            f"{where}: {len(names)} videos (first {names[0]!r}) {problem}; unpack the dataset "
            "again, or choose videos with sequences."
        )
