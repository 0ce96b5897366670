"""What is on disk: one file per dataset format, readers, writers, checks and a toy generator.

A dataset is a sequence of clips (:class:`datasets_vos.base.VOSDataset`); a clip is a lazily read
video with its annotations (:class:`vos_core.types.Clip`). To add a dataset, write its file and
one line in ``_OPENERS``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets_vos.base import DiskClip, VOSDataset, did_you_mean
from datasets_vos.davis import Davis
from datasets_vos.folder import FolderClip, OwnVideo, open_clip
from datasets_vos.video import VideoClip
from vos_core.errors import ConfigError

__all__ = [
    "PROTOCOLS",
    "Davis",
    "DiskClip",
    "FolderClip",
    "OwnVideo",
    "VOSDataset",
    "VideoClip",
    "list_datasets",
    "open_clip",
    "open_dataset",
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


def _davis2016(request: _Request) -> VOSDataset:
    return Davis(request.path(), year="2016", split=request.split, sequences=request.sequences)


def _davis2017(request: _Request) -> VOSDataset:
    return Davis(request.path(), year="2017", split=request.split, sequences=request.sequences)


def _folder(request: _Request) -> VOSDataset:
    if request.split is not None or request.sequences is not None:
        raise ConfigError("dataset 'folder' is one clip; leave split and sequences unset.")
    if request.mask is None:
        raise ConfigError("dataset 'folder' needs mask, the path of the first frame's mask.")
    return OwnVideo(request.path(), request.mask)


def _toy(request: _Request) -> VOSDataset:
    # Generating is not needed by those who bring their own data.
    from datasets_vos.toy import ensure_toy

    root = ensure_toy(request.root)
    return Davis(root, year="2017", split=request.split, sequences=request.sequences)


_OPENERS: dict[str, Callable[[_Request], VOSDataset]] = {
    "davis2016": _davis2016,
    "davis2017": _davis2017,
    "folder": _folder,
    "toy": _toy,
}


PROTOCOLS = {"davis2016": "davis2016", "davis2017": "davis2017", "toy": "davis2017"}
"""Dataset -> name of the rules it is scored by (``vos_core.metrics.protocol``)."""


def list_datasets() -> list[str]:
    """Return the names that :func:`open_dataset` knows, sorted."""
    return sorted(_OPENERS)


def open_dataset(
    name: str,
    root: str | Path | None,
    split: str | None = None,
    *,
    sequences: Sequence[str] | None = None,
    mask: str | Path | None = None,
) -> VOSDataset:
    """Open a dataset by name.

    Args:
        name: One of :func:`list_datasets`.
        root: The dataset's folder; for ``folder`` a video file or a folder of frames. ``toy`` is
            generated there, or in its own default place when None.
        split: Name of a split list; None takes every sequence found.
        sequences: Restrict to these sequences, in this order.
        mask: For ``folder`` only: the mask of the first frame.

    Raises:
        ConfigError: If the name is unknown, or an argument is missing or does not apply.
        DatasetError: If the data is missing or laid out wrongly.
    """
    if name not in _OPENERS:
        raise ConfigError(f"unknown dataset {name!r}{did_you_mean(name, list_datasets())}.")
    if mask is not None and name != "folder":
        raise ConfigError(f"dataset {name!r} has its own masks; leave mask unset.")
    path = None if root is None else Path(root)
    return _OPENERS[name](_Request(name, path, split, sequences, mask))
