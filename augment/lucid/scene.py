"""An annotated frame taken apart into a clean plate and cut-outs, once for many dreams."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from augment.clean_plate import Filling, clean_plate
from augment.shapes import MaskShape, bounding_box
from vos_core.errors import MaskError
from vos_core.types import VOID, BinaryMask, Image, LabelMap

RIM = 4
"""Pixels around a cut-out: room for its soft edge, and for the colours that go on beyond it."""


@dataclass(frozen=True)
class CutOut:
    """One object of an annotated frame.

    Attributes:
        object_id: Its id in the label map.
        mask: (H, W) bool, where it is in the source frame.
        rgba: (h, w, 4) uint8 crop with a soft edge. Colours at the edge, which hold some of the old
            background, are those of the object just inside.
        solid: (h, w) uint8 crop of the mask, 255 on the object.
        corner: (x, y) of the crop's first pixel in the source frame; a crop at the border
            begins outside of it.
    """

    object_id: int
    mask: BinaryMask
    rgba: Image
    solid: npt.NDArray[np.uint8]
    corner: tuple[int, int]

    @classmethod
    def of(cls, image: Image, mask: BinaryMask, object_id: int) -> "CutOut":
        """Cut the object of a (H, W) mask out of a (H, W, 3) image."""
        x, y, width, height = bounding_box(mask)
        # colour goes on beyond the frame: an object cut off there must not get a dark edge
        colour = cv2.copyMakeBorder(image, RIM, RIM, RIM, RIM, cv2.BORDER_REPLICATE)
        opaque = mask.astype(np.uint8) * 255
        # nor a transparent one
        soft = cv2.GaussianBlur(opaque, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
        window = np.s_[y : y + height + 2 * RIM, x : x + width + 2 * RIM]
        solid = np.pad(opaque, RIM)[window]
        rgb = _extend_colours(colour[window], solid > 0)
        rgba = np.dstack([rgb, np.pad(soft, RIM)[window]])
        return cls(object_id, mask, rgba, np.ascontiguousarray(solid), (x - RIM, y - RIM))

    @cached_property
    def shape(self) -> MaskShape:
        """What deformations need to know of the mask."""
        return MaskShape.of(self.mask)


def _extend_colours(rgb: Image, mask: BinaryMask) -> Image:
    """Give pixels at and beyond the edge of a mask the colour of the nearest one well inside.

    Where nothing is well inside, at thin parts, colours stay.
    """
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    # beyond the crop there is more of an object that the frame cuts off
    inside = cv2.erode(mask.astype(np.uint8), cross, borderType=cv2.BORDER_REPLICATE)
    if not inside.any():
        return rgb
    distance, nearest = cv2.distanceTransformWithLabels(
        1 - inside, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), dtype=np.uint8)
    colours[nearest[inside > 0]] = rgb[inside > 0]
    extended: Image = np.where((distance <= RIM + 1)[..., None], colours[nearest], rgb)
    return extended


@dataclass(frozen=True)
class LucidScene:
    """Annotated frames of one place, taken apart.

    Attributes:
        plates: (H, W, 3) uint8 each, the frames without their objects.
        cut_outs: Of all frames; an object has one from each frame that shows it.
    """

    plates: tuple[Image, ...]
    cut_outs: tuple[CutOut, ...]

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
            label_map: (H, W) uint8; void counts as background.
            filling: How the plate is painted, see :func:`augment.clean_plate.clean_plate`.

        Raises:
            MaskError: If the label map holds no object or has another size than the image.
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
        """
        plates, cut_outs = [], []
        for image, label_map in frames:
            if image.shape[:2] != label_map.shape:
                raise MaskError(
                    f"The image is {image.shape[:2]} but its mask is {label_map.shape}."
                )
            if label_map.shape != frames[0][1].shape:
                raise MaskError(
                    f"One frame is {frames[0][1].shape}, another {label_map.shape}; frames of one "
                    "scene have one size."
                )
            objects = (label_map > 0) & (label_map != VOID)
            plates.append(clean_plate(image, objects, filling=filling))
            cut_outs += [
                CutOut.of(image, label_map == i, int(i)) for i in np.unique(label_map[objects])
            ]
        if not cut_outs:
            raise MaskError("The mask holds no object, so there is nothing to dream about.")
        return cls(tuple(plates), tuple(cut_outs))
