"""Lucid data dreaming: new training frames from one annotated frame.

Khoreva, Benenson, Ilg, Brox, Schiele: "Lucid Data Dreaming for Video Object Segmentation"
(arXiv:1703.09554) and the DAVIS 2017 challenge report. The objects are cut out, the background is
inpainted once (the clean plate), and both are put together again at new places, in new shapes and
in another light. A dream is a pair of frames with a small motion between them; the earlier one's
mask, made rough, is what a tracker would know when it meets the later one.

Differs from the released MATLAB code: every layer is resampled once however many maps act on it,
each object moves on its own with a random depth order, the plate is computed once per annotated
frame, seams are feathered instead of solved for.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from augment.clean_plate import clean_plate
from augment.deformation import bounding_box, draw_spline
from augment.dream_flow import PLATE, DreamFlow, dream_flow
from augment.dream_layers import Curve, Layer, Light, Move
from augment.geometry import (
    Matrix,
    PointMap,
    Points,
    sampling_map,
    warp,
    warp_labels,
)
from vos_core.errors import MaskError
from vos_core.types import VOID, BinaryMask, FloatArray, Image, LabelMap

_RIM = 2  # pixels around a cut-out, room for its feathered edge


@dataclass(frozen=True)
class LucidRanges:
    """What a dream is drawn from; the defaults are the published ranges.

    Published means arXiv:1703.09554, section 4; "ours" marks what the paper leaves open.

    Attributes:
        object_scale: Largest relative change of an object's size.
        object_angle: Largest rotation of an object, degrees.
        object_placement: Largest move of an object from its place, as a fraction of the frame.
        spline_points: Control points of the deformation on each object's outline.
        spline_shift: Their largest move, as a fraction of the object's width and height.
        background_scale: Largest relative zoom of the plate.
        background_angle: Largest rotation of the plate, degrees.
        background_shift: Largest move of the plate, as a fraction of the frame.
        motion_shift: Largest move of an object between the two frames, in object sizes.
        motion_scale: Largest relative change of size between the two frames.
        motion_angle: Largest rotation between the two frames, degrees.
        camera_shift: Largest move of the plate between the two frames, fraction of the frame.
        mirror: Probability of mirroring the plate and, drawn apart, each object.
        illumination_gain: Largest relative change of saturation and value.
        illumination_power: Largest deviation of their exponent from 1.
        illumination_offset: Largest offset added to them, in [0, 1].
    """

    object_scale: float = 0.15
    object_angle: float = 30.0
    object_placement: float = 0.5
    spline_points: int = 5
    spline_shift: float = 0.10
    background_scale: float = 0.15
    background_angle: float = 30.0
    background_shift: float = 0.10
    motion_shift: float = 0.10
    motion_scale: float = 0.05  # ours
    motion_angle: float = 5.0  # ours
    camera_shift: float = 0.03  # ours
    mirror: float = 0.5
    illumination_gain: float = 0.05
    illumination_power: float = 0.3
    illumination_offset: float = 0.07


@dataclass(frozen=True)
class CutOut:
    """One object of a scene.

    Attributes:
        object_id: Its id in the label map.
        mask: (H, W) bool, where it is in the source frame.
        rgba: (h, w, 4) uint8 crop; alpha is 255 on the object and 0 beside it.
        corner: (x, y) of the crop's first pixel in the source frame; a crop at the border
            begins outside of it.
    """

    object_id: int
    mask: BinaryMask
    rgba: Image
    corner: tuple[int, int]


@dataclass(frozen=True)
class LucidScene:
    """An annotated frame taken apart: what is computed once and dreamt from many times."""

    plate: Image
    cut_outs: tuple[CutOut, ...]

    @classmethod
    def from_frame(cls, image: Image, label_map: LabelMap) -> "LucidScene":
        """Cut the objects out and paint the plate.

        Args:
            image: (H, W, 3) uint8 RGB.
            label_map: (H, W) uint8; void counts as background.

        Raises:
            MaskError: If the label map holds no object or has another size than the image.
        """
        if image.shape[:2] != label_map.shape:
            msg = f"The image is {image.shape[:2]} but its mask is {label_map.shape}."
            raise MaskError(msg)
        objects = (label_map > 0) & (label_map != VOID)
        ids = np.unique(label_map[objects])
        if not len(ids):
            msg = "The mask holds no object, so there is nothing to dream about."
            raise MaskError(msg)
        cut_outs = tuple(_cut_out(image, label_map == i, int(i)) for i in ids)
        return cls(clean_plate(image, objects), cut_outs)


def _cut_out(image: Image, mask: BinaryMask, object_id: int) -> CutOut:
    x, y, width, height = bounding_box(mask)
    # colour goes on beyond the frame: an object cut off there must not get a dark edge
    colour = cv2.copyMakeBorder(image, _RIM, _RIM, _RIM, _RIM, cv2.BORDER_REPLICATE)
    alpha = np.pad(mask.astype(np.uint8) * 255, _RIM)
    window = np.s_[y : y + height + 2 * _RIM, x : x + width + 2 * _RIM]
    rgba = np.dstack([colour[window], alpha[window]])
    return CutOut(object_id, mask, rgba, (x - _RIM, y - _RIM))


@dataclass(frozen=True)
class Dream:
    """A dreamt pair of frames; the label maps hold the source's ids."""

    image: Image
    label_map: LabelMap
    previous_label_map: LabelMap
    previous_image: Image | None = None
    flow: DreamFlow | None = None


@dataclass(frozen=True)
class DreamPlan:
    """Everything random about one dream of a scene.

    Attributes:
        plate: Where the plate goes.
        cut_outs: The objects, back to front.
        layers: Where each of them goes, in the same order.
        light: Of saturation and of value.
    """

    plate: Layer
    cut_outs: tuple[CutOut, ...]
    layers: tuple[Layer, ...]
    light: tuple[Light, Light]

    def motions(self) -> dict[int, Matrix]:
        """Return the motion of the plate and of each object, by id, for :func:`dream_flow`."""
        layers = {c.object_id: each for c, each in zip(self.cut_outs, self.layers, strict=True)}
        return {i: each.motion.matrix() for i, each in {PLATE: self.plate, **layers}.items()}

    def describe(self) -> dict[str, object]:
        """Return everything that was drawn, as plain values for JSON; objects are back to front."""
        objects = [
            {"object": cut_out.object_id, **layer.describe()}
            for cut_out, layer in zip(self.cut_outs, self.layers, strict=True)
        ]
        saturation, value = map(asdict, self.light)
        light = {"saturation": saturation, "value": value}
        return {"plate": self.plate.describe(), "objects": objects, "light": light}

    def carry(self, label_map: LabelMap) -> LabelMap:
        """Move another (H, W) uint8 label map of the source frame as the picture is moved.

        What lies on an object goes with the object, what lies beside goes with the plate; behind
        the objects' old places there is nothing.
        """
        size = label_map.shape[:2]
        objects = np.logical_or.reduce([cut_out.mask for cut_out in self.cut_outs])
        beside = np.where(objects, 0, label_map).astype(np.uint8)
        carried = warp_labels(beside, sampling_map(size, self.plate.now, step=64))
        for cut_out, layer in zip(self.cut_outs, self.layers, strict=True):
            positions = sampling_map(size, layer.now)
            owned = _warp_alpha(cut_out, positions) > 127
            carried[owned] = warp_labels(label_map, positions)[owned]
        return carried


@dataclass
class LucidDreamer:
    """Draws dreams from a scene.

    Args:
        ranges: What to draw from.
        pair: Also render the earlier frame's picture (its label map is always there).
        flow: Also return the exact flow between the two frames, and what only one of them shows.
    """

    ranges: LucidRanges = field(default_factory=LucidRanges)
    pair: bool = False
    flow: bool = False

    def __call__(self, scene: LucidScene, rng: np.random.Generator) -> Dream:
        """Draw one dream; all randomness comes from ``rng``."""
        return self.render(scene, self.draw(scene, rng))

    def draw(self, scene: LucidScene, rng: np.random.Generator) -> DreamPlan:
        """Draw where everything goes, without painting it."""
        size = scene.plate.shape[:2]
        plate = self._draw_plate(size, rng)
        layers = [self._draw_object(cut_out, size, rng) for cut_out in scene.cut_outs]
        order = rng.permutation(len(layers))
        return DreamPlan(
            plate,
            tuple(scene.cut_outs[i] for i in order),
            tuple(layers[i] for i in order),
            (self._draw_light(rng), self._draw_light(rng)),
        )

    def render(self, scene: LucidScene, plan: DreamPlan) -> Dream:
        """Paint a dream of the scene that it was drawn from."""
        now = [layer.now for layer in plan.layers]
        before = [layer.before for layer in plan.layers]
        image, label_map = _compose(scene.plate, plan.plate.now, plan.cut_outs, now)
        curves = [light.curve() for light in plan.light]
        image = _relight(image, curves)
        previous: Image | None = None
        if self.pair:
            lit, previous_labels = _compose(scene.plate, plan.plate.before, plan.cut_outs, before)
            previous = _relight(lit, curves)
        else:
            previous_labels = _compose_labels(scene.plate.shape[:2], plan.cut_outs, before)
        flow = dream_flow(label_map, previous_labels, plan.motions()) if self.flow else None
        return Dream(image, label_map, previous_labels, previous, flow)

    def _draw_plate(self, size: tuple[int, int], rng: np.random.Generator) -> Layer:
        ranges = self.ranges
        extent = np.array([size[1], size[0]])
        centre = _pair((extent - 1) / 2)
        place = Move(
            centre,
            scale=1 + _spread(rng, ranges.background_scale),
            angle=_spread(rng, ranges.background_angle),
            shift=_pair(_spread_xy(rng, ranges.background_shift) * extent),
            mirror=rng.random() < ranges.mirror,
        )
        camera = Move(centre, shift=_pair(_spread_xy(rng, ranges.camera_shift) * extent))
        return Layer(place, camera)

    def _draw_object(
        self, cut_out: CutOut, size: tuple[int, int], rng: np.random.Generator
    ) -> Layer:
        ranges = self.ranges
        x, y, width, height = bounding_box(cut_out.mask)
        extent = np.array([width, height])
        centre = np.array([x, y]) + (extent - 1) / 2
        shift = _spread_xy(rng, ranges.object_placement) * (size[1], size[0])
        # the object's centre stays in the frame: a dream without its object teaches nothing
        shift = np.clip(centre + shift, 0, np.array([size[1], size[0]]) - 1) - centre
        place = Move(
            _pair(centre),
            scale=1 + _spread(rng, ranges.object_scale),
            angle=_spread(rng, ranges.object_angle),
            shift=_pair(shift),
            mirror=rng.random() < ranges.mirror,
        )
        motion = Move(
            _pair(centre + shift),
            scale=1 + _spread(rng, ranges.motion_scale),
            angle=_spread(rng, ranges.motion_angle),
            shift=_pair(_spread_xy(rng, ranges.motion_shift) * extent),
        )
        spline = draw_spline(cut_out.mask, ranges.spline_points, ranges.spline_shift, rng)
        return Layer(place, motion, spline)

    def _draw_light(self, rng: np.random.Generator) -> Light:
        ranges = self.ranges
        return Light(
            gain=1 + _spread(rng, ranges.illumination_gain),
            power=1 + _spread(rng, ranges.illumination_power),
            offset=_spread(rng, ranges.illumination_offset),
        )


def _pair(values: Points) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _spread(rng: np.random.Generator, limit: float) -> float:
    return rng.uniform(-limit, limit)


def _spread_xy(rng: np.random.Generator, limit: float) -> Points:
    return rng.uniform(-limit, limit, 2)


def _compose(
    plate: Image, plate_map: PointMap, cut_outs: Sequence[CutOut], maps: Sequence[PointMap]
) -> tuple[Image, LabelMap]:
    """Render the layers back to front; a pixel belongs to the topmost that covers half of it."""
    size = plate.shape[:2]
    image = warp(plate, sampling_map(size, plate_map, step=64)).astype(np.float32)
    label_map = np.zeros(size, dtype=np.uint8)
    for cut_out, backward in zip(cut_outs, maps, strict=True):
        positions = sampling_map(size, backward) - np.array(cut_out.corner, np.float32)
        rgba = warp(cut_out.rgba, positions, border=cv2.BORDER_CONSTANT)
        window = _surroundings(rgba[..., 3])
        colour, alpha = rgba[window][..., :3], np.ascontiguousarray(rgba[window][..., 3])
        # the seam is feathered, the labels are not: blurred, a thin object would fade from them
        feathered = cv2.GaussianBlur(alpha, (3, 3), 0)[..., None].astype(np.float32) / 255
        image[window] += feathered * (colour - image[window])
        label_map[window][alpha > 127] = cut_out.object_id
    return image.round().astype(np.uint8), label_map


def _surroundings(alpha: npt.NDArray[np.uint8]) -> tuple[slice, slice]:
    """Return the window of an (H, W) alpha that holds what is not transparent, and a rim."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(alpha))
    # the blur mirrors what lies beyond the window, which is transparent from the rim on
    top, left = max(y - 2, 0), max(x - 2, 0)
    return slice(top, y + height + 2), slice(left, x + width + 2)


def _compose_labels(
    size: tuple[int, int], cut_outs: Sequence[CutOut], maps: Sequence[PointMap]
) -> LabelMap:
    label_map = np.zeros(size, dtype=np.uint8)
    for cut_out, backward in zip(cut_outs, maps, strict=True):
        owned = _warp_alpha(cut_out, sampling_map(size, backward)) > 127
        label_map[owned] = cut_out.object_id
    return label_map


def _warp_alpha(cut_out: CutOut, positions: FloatArray) -> npt.NDArray[np.uint8]:
    alpha = np.ascontiguousarray(cut_out.rgba[..., 3])
    corner = np.array(cut_out.corner, np.float32)
    return warp(alpha, positions - corner, border=cv2.BORDER_CONSTANT)


def _relight(image: Image, curves: Sequence[Curve]) -> Image:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    for channel, curve in zip((1, 2), curves, strict=True):
        hsv[..., channel] = curve[hsv[..., channel]]
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), dtype=np.uint8)
