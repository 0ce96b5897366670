"""Where datasets lie on disk, told by the readers themselves."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from datasets_vos import (
    StillDataset,
    VOSDataset,
    list_still_datasets,
    open_dataset,
    open_stills,
)
from datasets_vos.catalogue import CATALOGUE, DatasetInfo
from vos_core.errors import VOSError

# Archives and data folders nest sets no deeper: VOCdevkit/VOC2012.
_DEPTH = 2


@dataclass(frozen=True)
class Found:
    """A dataset on disk.

    Attributes:
        root: Its folder.
        items: How many clips or images it has.
    """

    root: Path
    items: int


def count_items(name: str, root: Path, split: str | None = None) -> int:
    """Open a dataset and return how many clips or images it has.

    Args:
        name: Name of the set.
        root: Its folder.
        split: One of its splits; None counts everything, split by split if the reader wants one.

    Raises:
        VOSError: If the reader refuses it.
    """
    try:
        return len(_open(name, root, split))
    except VOSError:
        counts = []
        for each in CATALOGUE[name].splits if split is None else ():
            # the same clips at another rate
            if not each.endswith("_all_frames"):
                with suppress(VOSError):
                    counts.append(len(_open(name, root, each)))
        if not counts:
            raise
        return sum(counts)


def _open(name: str, root: Path, split: str | None) -> VOSDataset | StillDataset:
    if name in list_still_datasets():
        return open_stills(name, root, split)
    # the toy set's own opener would generate it
    return open_dataset("davis2017" if name == "toy" else name, root, split)


def find_root(name: str, folder: Path, split: str | None = None) -> Path | None:
    """Return the topmost folder, ``folder`` or one below, that the set's reader opens."""
    for candidate in _folders(folder):
        with suppress(VOSError, OSError):
            count_items(name, candidate, split)
            return candidate
    return None


def find_sets(folders: Iterable[Path]) -> dict[str, list[Found]]:
    """Search folders for datasets, two levels deep, without reading any picture.

    A set is recognised by what only it has, or by the name of its folder or of the one above; and
    its reader must open it.

    Args:
        folders: Where to look.

    Returns:
        Name of the set -> where it is, in the order of the catalogue; others are left out.
    """
    found: dict[str, list[Found]] = {}
    for candidate in dict.fromkeys(path for folder in folders for path in _folders(folder)):
        for name, info in CATALOGUE.items():
            known = found.get(name, [])
            if any(candidate.is_relative_to(each.root) for each in known):
                continue
            with suppress(VOSError, OSError):
                if _is_recognised(name, info, candidate):
                    found[name] = [*known, Found(candidate, count_items(name, candidate))]
    return {name: found[name] for name in CATALOGUE if name in found}


def _folders(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Yield a folder and those below, level by level, in order of their names."""
    level = [folder]
    for _ in range(depth + 1):
        yield from level
        level = [child for parent in level for child in _children(parent)]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.glob("[!.]*") if path.is_dir())
    except OSError:
        return []


def _is_recognised(name: str, info: DatasetInfo, root: Path) -> bool:
    # The toy set is laid out as DAVIS 2017 in all else.
    if (root / "toy.json").is_file():
        return name == "toy"
    folders = [re.sub("[^a-z0-9]", "", path.name.lower()) for path in (root, root.parent)]
    if any(part in folder for part in info.names for folder in folders):
        return True
    return any(next(root.glob(sign), None) is not None for sign in info.signs)
