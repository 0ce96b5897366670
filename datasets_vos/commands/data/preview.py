"""``data preview``: a contact sheet, and overlay videos."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from datasets_vos import DiskClip, StillDataset, StillImage
from datasets_vos.commands import CommandParser, at_least, make_folder, progress_bar, user_path
from datasets_vos.commands.data.source import add_source_options, open_source
from datasets_vos.commands.output import write_png
from datasets_vos.masks import object_ids
from vos_core.resize import resize_labels
from vos_core.types import Image, LabelMap

_CELL = (240, 360)  # (height, width) in pixels within which a picture of the sheet fits
_COLUMNS = 4
_DESCRIPTION = """Show a dataset with its masks. The contact sheet holds one annotated frame of each
clip, or each image; of large datasets some are chosen evenly. Some clips are also written as
videos, in which every frame that has truth is painted and the others are plain."""

_T = TypeVar("_T")


class _Cell(NamedTuple):
    """One picture of the sheet."""

    picture: Image
    caption: str


def main(args: Sequence[str]) -> None:
    """Write a contact sheet, and for video datasets overlay videos.

    Args:
        args: The command line after ``data preview``.

    Raises:
        ConfigError: If an option is wrong.
        VOSError: If data is missing, damaged or unusable; the message names the file.
    """
    parser = CommandParser("data preview", _DESCRIPTION)
    add_source_options(parser)
    parser.add_argument("--out", type=user_path, help="folder; default: preview_<dataset> here")
    parser.add_argument(
        "--count", type=at_least(1), default=24, help="pictures on the sheet; default 24"
    )
    parser.add_argument(
        "--clips", type=at_least(0), default=2, help="clips written as videos; default 2"
    )
    parser.add_argument("--fps", type=at_least(1), default=12, help="of the videos; default 12")
    parser.add_argument(
        "--height", type=at_least(16), default=480, help="videos are shrunk to it; default 480"
    )
    options = parser.parse(args)
    dataset = open_source(options)
    out = options.out or Path(f"preview_{options.dataset}")
    make_folder(out)
    if isinstance(dataset, StillDataset):
        stills = chosen_evenly(dataset, options.count)
        _write_sheet(out / "contact_sheet.png", stills, len(dataset))
        return
    _write_sheet(out / "contact_sheet.png", chosen_evenly(dataset, options.count), len(dataset))
    for clip in chosen_evenly(dataset, options.clips):
        path = out / f"{clip.name}.mp4"
        _write_video(path, clip, options.height, options.fps)
        print(f"video of {clip.name}: {path}")


def chosen_evenly(items: Sequence[_T], count: int) -> list[_T]:
    """Return at most ``count`` items in order, the first and the last among them."""
    if count >= len(items):
        return list(items)
    if count < 2:
        return [items[0]][:count]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _write_sheet(path: Path, shown: Sequence[DiskClip] | Sequence[StillImage], total: int) -> None:
    # --help does not wait for this
    from vos_core.visual import contact_sheet

    cells = []
    with progress_bar("painting", len(shown)) as advance:
        for each in shown:
            cells.append(_still_cell(each) if isinstance(each, StillImage) else _clip_cell(each))
            advance()
    pictures, captions = zip(*cells, strict=True)
    write_png(path, contact_sheet(pictures, _COLUMNS, captions))
    print(f"contact sheet of {len(cells)} out of {total}: {path}")


def _clip_cell(clip: DiskClip) -> _Cell:
    """Show the frame in which most objects are given, with all objects that are seen there."""
    given = max(clip.annotations, key=lambda annotation: len(annotation.object_ids))
    truth = clip.ground_truth(given.frame)
    label_map = given.label_map if truth is None else truth
    size = fitted(clip.size, _CELL)
    ids = {i for annotation in clip.annotations for i in annotation.object_ids}
    picture = _painted(clip.frame(given.frame, size), label_map)
    seen = len(ids & set(object_ids(label_map)))
    some = f"{seen} of " if seen < len(ids) else ""
    frame = clip.frame_names[given.frame]
    return _Cell(picture, f"{clip.name}: {some}{_count(len(ids))}, frame {frame}")


def _still_cell(still: StillImage) -> _Cell:
    picture = still.image(fitted(still.size, _CELL))
    if not still.mask_paths:
        return _Cell(picture, f"{still.name}: no mask")
    instances = still.instances()
    caption = f"{still.name}: {_count(len(object_ids(instances)))}"
    return _Cell(_painted(picture, instances), caption)


def _count(objects: int) -> str:
    return f"{objects or 'no'} object{'s' * (objects != 1)}"


def _painted(picture: Image, label_map: LabelMap) -> Image:
    """Paint a mask after bringing it to the picture's size, so that contours stay crisp."""
    from vos_core.visual import overlay

    return overlay(picture, resize_labels(label_map, (picture.shape[0], picture.shape[1])))


def fitted(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Return the largest (height, width) of the same shape that fits into ``box``."""
    scale = min(b / s for s, b in zip(size, box, strict=True))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _write_video(path: Path, clip: DiskClip, height: int, fps: int) -> None:
    from vos_core.visual import Mp4Writer

    size = clip.size
    if height < size[0]:
        size = fitted(size, (height, size[1]))
    with (
        Mp4Writer(path, fps) as video,
        progress_bar(f"writing {path.name}", len(clip.frame_names)) as advance,
    ):
        for frame, label_map in zip(clip.frames(size), _known_masks(clip), strict=True):
            video.write(frame if label_map is None else _painted(frame, label_map))
            advance()


def _known_masks(clip: DiskClip) -> Iterator[LabelMap | None]:
    """Yield what is known of each frame: its truth, else the objects given there, else None."""
    given = {annotation.frame: annotation.label_map for annotation in clip.annotations}
    for index in range(len(clip.frame_names)):
        truth = clip.ground_truth(index)
        yield given.get(index) if truth is None else truth
