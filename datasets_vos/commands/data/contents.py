"""What the tools do with each clip or image of a dataset, also where some cannot be opened."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeVar

from datasets_vos import DiskClip, FolderClip, StillDataset, StillImage, VideoClip
from datasets_vos.commands.data.source import open_source
from datasets_vos.commands.parallel import work_through
from vos_core.errors import CorruptFileError, DatasetError, MaskError, VOSError

_STILLS_PER_JOB = 32

Item = DiskClip | StillImage
_R = TypeVar("_R")


class Contents(NamedTuple):
    """What could be opened of a dataset, and what could not.

    Attributes:
        items: Its clips or images.
        refused: Name and reason of each that could not be opened.
        noun: What one is called: ``clip`` or ``image``.
    """

    items: Sequence[Item]
    refused: Sequence[tuple[str, VOSError]]
    noun: str


def open_contents(options: argparse.Namespace) -> Contents:
    """Open all clips or images; one's own clip also where its files would be refused.

    Args:
        options: Those of ``add_source_options``.

    Raises:
        VOSError: See ``open_source``.
    """
    try:
        dataset = open_source(options)
    except (CorruptFileError, DatasetError, MaskError):
        if options.dataset != "folder" or not options.root.exists():
            raise
        opener = FolderClip if options.root.is_dir() else VideoClip
        return Contents([opener(options.root, options.mask)], [], "clip")
    items: list[Item] = []
    refused = []
    for index, name in enumerate(dataset.names):
        try:
            items.append(dataset[index])
        except VOSError as err:
            refused.append((name, err))
    return Contents(items, refused, "image" if isinstance(dataset, StillDataset) else "clip")


def map_contents(
    label: str, function: Callable[[Item], _R], contents: Contents, workers: int | None
) -> Iterator[_R]:
    """Yield ``function(item)`` of each item in order, with a bar and, for many, in processes.

    Args:
        label: What is being done, for the bar.
        function: Can be sent to other processes.
        contents: The items.
        workers: Number of processes; None is one a CPU, or this one alone for little work.
    """
    items = contents.items
    step = _STILLS_PER_JOB if contents.noun == "image" else 1
    jobs = [items[start : start + step] for start in range(0, len(items), step)]
    files = sum(map(_files, items))
    each = partial(_apply, function)
    return chain.from_iterable(work_through(label, each, jobs, files=files, workers=workers))


def _apply(function: Callable[[Item], _R], items: Sequence[Item]) -> list[_R]:
    return [function(item) for item in items]


def _files(item: Item) -> int:
    try:
        return 2 if isinstance(item, StillImage) else 2 * len(item.frame_names)
    except VOSError:
        return 0
