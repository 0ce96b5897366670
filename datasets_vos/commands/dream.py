"""``dream``: lucid dreams of one annotated frame, to look at."""

import argparse
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import PIL.Image
import yaml

from datasets_vos.commands import CommandParser, at_least, make_folder, progress_bar, user_path
from datasets_vos.commands.output import write_bytes
from datasets_vos.images import read_image
from datasets_vos.masks import read_mask, require_objects, require_size, write_mask
from vos_core.errors import ConfigError
from vos_core.types import Image, LabelMap

if TYPE_CHECKING:
    from augment.deformation import MaskDeformation
    from augment.lucid import LucidDreamer, LucidScene

_SHEET_DREAMS = 24
_CELL_WIDTH = 480  # pixels
_JPEG_QUALITY = 95
_FILM_FPS = 2.0
_DESCRIPTION = f"""Draw lucid dreams of an annotated frame, or of several frames of one place. A
dream k is a pair of frames: k.jpg and the one before, k_previous.jpg, with k_mask.png and
k_previous_mask.png (object ids as given). k_rough_mask.png is what a tracker would know of the
frame before: each object deformed on its own. k_flow.flo is the exact flow from k.jpg to the frame
before in pixels, k_previous_flow.flo that from there to k.jpg; where a pixel is not seen in the
other frame, they lead to where it is hidden. k_newly_visible.png and k_previous_disappearing.png
are white there; k_flow.png shows the first flow in colours, black there. dreams.json tells all that
was drawn; in dreams.mp4 each dream follows the frame before it, beside their masks;
contact_sheet.png shows the sources, the clean plates and the first {_SHEET_DREAMS} dreams. Files of
these names are replaced. Dream k depends on the options and k, not on how many are drawn."""


def main(args: Sequence[str]) -> None:
    """Draw dreams and write them with a contact sheet.

    Args:
        args: The command line after ``dream``.

    Raises:
        ConfigError: If an option is wrong.
        DatasetError: If a file is missing or the output folder cannot be made.
        CorruptFileError: If a file cannot be decoded.
        MaskError: If the mask is unusable, holds no object, or differs from the image in size.
    """
    options = _parse(args)

    # --help does not wait for this
    from augment.deformation import PREVIOUS_MASKS
    from augment.lucid import PRESETS, LucidDreamer, LucidScene
    from augment.settings import configured
    from vos_core.visual import Mp4Writer

    ranges = configured(PRESETS, {"preset": options.preset, **options.range}, "dreams")
    rough = configured(PREVIOUS_MASKS, {"preset": options.previous_masks}, "previous masks")
    frames = [_read(*paths) for paths in zip(options.image, options.mask, strict=True)]
    scene = LucidScene.from_frames(frames, options.filling)
    make_folder(options.out)
    artist = _Artist(scene, LucidDreamer(ranges, pair=True, flow=True, seam=options.seam), rough)
    cells = _source_cells(frames, scene)
    digits = max(3, len(str(options.count - 1)))
    drawn = {}
    film = Mp4Writer(options.out / "dreams.mp4", _FILM_FPS)
    with film, progress_bar("dreaming", options.count) as advance:
        for k in range(options.count):
            name = f"{k:0{digits}d}"
            written = artist.write([options.seed, k], options.out / name)
            drawn[name] = written.drawn
            for picture in written.film:
                film.write(picture)
            if k < _SHEET_DREAMS:
                cells += written.row
            advance()
    _write_sheet(options.out / "contact_sheet.png", cells)
    settings = {
        "images": [str(path) for path in options.image],
        "seed": options.seed,
        "filling": options.filling,
        "seam": options.seam,
        "preset": options.preset,
        "ranges": asdict(ranges),
        "previous_masks": asdict(rough),
    }
    text = json.dumps({**settings, "dreams": drawn}, indent=1)
    write_bytes(options.out / "dreams.json", text.encode())
    print(f"{options.count} dreams; see {options.out / 'contact_sheet.png'}")


def _parse(args: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("dream", _DESCRIPTION)
    parser.add_argument(
        "--image", type=user_path, nargs="+", required=True, help="the frame, or several"
    )
    parser.add_argument(
        "--mask", type=user_path, nargs="+", required=True, help="their masks, of the same size"
    )
    parser.add_argument("--count", type=at_least(1), required=True, help="number of dreams")
    parser.add_argument("--out", type=user_path, required=True, help="folder to write into")
    parser.add_argument(
        "--preset", default="paper", help="ranges: paper, official_code, frtm, adaptation"
    )
    parser.add_argument(
        "--range",
        type=_one_range,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change one of them, such as object_scale=0.3 or object_angle=[-90,90]; repeat it",
    )
    parser.add_argument(
        "--previous-masks",
        default="lucid",
        help="roughness: lucid, official_code, masktrack, roi, box, jittered_box",
    )
    parser.add_argument(
        "--filling",
        choices=["patches", "navier_stokes", "telea"],
        default="patches",
        help="how the objects' places on the clean plate are filled",
    )
    parser.add_argument(
        "--seam", choices=["feather", "poisson"], default="feather", help="soft edges, or solved"
    )
    parser.add_argument("--seed", type=at_least(0), default=0, help="default 0")
    options = parser.parse(args)
    if len(options.image) != len(options.mask):
        raise ConfigError(
            f"--image has {len(options.image)} files and --mask {len(options.mask)}; give one mask "
            "for each image."
        )
    options.range = dict(options.range)
    return options


def _one_range(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        equals = ""
    if not equals or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, parsed


def _read(image_path: Path, mask_path: Path) -> tuple[Image, LabelMap]:
    image, label_map = read_image(image_path), read_mask(mask_path)
    require_size(label_map.shape, (image.shape[0], image.shape[1]), mask_path)
    require_objects(label_map, mask_path)
    return image, label_map


def _source_cells(
    frames: Sequence[tuple[Image, LabelMap]], scene: "LucidScene"
) -> list[tuple[str, Image]]:
    from vos_core.visual import overlay

    cells = []
    for (image, label_map), plate in zip(frames, scene.plates, strict=True):
        cells += [("source", image), ("source, mask", overlay(image, label_map))]
        cells += [("clean plate", plate)]
        cells += [("colours of flow: the way from the middle", _flow_key(scene.size))]
    return [(caption, _cell(picture)) for caption, picture in cells]


def _flow_key(size: tuple[int, int]) -> Image:
    """Paint the flow that leads from the middle of a frame to each of its pixels."""
    from vos_core.flow.files import flow_to_colour

    ys, xs = np.mgrid[: size[0], : size[1]].astype(np.float32)
    return flow_to_colour(np.stack([xs - size[1] / 2, ys - size[0] / 2], axis=-1))


class _Written(NamedTuple):
    """A dream on disk: what was drawn, its row of the sheet, and its two frames of the film."""

    drawn: dict[str, object]
    row: list[tuple[str, Image]]
    film: list[Image]


@dataclass(frozen=True)
class _Artist:
    """Draws dreams and writes them."""

    scene: "LucidScene"
    dreamer: "LucidDreamer"
    rough: "MaskDeformation"

    def write(self, seed: Sequence[int], stem: Path) -> _Written:
        """Draw and write one dream."""
        from vos_core.flow.files import flow_to_colour, write_flo
        from vos_core.visual import overlay

        rng = np.random.default_rng(seed)
        plan = self.dreamer.draw(self.scene, rng)
        dream = self.dreamer.render(self.scene, plan)
        if dream.flow is None or dream.previous_image is None:
            raise RuntimeError("the dreamer was asked for pairs with flow")
        rough = np.zeros_like(dream.label_map)
        for each in plan.objects:
            mask = dream.previous_label_map == each.object_id
            rough[self.rough.draw(each.shape, rng).apply(mask)] = each.object_id
        seen = np.where(dream.flow.newly_visible[..., None], np.nan, dream.flow.backward)
        coloured = flow_to_colour(seen)
        pictures = {
            ".jpg": dream.image,
            "_previous.jpg": dream.previous_image,
            "_flow.png": coloured,
            "_newly_visible.png": dream.flow.newly_visible.astype(np.uint8) * 255,
            "_previous_disappearing.png": dream.flow.disappearing.astype(np.uint8) * 255,
        }
        masks = {
            "_mask.png": dream.label_map,
            "_previous_mask.png": dream.previous_label_map,
            "_rough_mask.png": rough,
        }
        for ending, picture in pictures.items():
            _write_image(stem.with_name(f"{stem.name}{ending}"), picture)
        for ending, mask in masks.items():
            write_mask(stem.with_name(f"{stem.name}{ending}"), mask)
        write_flo(stem.with_name(f"{stem.name}_flow.flo"), dream.flow.backward)
        write_flo(stem.with_name(f"{stem.name}_previous_flow.flo"), dream.flow.forward)
        row = [
            (stem.name, _cell(dream.image)),
            (f"{stem.name}, mask", _cell(overlay(dream.image, dream.label_map))),
            (f"{stem.name}, rough previous mask", _cell(overlay(dream.image, rough))),
            (f"{stem.name}, flow to the frame before", _cell(coloured)),
        ]
        pair = ((dream.previous_image, dream.previous_label_map), (dream.image, dream.label_map))
        film = [np.hstack([picture, overlay(picture, labels)]) for picture, labels in pair]
        return _Written(plan.describe(), row, film)


def _write_sheet(path: Path, cells: Sequence[tuple[str, Image]]) -> None:
    from vos_core.visual import contact_sheet

    captions, pictures = zip(*cells, strict=True)
    _write_image(path, contact_sheet(pictures, columns=4, captions=captions))


def _cell(picture: Image) -> Image:
    """Shrink a (H, W, 3) picture to the width of a cell."""
    height, width = picture.shape[:2]
    if width <= _CELL_WIDTH:
        return picture
    size = (_CELL_WIDTH, max(1, round(height * _CELL_WIDTH / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _write_image(path: Path, image: Image) -> None:
    """Encode by the path's suffix; the file appears complete or not at all."""
    encoded = io.BytesIO()
    kind = "JPEG" if path.suffix == ".jpg" else "PNG"
    PIL.Image.fromarray(image).save(encoded, kind, quality=_JPEG_QUALITY)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(encoded.getvalue())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
