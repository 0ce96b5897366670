"""``dream``: lucid dreams of annotated frames, to look at and to train on."""

import argparse
import sys
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from augment.deformation import PREVIOUS_MASKS
from augment.lucid.ranges import PRESETS, LucidRanges
from augment.settings import configured
from datasets_vos.commands import CommandParser, at_least, progress_bar, user_path
from datasets_vos.images import read_image
from datasets_vos.masks import object_ids, read_mask, require_objects, require_size
from vos_core.errors import ConfigError, DatasetError
from vos_core.types import Image, LabelMap
from vos_core.wording import counted

_DESCRIPTION = """Draw lucid dreams of an annotated frame, or of several frames of one place. A
dream k is a pair of frames: k.jpg and the one before, k_previous.jpg, with k_mask.png and
k_previous_mask.png (object ids as given). k_rough_mask.png is what a tracker would know of the
frame before: each object deformed on its own. k_flow.flo is the exact flow from k.jpg to the frame
before in pixels, k_previous_flow.flo that from there to k.jpg; where a pixel is not seen in the
other frame, they lead to where it is hidden. k_newly_visible.png and k_previous_disappearing.png
are white there, to the nearest pixel; k_flow.png shows the first flow in colours, black there.
dreams.json tells all that was drawn; in dreams.mp4 each dream follows the frame before it, beside
their masks; contact_sheet.png shows the sources, the clean plates and the first dreams. What an
earlier run left in the folder is replaced. Dream k depends on the pictures, the options and k, not
on how many are drawn. Training draws from the preset "adaptation" unless told otherwise; "frtm"
makes single frames, so both of a pair are alike."""


def main(args: Sequence[str]) -> None:
    """Draw dreams and write them with a contact sheet.

    Args:
        args: The command line after ``dream``.

    Raises:
        ConfigError: If an option is wrong.
        DatasetError: If a file is missing or cannot be written.
        CorruptFileError: If a file cannot be decoded.
        MaskError: If a mask is unusable or differs in size, or none holds an object.
    """
    options = _parse(args)
    ranges = configured(PRESETS, {"preset": options.preset, **dict(options.range)}, "dreams")
    rough = configured(PREVIOUS_MASKS, {"preset": options.previous_masks}, "previous masks")
    frames = _read(options.image, options.mask)

    # neither --help nor a mistake waits for this
    from augment.lucid import LucidDreamer, LucidScene
    from augment.lucid.dataset import generator
    from datasets_vos.commands.dream.book import Sketchbook

    dreamer = LucidDreamer(ranges, pair=True, flow=options.flow, seam=options.seam)
    with (
        progress_bar("cutting objects out and filling their places", len(frames), plain=True),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        scene = LucidScene.from_frames(frames, options.filling)
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    settings = {
        "images": [str(path) for path in options.image],
        "masks": [str(path) for path in options.mask],
        "cut_outs": [{"object": each.object_id, "frame": each.frame} for each in scene.cut_outs],
        "seed": options.seed,
        "filling": options.filling,
        "seam": options.seam,
        "preset": options.preset,
        "ranges": asdict(ranges),
        "previous_masks": {"preset": options.previous_masks, **asdict(rough)},
        "count": options.count,
    }
    # with the same seed, other frames have other dreams
    key = [zlib.crc32(image.tobytes()) for image, _ in frames]
    try:
        with (
            Sketchbook(options.out, settings, frames, scene) as book,
            progress_bar("dreaming", options.count, plain=True) as advance,
        ):
            for k in range(options.count):
                book.add(k, dreamer, rough, generator(options.seed, *key, k))
                advance()
    except OSError as err:
        where = err.filename or options.out
        msg = f"{where}: cannot be written ({err.strerror}); choose another place."
        raise DatasetError(msg) from err
    print(f"{counted(options.count, 'dream')}; see {options.out / 'contact_sheet.png'}")


def _parse(args: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("dream", _DESCRIPTION)
    known = ", ".join(f"{each.name} {each.default}" for each in fields(LucidRanges))
    parser.epilog = f"Ranges, as in the preset paper: {known}."
    add = parser.add_argument
    add("--image", type=user_path, nargs="+", required=True, help="the frame, or several")
    add("--mask", type=user_path, nargs="+", required=True, help="their masks, of the same size")
    add("--count", type=at_least(1), required=True, help="number of dreams")
    add("--out", type=user_path, required=True, help="folder to write into")
    add("--preset", default="paper", help=f"ranges: {', '.join(PRESETS)}")
    add(
        "--range",
        type=_one_range,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one of them, such as object_scale=0.3 or object_angle=[-90,90]; repeat it",
    )
    add("--previous-masks", default="lucid", help=f"roughness: {', '.join(PREVIOUS_MASKS)}")
    add(
        "--filling",
        choices=["patches", "navier_stokes", "telea"],
        default="patches",
        help="how the objects' places on the clean plate are filled",
    )
    add(
        "--seam",
        choices=["feather", "poisson"],
        default="feather",
        help="soft edges, or solved for as published (objects that are blurred stay soft)",
    )
    add(
        "--flow",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="flow and what is hidden; takes 16 bytes a pixel on the disk",
    )
    add("--seed", type=at_least(0), default=0, help="default 0")
    options = parser.parse(args)
    if len(options.image) != len(options.mask):
        raise ConfigError(
            f"--image has {len(options.image)} files and --mask {len(options.mask)}; give one mask "
            "for each image."
        )
    return options


def _one_range(text: str) -> tuple[str, object]:
    """Parse NAME=VALUE, the value a number, true, false, a word, or numbers in brackets."""
    name, equals, value = text.partition("=")
    inner = value.strip().removeprefix("[").removesuffix("]")
    try:
        if not equals or not inner or name == "preset":
            raise ValueError(text)
        if value.strip() != inner:
            return name, [_number(each) for each in inner.split(",")]
        if inner[0].isalpha():
            return name, {"true": True, "false": False}.get(inner, inner)
        return name, _number(inner)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE") from None


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _read(image_paths: Sequence[Path], mask_paths: Sequence[Path]) -> list[tuple[Image, LabelMap]]:
    """Read frames and masks, all of one size, at least one of them with an object."""
    frames: list[tuple[Image, LabelMap]] = []
    for image_path, mask_path in zip(image_paths, mask_paths, strict=True):
        image, label_map = read_image(image_path), read_mask(mask_path)
        size = (image.shape[0], image.shape[1])
        require_size(label_map.shape, size, mask_path)
        if frames and size != frames[0][1].shape:
            height, width = frames[0][1].shape
            raise ConfigError(
                f"{image_path}: is {size[1]}x{size[0]} pixels, but {image_paths[0]} is "
                f"{width}x{height}; give frames of one size."
            )
        frames.append((image, label_map))
    if not any(object_ids(label_map) for _, label_map in frames):
        require_objects(frames[0][1], mask_paths[0])
    return frames
