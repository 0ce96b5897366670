"""What is on disk: one file per dataset format, readers, writers, checks and a toy generator.

A video dataset is a sequence of clips (:class:`datasets_vos.base.VOSDataset`); a clip is a lazily
read video with its annotations (:class:`vos_core.types.Clip`). A still dataset is a sequence of
images (:class:`datasets_vos.stills.StillDataset`). To add one, write its file, one opener here and
its page in ``datasets_vos/catalogue/``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from datasets_vos.base import DiskClip, VOSDataset, did_you_mean
from datasets_vos.davis import Davis
from datasets_vos.folder import FolderClip, OwnVideo, open_clip
from datasets_vos.stills import StillDataset, StillImage
from datasets_vos.video import VideoClip
from vos_core.errors import ConfigError

__all__ = [
    "PROTOCOLS",
    "Davis",
    "DiskClip",
    "FolderClip",
    "OwnVideo",
    "StillDataset",
    "StillImage",
    "VOSDataset",
    "VideoClip",
    "list_datasets",
    "list_still_datasets",
    "open_clip",
    "open_dataset",
    "open_stills",
]


@dataclass(frozen=True)
class _Request:
    """The arguments of :func:`open_dataset`."""

    name: str
    root: Path | None
    split: str | None
    sequences: Sequence[str] | None
    mask: str | Path | None

    def path(self) -> Path:
        if self.root is None:
            raise ConfigError(f"dataset {self.name!r} needs root, the path of its data.")
        return self.root

    def without_split(self) -> Path:
        if self.split is not None:
            raise ConfigError(f"dataset {self.name!r} has no splits; leave split unset.")
        return self.path()


def _davis2016(request: _Request) -> VOSDataset:
    return Davis(request.path(), year="2016", split=request.split, sequences=request.sequences)


def _davis2017(request: _Request) -> VOSDataset:
    return Davis(request.path(), year="2017", split=request.split, sequences=request.sequences)


def _davis2017_unsupervised(request: _Request) -> VOSDataset:
    return Davis(
        request.path(),
        year="2017",
        task="unsupervised",
        split=request.split,
        sequences=request.sequences,
    )


def _folder(request: _Request) -> VOSDataset:
    if request.split is not None or request.sequences is not None:
        raise ConfigError("dataset 'folder' is one clip; leave split and sequences unset.")
    if request.mask is None:
        raise ConfigError("dataset 'folder' needs mask, the path of the first frame's mask.")
    return OwnVideo(request.path(), request.mask)


def _mots(layout: Literal["kitti", "mots20"], request: _Request) -> VOSDataset:
    from datasets_vos.mots import Mots

    return Mots(request.path(), layout=layout, split=request.split, sequences=request.sequences)


def _segtrack_v2(request: _Request) -> VOSDataset:
    from datasets_vos.segtrack import SegTrackV2

    return SegTrackV2(request.without_split(), sequences=request.sequences)


def _toy(request: _Request) -> VOSDataset:
    # Generating is not needed by those who bring their own data.
    from datasets_vos.toy import find_toy

    root = find_toy(request.root)
    return Davis(root, year="2017", split=request.split, sequences=request.sequences)


def _youtube_objects(request: _Request) -> VOSDataset:
    from datasets_vos.youtube_objects import YouTubeObjects

    return YouTubeObjects(request.without_split(), sequences=request.sequences)


def _youtube_vos(year: Literal["2018", "2019"], request: _Request) -> VOSDataset:
    from datasets_vos.youtube_vos import YouTubeVOS

    return YouTubeVOS(request.path(), year=year, split=request.split, sequences=request.sequences)


# Formats beside DAVIS are imported when first opened.
_OPENERS: dict[str, Callable[[_Request], VOSDataset]] = {
    "davis2016": _davis2016,
    "davis2017": _davis2017,
    "davis2017_unsupervised": _davis2017_unsupervised,
    "folder": _folder,
    "kitti_mots": partial(_mots, "kitti"),
    "mots20": partial(_mots, "mots20"),
    "segtrack_v2": _segtrack_v2,
    "toy": _toy,
    "youtube_objects": _youtube_objects,
    "youtube_vos2018": partial(_youtube_vos, "2018"),
    "youtube_vos2019": partial(_youtube_vos, "2019"),
}

_SALIENCY = (
    "dut_omron",
    "duts",
    "ecssd",
    "fss1000",
    "hku_is",
    "msra10k",
    "pascal_s",
    "sod",
    "stills",
)
_INSTANCES = ("sbd", "voc2012")

PROTOCOLS = {
    "davis2016": "davis2016",
    "davis2017": "davis2017",
    "davis2017_unsupervised": "davis2017_unsupervised",
    "segtrack_v2": "segtrack_v2",
    "toy": "davis2017",
    "youtube_objects": "youtube_objects",
    "youtube_vos2018": "youtube_vos",
    "youtube_vos2019": "youtube_vos",
}
"""Dataset -> name of the rules it is scored by (``vos_core.metrics.protocol``)."""


def list_datasets() -> list[str]:
    """Return the names that :func:`open_dataset` knows, sorted."""
    return sorted(_OPENERS)


def list_still_datasets() -> list[str]:
    """Return the names that :func:`open_stills` knows, sorted."""
    return sorted(_SALIENCY + _INSTANCES)


def open_dataset(
    name: str,
    root: str | Path | None,
    split: str | None = None,
    *,
    sequences: Sequence[str] | None = None,
    mask: str | Path | None = None,
) -> VOSDataset:
    """Open a video dataset by name.

    Args:
        name: One of :func:`list_datasets`.
        root: The dataset's folder; for ``folder`` a video file or a folder of frames. None is
            the default place of ``toy``, which is generated there at first use.
        split: Name of a split list; None takes every sequence found.
        sequences: Restrict to these sequences, in this order.
        mask: For ``folder`` only: the mask of the first frame.

    Raises:
        ConfigError: If the name is unknown, or an argument is missing or does not apply.
        DatasetError: If the data is missing or laid out wrongly.
    """
    if name in list_still_datasets():
        raise ConfigError(f"{name!r} holds still images; open it with open_stills.")
    if name not in _OPENERS:
        raise ConfigError(f"unknown dataset {name!r}{did_you_mean(name, list_datasets())}.")
    if mask is not None and name != "folder":
        raise ConfigError(f"dataset {name!r} has its own masks; leave mask unset.")
    path = None if root is None else Path(root)
    return _OPENERS[name](_Request(name, path, split, sequences, mask))


def open_stills(name: str, root: str | Path, split: str | None = None) -> StillDataset:
    """Open a dataset of still images by name.

    Args:
        name: One of :func:`list_still_datasets`; ``stills`` is any folder of pictures and masks.
        root: The dataset's folder.
        split: Name of a split; None takes every image found.

    Raises:
        ConfigError: If the name is unknown.
        DatasetError: If the data is missing or laid out wrongly.
    """
    if name in _SALIENCY:
        from datasets_vos.saliency import Saliency

        return Saliency(Path(root), layout=name, split=split)
    if name in _INSTANCES:
        from datasets_vos.voc import SBD, PascalVOC

        opener = PascalVOC if name == "voc2012" else SBD
        return opener(Path(root), split=split)
    if name in _OPENERS:
        raise ConfigError(f"{name!r} holds videos; open it with open_dataset.")
    raise ConfigError(f"unknown dataset {name!r}{did_you_mean(name, list_still_datasets())}.")
