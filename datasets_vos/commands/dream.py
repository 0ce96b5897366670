"""``dream``: lucid dreams of one annotated frame, to look at."""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import PIL.Image

from datasets_vos.commands import CommandParser, at_least, make_folder, progress_bar, user_path
from datasets_vos.commands.output import write_bytes
from datasets_vos.images import read_image
from datasets_vos.masks import object_ids, read_mask, require_objects, require_size, write_mask
from vos_core.errors import ConfigError, nearest
from vos_core.types import Image, LabelMap

if TYPE_CHECKING:
    from augment.lucid import LucidScene

_PRESETS = ("paper",)
_SHEET_DREAMS = 24
_CELL_WIDTH = 480  # pixels
_JPEG_QUALITY = 95
_FILM_FPS = 2.0
_DESCRIPTION = f"""Draw lucid dreams of an annotated frame. For each dream k: k.jpg, k_mask.png
(object ids as given), k_previous.jpg (the frame before), k_previous_mask.png (its rough mask, each
object deformed on its own), k_flow.flo (the exact flow from k.jpg to the frame before, in pixels)
and k_flow.png (the same in colours, black where the frame before does not show what is there);
dreams.json with all that was drawn; dreams.mp4, in which each dream follows the frame before it,
beside their masks; and contact_sheet.png with the source, the clean plate and the first
{_SHEET_DREAMS} dreams. Files of these names are replaced. Dream k depends on the seed and k."""


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
    parser = CommandParser("dream", _DESCRIPTION)
    parser.add_argument("--image", type=user_path, required=True, help="the frame")
    parser.add_argument("--mask", type=user_path, required=True, help="its mask, of the same size")
    parser.add_argument("--count", type=at_least(1), required=True, help="number of dreams")
    parser.add_argument("--out", type=user_path, required=True, help="folder to write into")
    parser.add_argument("--preset", default="paper", help=f"ranges: {', '.join(_PRESETS)}")
    parser.add_argument("--seed", type=at_least(0), default=0, help="default 0")
    options = parser.parse(args)
    if options.preset not in _PRESETS:
        raise ConfigError(
            f"--preset {options.preset!r} is unknown; there is {', '.join(_PRESETS)}."
            f"{nearest(options.preset, _PRESETS)}"
        )
    image = read_image(options.image)
    label_map = read_mask(options.mask)
    require_size(label_map.shape, (image.shape[0], image.shape[1]), options.mask)
    require_objects(label_map, options.mask)
    make_folder(options.out)

    # --help does not wait for this
    from augment.lucid import LucidScene
    from vos_core.visual import Mp4Writer

    scene = LucidScene.from_frame(image, label_map)
    cells = _source_row(image, label_map, scene)
    digits = max(3, len(str(options.count - 1)))
    drawn = {}
    film = Mp4Writer(options.out / "dreams.mp4", _FILM_FPS)
    with film, progress_bar("dreaming", options.count) as advance:
        for k in range(options.count):
            name = f"{k:0{digits}d}"
            written = _write_dream(scene, [options.seed, k], options.out / name)
            drawn[name] = written.drawn
            for picture in written.film:
                film.write(picture)
            if k < _SHEET_DREAMS:
                cells += written.row
            advance()
    _write_sheet(options.out / "contact_sheet.png", cells)
    settings = {"preset": options.preset, "seed": options.seed, "dreams": drawn}
    write_bytes(options.out / "dreams.json", json.dumps(settings, indent=1).encode())
    print(f"{options.count} dreams; see {options.out / 'contact_sheet.png'}")


def _source_row(image: Image, label_map: LabelMap, scene: "LucidScene") -> list[tuple[str, Image]]:
    from vos_core.visual import overlay

    painted = overlay(image, label_map)
    flow_key = _flow_key(image.shape[:2])
    row = [("source", image), ("source, mask", painted), ("clean plate", scene.plate)]
    row.append(("colours of flow: the way from the middle", flow_key))
    return [(caption, _cell(picture)) for caption, picture in row]


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


def _write_dream(scene: "LucidScene", seed: Sequence[int], stem: Path) -> _Written:
    """Draw and write one dream."""
    from augment.deformation import MaskDeformation, deform_mask
    from augment.lucid import LucidDreamer
    from vos_core.flow.files import flow_to_colour, write_flo
    from vos_core.visual import overlay

    rng = np.random.default_rng(seed)
    dreamer = LucidDreamer(pair=True, flow=True)
    plan = dreamer.draw(scene, rng)
    dream = dreamer.render(scene, plan)
    rough = np.zeros_like(dream.label_map)
    for i in object_ids(dream.previous_label_map):
        rough[deform_mask(dream.previous_label_map == i, MaskDeformation(), rng)] = i
    if dream.flow is None or dream.previous_image is None:
        raise RuntimeError("the dreamer was asked for pairs with flow")
    seen = np.where(dream.flow.newly_visible[..., None], np.float32(np.nan), dream.flow.backward)
    coloured = flow_to_colour(seen)
    _write_image(stem.with_name(f"{stem.name}.jpg"), dream.image)
    _write_image(stem.with_name(f"{stem.name}_previous.jpg"), dream.previous_image)
    write_flo(stem.with_name(f"{stem.name}_flow.flo"), dream.flow.backward)
    _write_image(stem.with_name(f"{stem.name}_flow.png"), coloured)
    write_mask(stem.with_name(f"{stem.name}_mask.png"), dream.label_map)
    write_mask(stem.with_name(f"{stem.name}_previous_mask.png"), rough)
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
