"""Dreams on disk: a folder of pictures, masks and flow, a film, a sheet and what was drawn."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import PIL.Image

from augment.deformation import MaskDeformation
from augment.lucid import Dream, LucidDreamer, LucidScene
from datasets_vos.commands import make_folder
from datasets_vos.commands.output import write_bytes
from datasets_vos.masks import encode_mask
from vos_core.flow.files import encode_flo, flow_to_colour
from vos_core.types import Image, LabelMap
from vos_core.visual import Mp4Writer, contact_sheet, overlay

_SHEET_DREAMS = 24
_CELL_WIDTH = 480  # pixels
_JPEG_QUALITY = 95
_FILM_FPS = 2.0
_RECORD, _FILM, _SHEET = "dreams.json", "dreams.mp4", "contact_sheet.png"
_ENDINGS = (
    ".jpg",
    "_mask.png",
    "_flow.flo",
    "_flow.png",
    "_newly_visible.png",
    "_rough_mask.png",
    "_previous.jpg",
    "_previous_mask.png",
    "_previous_flow.flo",
    "_previous_disappearing.png",
)


class Sketchbook:
    """Context manager that writes dreams of a scene into a folder.

    What an earlier one left there is removed first. Whatever ends the block, the record tells what
    was drawn until then.

    Args:
        folder: Where to; made if it is missing.
        settings: What the record says of all dreams; "count" is how many there will be.
        frames: The (H, W, 3) images and (H, W) label maps of the scene, for the sheet.
        scene: What is dreamt of.

    Raises:
        DatasetError: If the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        frames: Sequence[tuple[Image, LabelMap]],
        scene: LucidScene,
    ) -> None:
        make_folder(folder)
        self._folder = folder
        self._settings = settings
        self._scene = scene
        self._drawn: dict[str, object] = {}
        self._cells = _source_cells(frames, scene)
        self._film = Mp4Writer(folder / _FILM, _FILM_FPS)

    def __enter__(self) -> Self:
        """Make room and begin the record."""
        _remove_earlier(self._folder)
        self._write_record()
        self._film.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the record and the sheet, and the film unless something went wrong."""
        try:
            self._film.__exit__(kind, error, trace)
        finally:
            self._write_record()
            captions, pictures = zip(*self._cells, strict=True)
            self._write_image(_SHEET, contact_sheet(pictures, columns=4, captions=captions))

    def add(
        self, k: int, dreamer: LucidDreamer, rough: MaskDeformation, rng: np.random.Generator
    ) -> None:
        """Draw dream ``k`` and write it."""
        plan = dreamer.draw(self._scene, rng)
        dream = dreamer.render(self._scene, plan)
        deformations = {each.object_id: rough.draw(each.shape, rng) for each in plan.objects}
        rough_mask = np.zeros_like(dream.label_map)
        for object_id, deformation in deformations.items():
            mask = deformation.apply(dream.previous_label_map == object_id)
            rough_mask[mask] = object_id
        name = f"{k:05d}"
        told = {str(i): deformation.describe() for i, deformation in deformations.items()}
        self._drawn[name] = {**plan.describe(), "rough_masks": told}
        cells = self._write_dream(name, dream, rough_mask)
        if k < _SHEET_DREAMS:
            self._cells += cells

    def _write_dream(
        self, name: str, dream: Dream, rough_mask: LabelMap
    ) -> list[tuple[str, Image]]:
        """Write the files of a dream and return its row of the sheet."""
        if dream.previous_image is None:
            raise RuntimeError("the dreamer was not asked for pairs")
        cells = [
            (name, dream.image),
            (f"{name}, mask", overlay(dream.image, dream.label_map)),
            (f"{name}, rough previous mask", overlay(dream.image, rough_mask)),
        ]
        self._write_image(f"{name}.jpg", dream.image)
        self._write_image(f"{name}_previous.jpg", dream.previous_image)
        self._write_mask(f"{name}_mask.png", dream.label_map)
        self._write_mask(f"{name}_previous_mask.png", dream.previous_label_map)
        self._write_mask(f"{name}_rough_mask.png", rough_mask)
        if (flow := dream.flow) is not None:
            seen = np.where(flow.newly_visible[..., None], np.nan, flow.backward)
            cells.append((f"{name}, flow to the frame before", flow_to_colour(seen)))
            self._write_image(f"{name}_flow.png", cells[-1][1])
            hidden = {
                "newly_visible": flow.newly_visible,
                "previous_disappearing": flow.disappearing,
            }
            for ending, there in hidden.items():
                self._write_image(f"{name}_{ending}.png", there.astype(np.uint8) * 255)
            write_bytes(self._folder / f"{name}_flow.flo", encode_flo(flow.backward))
            write_bytes(self._folder / f"{name}_previous_flow.flo", encode_flo(flow.forward))
        else:
            cells.append((f"{name}, the frame before", dream.previous_image))
        for picture, labels in (
            (dream.previous_image, dream.previous_label_map),
            (dream.image, dream.label_map),
        ):
            self._film.write(np.hstack([picture, overlay(picture, labels)]))
        return [(caption, _cell(picture)) for caption, picture in cells]

    def _write_record(self) -> None:
        text = json.dumps({**self._settings, "dreams": self._drawn}, indent=1, allow_nan=False)
        write_bytes(self._folder / _RECORD, text.encode())

    def _write_mask(self, name: str, label_map: LabelMap) -> None:
        write_bytes(self._folder / name, encode_mask(label_map))

    def _write_image(self, name: str, image: Image) -> None:
        """Encode by the name's suffix."""
        encoded = io.BytesIO()
        kind = "JPEG" if name.endswith(".jpg") else "PNG"
        PIL.Image.fromarray(image).save(encoded, kind, quality=_JPEG_QUALITY)
        write_bytes(self._folder / name, encoded.getvalue())


def _remove_earlier(folder: Path) -> None:
    """Remove what an earlier sketchbook wrote, as far as its record tells how much that was."""
    record = folder / _RECORD
    try:
        count = int(json.loads(record.read_bytes())["count"])
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return
    for k in range(count):
        for ending in _ENDINGS:
            (folder / f"{k:05d}{ending}").unlink(missing_ok=True)
    for name in (_FILM, _SHEET, _RECORD):
        (folder / name).unlink(missing_ok=True)


def _source_cells(
    frames: Sequence[tuple[Image, LabelMap]], scene: LucidScene
) -> list[tuple[str, Image]]:
    cells = []
    for (image, label_map), plate in zip(frames, scene.plates, strict=True):
        cells += [("source", image), ("source, mask", overlay(image, label_map))]
        cells += [("clean plate", plate)]
        cells += [("colours of flow: the way from the middle", _flow_key(scene.size))]
    return [(caption, _cell(picture)) for caption, picture in cells]


def _flow_key(size: tuple[int, int]) -> Image:
    """Paint the flow that leads from the middle of a frame to each of its pixels."""
    ys, xs = np.mgrid[: size[0], : size[1]].astype(np.float32)
    return flow_to_colour(np.stack([xs - size[1] / 2, ys - size[0] / 2], axis=-1))


def _cell(picture: Image) -> Image:
    """Shrink a (H, W, 3) picture to the width of a cell."""
    height, width = picture.shape[:2]
    if width <= _CELL_WIDTH:
        return picture
    size = (_CELL_WIDTH, max(1, round(height * _CELL_WIDTH / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
