"""An annotated frame taken apart into a clean plate and cut-outs, once for many dreams."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from augment.clean_plate import Filling, clean_plate
from augment.shapes import MaskShape, Window, bounding_box
from vos_core.errors import ConfigError, MaskError
from vos_core.types import VOID, BinaryMask, Image, LabelMap

RIM = 4
"""Pixels around a cut-out: room for its soft edge, and for the colours that go on beyond it."""


@dataclass(frozen=True, eq=False)
class CutOut:
    """One object of an annotated frame.

    Attributes:
        object_id: Its id in the label map.
        frame: Index of the frame that it is taken from.
        rgba: (h, w, 4) uint8 crop with a soft edge. Colours at the edge, which hold some of the old
            background, are those of the object just inside.
        solid: (h, w) uint8 crop of the mask, 255 on the object.
        corner: (x, y) of the crop's first pixel in the source frame; a crop at the border
            begins outside of it.
    """

    object_id: int
    frame: int
    rgba: Image
    solid: npt.NDArray[np.uint8]
    corner: tuple[int, int]

    @classmethod
    def of(cls, image: Image, mask: BinaryMask, object_id: int, frame: int = 0) -> "CutOut":
        """Cut the object of a (H, W) mask out of a (H, W, 3) image."""
        x, y, width, height = bounding_box(mask)
        opaque = mask.astype(np.uint8) * 255
        # what the frame cuts off would go on, so it gets no edge there, soft or recoloured
        soft = cv2.GaussianBlur(opaque, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
        cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        inside = cv2.erode(opaque, cross, borderType=cv2.BORDER_REPLICATE)
        window = np.s_[y : y + height + 2 * RIM, x : x + width + 2 * RIM]
        solid, soft, inside = (np.pad(each, RIM)[window] for each in (opaque, soft, inside))
        # nor a dark one
        colour = cv2.copyMakeBorder(image, *(4 * (RIM,)), cv2.BORDER_REPLICATE)
        rgb = _extend_colours(colour[window], solid > 0, inside > 0)
        corner = (x - RIM, y - RIM)
        rgba = np.dstack([rgb, soft])
        return cls(object_id, frame, rgba, np.ascontiguousarray(solid), corner)

    @property
    def window(self) -> Window:
        """The part of its source frame that the crop shows, which may reach beyond it."""
        x, y = self.corner
        height, width = self.solid.shape
        return Window(x, y, x + width, y + height)

    def mask(self, size: tuple[int, int]) -> BinaryMask:
        """Return where it is in its source frame of ``size`` (H, W)."""
        there, crop = self.window.within(size)
        mask = np.zeros(size, dtype=bool)
        mask[there] = self.solid[crop] > 0
        return mask

    @cached_property
    def shape(self) -> MaskShape:
        """What deformations need to know of the mask."""
        return MaskShape.of(self.solid > 0).shifted(self.corner)


def _extend_colours(rgb: Image, mask: BinaryMask, inside: BinaryMask) -> Image:
    """Give pixels at and beyond the edge of a mask the colour of the nearest one well inside.

    Parts of the mask that are too thin to have an inside keep their colours.
    """
    if not inside.any():
        return rgb
    distance, nearest = cv2.distanceTransformWithLabels(
        1 - inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), dtype=np.uint8)
    colours[nearest[inside]] = rgb[inside]
    near = distance <= np.where(mask, 1.5, RIM + 1)
    extended: Image = np.where(near[..., None], colours[nearest], rgb)
    return extended


@dataclass(frozen=True, eq=False)
class LucidScene:
    """Annotated frames of one place, taken apart.

    Attributes:
        plates: (H, W, 3) uint8 each, the frames without their objects.
        cut_outs: Of all frames; an object has one from each frame that shows it.
        voids: (H, W) uint8 for each plate, 255 where nobody knows what is there and 0 elsewhere;
            None for a plate that is known everywhere.
    """

    plates: tuple[Image, ...]
    cut_outs: tuple[CutOut, ...]
    voids: tuple[LabelMap | None, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames in pixels."""
        return self.plates[0].shape[0], self.plates[0].shape[1]

    @property
    def object_ids(self) -> list[int]:
        """The ids of the objects, ascending."""
        return sorted({cut_out.object_id for cut_out in self.cut_outs})

    @classmethod
    def from_frame(
        cls, image: Image, label_map: LabelMap, filling: Filling = "patches"
    ) -> "LucidScene":
        """Cut the objects out of one frame and paint its plate.

        Args:
            image: (H, W, 3) uint8 RGB.
            label_map: (H, W) uint8; void stays on the plate, but where it touches an object: there
                it is filled, as the object's place is.
            filling: How the plate is painted, see :func:`augment.clean_plate.clean_plate`.

        Raises:
            MaskError: If the label map holds no object or has another size than the image.
            ConfigError: If the image is not RGB with 8 bits.
        """
        return cls.from_frames([(image, label_map)], filling)

    @classmethod
    def from_frames(
        cls, frames: Sequence[tuple[Image, LabelMap]], filling: Filling = "patches"
    ) -> "LucidScene":
        """Take several frames of one place apart; dreams mix their plates and objects.

        Args:
            frames: (H, W, 3) images and (H, W) label maps. Every frame must mark all objects that
                it shows: one that it does not mark stays on its plate.
            filling: How the plates are painted.

        Raises:
            MaskError: If there is no object, or a label map or image has another size.
            ConfigError: If there is no frame, or an image is not RGB with 8 bits.
        """
        if not frames:
            raise ConfigError("there is no frame to take apart; give at least one.")
        plates, cut_outs, voids = [], [], []
        for index, (image, label_map) in enumerate(frames):
            _require_frame(image, label_map, frames[0][1].shape)
            objects = (label_map > 0) & (label_map != VOID)
            # nobody knows where an object ends within the void around it, so that is filled, too
            void, rims = _split_void(label_map == VOID, objects)
            plates.append(clean_plate(image, objects | rims, filling=filling))
            voids.append(void.astype(np.uint8) * VOID if void.any() else None)
            ids = np.unique(label_map[objects])
            cut_outs += [CutOut.of(image, label_map == i, int(i), index) for i in ids]
        if not cut_outs:
            raise MaskError("The mask holds no object, so there is nothing to dream about.")
        return cls(tuple(plates), tuple(cut_outs), tuple(voids))


def _split_void(void: BinaryMask, objects: BinaryMask) -> tuple[BinaryMask, BinaryMask]:
    """Return the void that lies apart from all objects, and that which touches one."""
    if not void.any():
        return void, void
    _, parts = cv2.connectedComponents(void.astype(np.uint8), connectivity=8)
    near = cv2.dilate(objects.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    touching = np.setdiff1d(parts[near], 0)
    rims = np.isin(parts, touching)
    return void & ~rims, rims


def _require_frame(image: Image, label_map: LabelMap, size: tuple[int, ...]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ConfigError(
            f"A frame must be (H, W, 3) uint8 RGB, but is {image.shape} {image.dtype}; convert it "
            "first (a gray one by repeating it three times)."
        )
    if image.shape[:2] != label_map.shape:
        raise MaskError(f"The image is {image.shape[:2]} but its mask is {label_map.shape}.")
    if label_map.shape != size:
        raise MaskError(
            f"One frame is {size}, another {label_map.shape}; frames of one scene have one size."
        )
